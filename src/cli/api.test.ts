import { expect, it } from 'vitest';
import { RefusedError } from '../client/http.ts';
import { explain } from './api.ts';
import type { Failure } from './failure.ts';

const told = (status: number, code: string, retryAfter?: number): string | undefined =>
  (explain(new RefusedError(status, { code, error: 'no' }, retryAfter)) as Failure).hint;

it('CLI-34 a refusal that somebody can do something about says what', () => {
  expect(told(403, 'claim_reserved')).toMatch(/own machine, or .*admin agent invite ID.* --claim-code CODE/);
  expect(told(409, 'agent_taken')).toMatch(/rotate-token ID/);
  expect(told(403, 'agent_removed')).toMatch(/admin agent invite ID/);
  expect(told(403, 'invalid_claim_code')).toMatch(/admin agent invite ID/);
  expect(told(409, 'person_reserved')).toMatch(/choose another id/);
  expect(told(429, 'rate_limited', 7)).toMatch(/in 7 s/);
  expect(told(429, 'rate_limited')).toMatch(/wait/);
  // Whatever a proxy or a server of the original says with it.
  expect(told(401, '')).toMatch(/wants a token/);
  expect(told(403, 'forbidden')).toBeUndefined();
});
