/** Request bodies: whatever the content type says, exactly one JSON value; `null` counts as an empty object. */
import type { z } from 'zod';
import { MoltnetError } from '../../protocol/errors.ts';

/** Parses a body. Throws `bad_request` with the parser's reason, or for a key that would be lost on the way. */
export function parseBody(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason =
      text.trim() === '' ? 'it is empty' : error instanceof SyntaxError ? error.message : 'it cannot be read';
    throw new MoltnetError('bad_request', `the body must be one JSON object: ${printable(reason)}`);
  }
  if (PROTO.test(text))
    throw new MoltnetError(
      'bad_request',
      'the body has a key __proto__, which readers of JSON lose or trip over; give it another name',
    );
  return value === null ? {} : value;
}
/** A key `__proto__`, however it is escaped. Valid JSON has a quote and then a colon nowhere but after a key. */
const PROTO =
  /"(?:_|\\u005[Ff]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[Ff])(?:t|\\u0074)(?:o|\\u006[Ff])(?:_|\\u005[Ff]){2}"\s*:/;

/**
 * Fastify's validator for a zod schema. Wrong types are `bad_request` and name the field; what the values may be, the
 * network decides. A body that was not sent at all comes as null.
 */
export const zodValidator =
  ({ schema, httpPart }: { schema: z.ZodType; httpPart?: string | undefined }) =>
  (data: unknown): { value: unknown } | { error: MoltnetError } => {
    if (httpPart === 'body' && data === null)
      return { error: new MoltnetError('bad_request', 'the request needs a body: one JSON object') };
    const result = schema.safeParse(data);
    if (result.success) return { value: result.data };
    return {
      error: new MoltnetError('bad_request', issueText(result.error.issues[0], httpPart ?? 'request')),
    };
  };

/** One zod issue as a sentence that names the field. */
export function issueText(issue: z.core.$ZodIssue | undefined, part: string): string {
  if (!issue) return `the ${part} is not what this route takes`;
  const field = issue.path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '');
  return printable(
    `${field === '' ? `the ${part}` : field}: ${issue.message.replace(/^Invalid input: /, '')}`,
  );
}

/** Bounded and without control characters, because it quotes what a stranger sent. */
const printable = (text: string): string =>
  text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, 400)
    .toWellFormed();
