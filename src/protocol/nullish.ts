import { z } from 'zod';

/** Of a schema made by `nullish`, inside its `optional`: that of the value. */
const values = new WeakMap<z.core.$ZodType, z.core.$ZodType>();

/** A field that existing clients send as `null` when it is empty: taken as absent. */
export function nullish<S extends z.ZodType>(schema: S) {
  const taken = schema.nullish().transform((value): z.output<S> | undefined => value ?? undefined);
  values.set(taken, schema);
  return taken.optional();
}

/** Whether a value is certainly what parsing it would give. */
type Test = (value: unknown) => boolean;

/**
 * A test for values that a schema would give back as they are, which it tells without making anything: most requests are
 * such. False means that only parsing says. Undefined for schemas that it does not understand.
 */
export function unchangedBy(schema: z.core.$ZodType): Test | undefined {
  const value = values.get(schema);
  if (value) return unchangedBy(value);
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if ('checks' in def && def.checks && def.checks.length > 0) return undefined;
  switch (def.type) {
    case 'string':
      return def.coerce ? undefined : (value) => typeof value === 'string';
    case 'boolean':
      return def.coerce ? undefined : (value) => typeof value === 'boolean';
    case 'unknown':
      return () => true;
    case 'optional': {
      const inner = unchangedBy(def.innerType);
      return inner && ((value) => value === undefined || inner(value));
    }
    case 'array': {
      const element = unchangedBy(def.element);
      return element && ((value) => Array.isArray(value) && value.every(element));
    }
    case 'record': {
      const [key, item] = [def.keyType, def.valueType].map(unchangedBy);
      if (!key || !item) return undefined;
      // The one key that parsing leaves out.
      const kept: Test = (name) => key(name) && name !== '__proto__';
      return (value) =>
        isObject(value) && Object.keys(value).every((name) => kept(name) && item(value[name]));
    }
    case 'object':
      return def.catchall ? undefined : objectTest(def.shape);
    default:
      return undefined;
  }
}

function objectTest(shape: Readonly<Record<string, z.core.$ZodType>>): Test | undefined {
  const fields: { name: string; test: Test }[] = [];
  for (const [name, schema] of Object.entries(shape)) {
    const test = unchangedBy(schema);
    if (!test) return undefined;
    fields.push({ name, test });
  }
  const names = new Set(fields.map(({ name }) => name));
  return (value) => {
    if (!isObject(value)) return false;
    for (const name in value) if (!names.has(name)) return false;
    for (const { name, test } of fields) if (!test(value[name])) return false;
    return true;
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
