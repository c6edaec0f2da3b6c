/** Answers as they are sent: JSON text, once. */
import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ErrorEnvelope } from '../../protocol/network.ts';
import { errors, type ErrorCode } from '../../protocol/errors.ts';
import { envelope, retryAfter, type Refusal } from './errors.ts';

export const JSON_TYPE = 'application/json';

/** On every answer: no page of another origin may embed it, also where no Origin is sent (scripts, images). */
export const GUARDS = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
} as const;
export const GUARD_HEADERS = Object.entries(GUARDS);
/** The same for answers that are written by hand. */
export const GUARD_LINES = GUARD_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`).join('');

/** Keeps fastify from adding a charset, which JSON has none of. */
const asIs = (text: unknown): string => text as string;

/** Sends text that is JSON already. The handler returns nothing then. */
export function sendJson(reply: FastifyReply, text: string, status = 200): void {
  reply.code(status).header('content-type', JSON_TYPE).serializer(asIs).send(text);
}

/** Sends a value; fields that are undefined are left out. */
export function sendValue(reply: FastifyReply, value: unknown, status = 200): void {
  sendJson(reply, JSON.stringify(value), status);
}

/** Codes that any route may answer with, beside its own. */
const EVERYWHERE: readonly ErrorCode[] = [
  'foreign_origin',
  'foreign_host',
  'rate_limited',
  'internal_error',
  'stopping',
];

/** One answer as a route's schema describes it. */
interface Answer {
  description: string;
  content: Record<string, { schema: z.ZodType }>;
}

const SUCCESS: Record<number, string> = { 200: 'Done', 201: 'Created', 202: 'Accepted' };

/**
 * The `response` of a route's schema: what it answers, and by status the codes of its refusals, for the document at
 * /openapi.json.
 */
export function answers(
  success: Record<number, z.ZodType>,
  ...refusals: ErrorCode[]
): Record<number, Answer> {
  const response: Record<number, Answer> = {};
  for (const [status, schema] of Object.entries(success))
    response[Number(status)] = {
      description: SUCCESS[Number(status)] ?? 'Done',
      content: { [JSON_TYPE]: { schema } },
    };
  const byStatus = new Map<number, string[]>();
  for (const code of new Set([...refusals, ...EVERYWHERE])) {
    const { status, what } = errors[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `- \`${code}\`: ${what}`]);
  }
  for (const [status, codes] of byStatus)
    response[status] = { description: codes.join('\n'), content: { [JSON_TYPE]: { schema: ErrorEnvelope } } };
  return response;
}

/** An answer that is not JSON. */
export const textAnswer = (type: string, description: string): Record<number, Answer> => ({
  200: { description, content: { [type]: { schema: z.string() } } },
});

/** A refusal as it is written to a bare socket, where there is no response to write it to; the connection ends. */
export function rawRefusal(refusal: Refusal, requestId: string): string {
  const body = envelope(refusal, requestId);
  const wait = retryAfter(refusal);
  const retry = wait === undefined ? '' : `Retry-After: ${wait}\r\n`;
  return `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nContent-Type: ${JSON_TYPE}\r\nX-Request-Id: ${requestId}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${retry}${GUARD_LINES}Connection: close\r\n\r\n${body}`;
}
