/** What a gateway knows of a wake's input and of what came of it, out of `chat.history`. */
import { listOf, objectOf, textOf } from '../json.ts';
import { attemptKey, type TurnUsage } from '../runtime.ts';

/** Attempts at one wake that are looked for. */
export const MAX_ATTEMPTS = 12;

/** The idempotency key, which is also the run's id. */
export const runIdOf = (wake_id: string, attempt: number): string =>
  `moltnet-${attemptKey({ wake_id, attempt })}`;

/** The newest attempt at a wake that the session knows of. */
export type KnownInput =
  | { state: 'none' }
  /** Taken in, and not yet given to the agent: it waits in line, or the gateway stopped before its turn. */
  | { state: 'queued' | 'never_run'; attempt: number; run_id: string }
  /** In the session's history. `over` is what the history says of its end. */
  | { state: 'in_history'; attempt: number; run_id: string; over: TurnOver };

export type TurnOver = { usage?: TurnUsage } &
  /** Runs, or will be gone on with by the gateway itself: after a crash under other ids. */
  (
    | { state: 'running'; run_ids: string[] }
    | { state: 'ok'; final_text?: string }
    | { state: 'failed'; reason: string }
    /** Another turn came after it, and its own rows do not tell. */
    | { state: 'unknown' }
  );

interface Row {
  role: string;
  key: string;
  stop: string;
  message: Record<string, unknown>;
}

/** Reads an answer of `chat.history` that was asked with the `inputRunIds` of this wake. */
export function knownInput(history: Record<string, unknown>, wakeId: string): KnownInput {
  const rows = listOf(history['messages']).map(rowOf);
  const queued = listOf(objectOf(history['pendingInputs'])['items']).map(objectOf);
  const receipts = listOf(history['inputReceipts']).map((one) => textOf(objectOf(one)['runId']));
  for (let attempt = MAX_ATTEMPTS; attempt > 0; attempt--) {
    const run_id = runIdOf(wakeId, attempt);
    const at = rows.findLastIndex(({ key }) => key === `${run_id}:user`);
    if (at >= 0) return { state: 'in_history', attempt, run_id, over: overOf(rows.slice(at + 1), history) };
    const waiting = queued.find((item) => item['runId'] === run_id);
    if (waiting || receipts.includes(run_id))
      return { state: waiting?.['state'] === 'interrupted' ? 'never_run' : 'queued', attempt, run_id };
  }
  return { state: 'none' };
}

function overOf(after: Row[], history: Record<string, unknown>): TurnOver {
  const info = objectOf(history['sessionInfo']);
  // Up to the words of somebody else: those of the gateway itself ("your turn was interrupted") go on with the turn.
  const next = after.findIndex(({ role, message }) => role === 'user' && !isInternal(message));
  const own = next < 0 ? after : after.slice(0, next);
  const usage = usageOf(own);
  const last = own.findLast(({ role }) => role === 'assistant');
  const active = info['hasActiveRun'] === true || info['status'] === 'running';
  if (next < 0 && active)
    return { state: 'running', run_ids: listOf(info['activeRunIds']).map(textOf).filter(Boolean), ...usage };
  if (last?.stop === 'stop') return { state: 'ok', ...finalText(last.message), ...usage };
  if (next >= 0) return { state: 'unknown', ...usage };
  const status = textOf(info['status']);
  if (status === 'done') return { state: 'ok', ...usage };
  const said = after.findLast(({ role }) => role === 'custom')?.message;
  return {
    state: 'failed',
    reason: (said && plainText(said)) || `OpenClaw ended the turn as ${status || 'unknown'}`,
    ...usage,
  };
}

function rowOf(value: unknown): Row {
  const message = objectOf(value);
  return {
    role: textOf(message['role']),
    key: inboundKey(message) ?? textOf(message['idempotencyKey']),
    stop: textOf(message['stopReason']),
    message,
  };
}

/** A row that came in by a channel names the channel's message, which is the run's id, in the place of the key. */
function inboundKey(message: Record<string, unknown>): string | undefined {
  const transport = objectOf(objectOf(message['__openclaw'])['transport']);
  return transport['channel'] === 'moltnet' ? `${textOf(transport['messageId'])}:user` : undefined;
}

const isInternal = (message: Record<string, unknown>): boolean =>
  textOf(objectOf(message['provenance'])['kind']) === 'internal_system' ||
  plainText(message).startsWith('[System] ');

/** The texts of a message, joined. */
export function plainText(message: Record<string, unknown>): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((block) => textOf(objectOf(block)['text']))
    .filter(Boolean)
    .join('\n\n');
}

function finalText(message: Record<string, unknown>): { final_text?: string } {
  const text = plainText(message);
  return text === '' ? {} : { final_text: text };
}

function usageOf(rows: Row[]): { usage?: TurnUsage } {
  const sum = { input: 0, output: 0, cost: 0 };
  let any = false;
  for (const { message } of rows) {
    const usage = objectOf(message['usage']);
    if (typeof usage['input'] !== 'number' || typeof usage['output'] !== 'number') continue;
    any = true;
    sum.input += usage['input'];
    sum.output += usage['output'];
    const cost = objectOf(usage['cost'])['total'];
    if (typeof cost === 'number') sum.cost += cost;
  }
  return any ? { usage: usageFrom(sum.input, sum.output, sum.cost) } : {};
}

/** A cost of nothing is that of a model without a price. */
export const usageFrom = (input: number, output: number, cost: number): TurnUsage => ({
  input_tokens: input,
  output_tokens: output,
  ...(cost > 0 ? { cost_usd: cost } : {}),
});
