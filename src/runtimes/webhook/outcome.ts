/** How a service says what became of a wake: in an answer, or in a callback. */
import { objectOf, textOf } from '../json.ts';
import { endedWell, type FailureCause, type TurnOutcome, type TurnUsage } from '../runtime.ts';
import { TurnFailure } from '../turn-line.ts';

const CAUSES: ReadonlySet<string> = new Set([
  'missing',
  'not_logged_in',
  'rate_limited',
  'model',
  'timeout',
  'config',
  'crashed',
] satisfies FailureCause[]);

/** `{"outcome": "ok", final_text?, usage?}`, or `{"outcome": "failed", reason, permanent?, cause?, retry_after_s?}`; else undefined. */
export function readOutcome(said: Record<string, unknown>): TurnOutcome | undefined {
  const { outcome, final_text, reason, permanent, cause, retry_after_s } = said;
  if (outcome !== 'ok' && outcome !== 'failed') return undefined;
  const usage = usageOf(said['usage']);
  if (outcome === 'ok') return endedWell(textOf(final_text), usage);
  const { failed } = new TurnFailure(
    typeof reason === 'string' && reason !== '' ? reason : 'the service says no more',
    {
      permanent: permanent === true,
      ...(typeof cause === 'string' && CAUSES.has(cause) ? { cause: cause as FailureCause } : {}),
      ...(typeof retry_after_s === 'number' && retry_after_s > 0 ? { retry_after_s } : {}),
    },
  );
  return { ...failed, ...usage };
}

function usageOf(value: unknown): { usage?: TurnUsage } {
  const told = Object.entries(objectOf(value)).filter(
    ([key, count]) =>
      ['input_tokens', 'output_tokens', 'cost_usd'].includes(key) && typeof count === 'number' && count >= 0,
  );
  return told.length === 0 ? {} : { usage: Object.fromEntries(told) as TurnUsage };
}
