import { z } from 'zod';

/** A field that existing clients send as `null` when it is empty: taken as absent. */
export const nullish = <S extends z.ZodType>(schema: S) =>
  schema
    .nullish()
    .transform((value): z.output<S> | undefined => value ?? undefined)
    .optional();
