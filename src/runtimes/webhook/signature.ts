/**
 * What is sent either way is signed with HMAC-SHA256 of `<timestamp>.<what is signed>` and the shared secret: the body
 * of a POST, `<method> <path and query>` of anything else.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const signatureOf = (secret: string, timestamp: string, what: string | Buffer): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.`).update(what).digest('hex')}`;

/** The headers of a request. `Moltnet-Timestamp` is in seconds; one that is over five minutes off is to be refused. */
export function signed(secret: string, key: string, what: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  return {
    'idempotency-key': key,
    'moltnet-timestamp': timestamp,
    'moltnet-signature': signatureOf(secret, timestamp, what),
  };
}

/** Whether the body of a request was signed with this secret. How old it is, is another question. */
export function genuine(secret: string, headers: IncomingHttpHeaders, body: Buffer): boolean {
  const given = Buffer.from(String(headers['moltnet-signature']));
  const expected = Buffer.from(signatureOf(secret, String(headers['moltnet-timestamp']), body));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Seconds since 1970; NaN for anything else. */
export function timestampOf(headers: IncomingHttpHeaders): number {
  const text = headers['moltnet-timestamp'];
  return typeof text === 'string' && /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
}
