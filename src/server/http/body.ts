/** Request bodies: whatever the content type says, exactly one JSON value; `null` counts as an empty object. */
import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { unchangedBy } from '../../protocol/nullish.ts';

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
 * Reads a body and hands over its text, or what went wrong: `body_too_large` as soon as that is known, `bad_request`
 * when the connection ends before it is whole.
 */
export function readBody(
  request: IncomingMessage,
  done: (text: string) => void,
  failed: (error: unknown) => void,
): void {
  const { value: most } = limits.body;
  const tooLarge = (): MoltnetError => new MoltnetError('body_too_large', `the body is over ${most} bytes`);
  if (Number(request.headers['content-length']) > most) return failed(tooLarge());
  let size = 0;
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  /** Handed over, or failed: an aborted connection is told of even after the end. */
  let over = false;
  const fail = (error: MoltnetError): void => {
    if (over) return;
    over = true;
    failed(error);
  };
  request.on('data', (chunk: Buffer) => {
    if (over) return;
    size += chunk.length;
    if (size > most) fail(tooLarge());
    else if (first === undefined) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  request.on('end', () => {
    if (over) return;
    over = true;
    done((more ? Buffer.concat(more, size) : first)?.toString() ?? '');
  });
  request.on('error', () => fail(new MoltnetError('bad_request', 'the body did not come whole')));
}

/** The schema's way to take a value. It throws `bad_request` and names the field. */
export function taking<S extends z.ZodType>(schema: S, part: string): (data: unknown) => z.output<S> {
  const isUnchanged = unchangedBy(schema);
  return (data) => {
    if (isUnchanged?.(data)) return data as z.output<S>;
    const result = schema.safeParse(data);
    if (result.success) return result.data;
    throw new MoltnetError('bad_request', issueText(result.error.issues[0], part));
  };
}

/**
 * Fastify's validator for a zod schema. Wrong types are `bad_request` and name the field; what the values may be, the
 * network decides. A body that was not sent at all comes as null.
 */
export function zodValidator({
  schema,
  httpPart = 'request',
}: {
  schema: z.ZodType;
  httpPart?: string | undefined;
}): (data: unknown) => { value: unknown } | { error: MoltnetError } {
  const take = taking(schema, httpPart);
  return (data) => {
    try {
      if (httpPart === 'body' && data === null)
        throw new MoltnetError('bad_request', 'the request needs a body: one JSON object');
      return { value: take(data) };
    } catch (error) {
      if (error instanceof MoltnetError) return { error };
      throw error;
    }
  };
}

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
