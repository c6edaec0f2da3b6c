/** Request ids (wire.md 2.1): the caller's own when it is well-formed, else `req_` + 16 hex digits. */
import { randomFillSync } from 'node:crypto';

const ACCEPTED = /^[A-Za-z0-9._:-]{1,128}$/;
// Random bytes are fetched in bulk: asking the system for eight at a time costs more than the rest of the id.
const pool = Buffer.alloc(4096);
let used = pool.length;

export function requestId(header: string | string[] | undefined): string {
  if (typeof header === 'string' && ACCEPTED.test(header)) return header;
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return `req_${pool.toString('hex', used, (used += 8))}`;
}
