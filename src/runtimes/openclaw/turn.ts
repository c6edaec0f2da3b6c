/**
 * One turn in an OpenClaw session, exact about what became of its message. It goes by `agent`, not by `chat.send`: that
 * one lets inline commands of the text act, merges a message into a turn that runs, and tells an end that is none. The
 * gateway may die at any moment and goes on with the turn by itself afterwards, under an id of its own: what the
 * session's history holds is not sent again, but watched.
 */
import { listOf, objectOf, textOf } from '../json.ts';
import { endedWell, type TurnOutcome, type TurnUsage } from '../runtime.ts';
import { pause, TurnFailure, type LineTurn } from '../turn-line.ts';
import { gatewayFailure, modelFailure } from './failures.ts';
import { GatewayLost, GatewayRefusal, type Gateway, type GatewayEvent } from './gateway.ts';
import { knownInput, MAX_ATTEMPTS, runIdOf, usageFrom, type KnownInput } from './session-state.ts';

/** Milliseconds between two looks at a turn that is watched: by its run's id, and where none is known. */
const WATCH_RUN_MS = 10_000;
const WATCH_MS = 1000;
/** Milliseconds for a turn to end that was told to. */
const ABORT_MS = 5000;
/** Rows of the history that are looked through, and characters of each that are needed. */
const HISTORY_ROWS = 1000;
const HISTORY_CHARACTERS = 2000;

export interface SessionTurn extends LineTurn {
  gateway_url: string;
  /** OpenClaw's. */
  session: string;
  agent_id: string;
  text: string;
  /** The agent is about to run it, once more perhaps. */
  begin(): void;
  /** A connection that is there, made when there is none. */
  connect(): Promise<Gateway>;
}

/** What is known of a turn over all its connections. */
interface Progress {
  /** The attempt that was sent by this delivery. */
  sent?: number;
  /** The gateway goes on with it after a crash. */
  resumed?: boolean;
  /** OpenClaw said that it tries again, because of this. */
  retrying?: string;
}

export async function runTurn(turn: SessionTurn): Promise<TurnOutcome> {
  const progress: Progress = {};
  for (;;) {
    let gateway: Gateway;
    try {
      gateway = await turn.connect();
    } catch (error) {
      throw gatewayFailure(error, turn.gateway_url);
    }
    const stop = gateway.listen((event) => follow(turn, progress, event));
    try {
      return await attempt(turn, progress, gateway);
    } catch (error) {
      if (turn.signal.aborted) return ended(turn, progress);
      // It went away in the turn: what became of that stands in its history when it is back.
      if (!(error instanceof GatewayLost)) throw gatewayFailure(error, turn.gateway_url);
    } finally {
      stop();
    }
  }
}

async function attempt(turn: SessionTurn, progress: Progress, gateway: Gateway): Promise<TurnOutcome> {
  for (;;) {
    const known = knownInput(await look(turn, gateway), turn.wake.wake_id);
    const outcome = known.state === 'none' ? undefined : await settle(turn, progress, gateway, known);
    if (outcome === 'watch') await watch(turn, gateway, known);
    else if (outcome) return outcome;
    else {
      const number = Math.max(turn.wake.attempt, known.state === 'none' ? 1 : known.attempt + 1);
      const sent = await send(turn, progress, gateway, Math.min(number, MAX_ATTEMPTS));
      if (sent) return sent;
    }
    if (turn.signal.aborted) return await giveUp(turn, progress, gateway);
  }
}

function look({ session, agent_id, wake }: SessionTurn, gateway: Gateway): Promise<Record<string, unknown>> {
  return gateway.request('chat.history', {
    sessionKey: session,
    agentId: agent_id,
    limit: HISTORY_ROWS,
    maxChars: HISTORY_CHARACTERS,
    inputRunIds: Array.from({ length: MAX_ATTEMPTS }, (_, index) => runIdOf(wake.wake_id, index + 1)),
  });
}

/** What is to be done about an input that the gateway has: report its end, watch it, or (undefined) send it anew. */
async function settle(
  turn: SessionTurn,
  progress: Progress,
  gateway: Gateway,
  known: Exclude<KnownInput, { state: 'none' }>,
): Promise<TurnOutcome | 'watch' | undefined> {
  // Its end is a failure that this delivery has not seen before: else it is an earlier attempt's.
  const mine = progress.sent === known.attempt;
  const failed = (reason: string, usage?: TurnUsage): TurnOutcome | undefined =>
    mine ? { ...failureOf(progress, reason), ...(usage ? { usage } : {}) } : undefined;
  if (known.state === 'never_run') return undefined;
  turn.events.accepted();
  if (known.state === 'in_history') turn.events.delivered();
  const wait = await gateway.request('agent.wait', { runId: known.run_id, timeoutMs: 1 });
  const status = textOf(wait['status']);
  if (status === 'ok') return endedWell(textOf(objectOf(wait['terminalReply'])['text']));
  if (status === 'error')
    return failed(textOf(wait['error']) || `OpenClaw ended the turn (${textOf(wait['stopReason'])})`);
  if (known.state !== 'in_history') return 'watch';
  const { over } = known;
  switch (over.state) {
    case 'running':
      if (!progress.resumed && over.run_ids.length > 0 && !over.run_ids.includes(known.run_id)) {
        progress.resumed = true;
        turn.begin();
      }
      return 'watch';
    case 'ok':
      return endedWell(over.final_text, over.usage ? { usage: over.usage } : {});
    case 'failed':
      return failed(over.reason, over.usage);
    case 'unknown':
      // It was in the agent's hands, and the session has gone on: twice would be worse.
      return { state: 'ok', ...(over.usage ? { usage: over.usage } : {}) };
    default:
      return over satisfies never;
  }
}

/** Until there may be something new. */
async function watch(turn: SessionTurn, gateway: Gateway, known: KnownInput): Promise<void> {
  const running = known.state === 'in_history' && known.over.state === 'running' ? known.over.run_ids : [];
  const runId = running[0] ?? (known.state === 'queued' ? known.run_id : undefined);
  if (runId === undefined) return pause(WATCH_MS, turn.signal);
  const waited = gateway.request('agent.wait', { runId, timeoutMs: WATCH_RUN_MS }, { ms: 2 * WATCH_RUN_MS });
  await Promise.race([waited.catch(() => {}), pause(WATCH_RUN_MS, turn.signal)]);
  // A run that has just ended is noted a moment later.
  await pause(50, turn.signal);
}

/** Sends an attempt and waits for its end. Undefined: the gateway has to be asked what became of it. */
async function send(
  turn: SessionTurn,
  progress: Progress,
  gateway: Gateway,
  number: number,
): Promise<TurnOutcome | undefined> {
  const run_id = runIdOf(turn.wake.wake_id, number);
  progress.sent = number;
  turn.begin();
  const call = gateway.begin('agent', {
    agentId: turn.agent_id,
    sessionKey: turn.session,
    message: turn.text,
    idempotencyKey: run_id,
    deliver: false,
    // Ours ends it before; this is for a node that dies.
    timeout: turn.limits.total + 60,
  });
  const aborted = new Promise<'aborted'>((resolve) => {
    if (turn.signal.aborted) resolve('aborted');
    turn.signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
  try {
    const taken = await call.taken;
    turn.events.accepted();
    if (taken['status'] !== 'accepted') return finished(progress, taken);
    const answer = await Promise.race([call.ended, aborted]);
    if (answer === 'aborted') return await giveUp(turn, progress, gateway);
    return finished(progress, objectOf(answer.payload), answer.error?.message);
  } catch (error) {
    // A failure that it has in store for this key, or one before the turn began.
    if (error instanceof GatewayRefusal && textOf(error.payload['status']) === 'error')
      return failureOf(progress, error.message);
    throw error;
  } finally {
    call.forget();
  }
}

/** The end of a run as `agent` tells it; undefined for one that still runs. */
function finished(
  progress: Progress,
  payload: Record<string, unknown>,
  error?: string,
): TurnOutcome | undefined {
  const result = objectOf(payload['result']);
  const payloads = listOf(result['payloads']).map(objectOf);
  const texts = payloads.map((one) => textOf(one['text'])).filter(Boolean);
  const meta = objectOf(result['meta']);
  const usage = usageOfMeta(meta);
  const status = textOf(payload['status']);
  if (status === 'in_flight' || status === 'accepted') return undefined;
  if (status === 'ok' && !payloads.some((one) => one['isError'] === true))
    return endedWell(texts.join('\n\n'), usage);
  const reason =
    error ??
    (texts.join(' ') ||
      textOf(payload['error']) ||
      textOf(payload['summary']) ||
      `OpenClaw ended the turn as ${status}`);
  return { ...failureOf(progress, reason), ...usage };
}

function usageOfMeta(meta: Record<string, unknown>): { usage?: TurnUsage } {
  const usage = objectOf(objectOf(meta['agentMeta'])['usage']);
  const { input, output } = usage;
  if (typeof input !== 'number' || typeof output !== 'number') return {};
  const cost = objectOf(usage['cost'])['total'];
  return { usage: usageFrom(input, output, typeof cost === 'number' ? cost : 0) };
}

function failureOf(progress: Progress, reason: string): Extract<TurnOutcome, { state: 'failed' }> {
  const { failed } = modelFailure(reason);
  return failed.cause === 'model' && progress.retrying !== undefined && /rate/.test(progress.retrying)
    ? { ...failed, cause: 'rate_limited' }
    : failed;
}

/** Ends what runs of this turn on the gateway, and waits until it has ended. */
async function giveUp(turn: SessionTurn, progress: Progress, gateway: Gateway): Promise<TurnOutcome> {
  const { session, agent_id, wake } = turn;
  const known = knownInput(await look(turn, gateway).catch(() => ({})), wake.wake_id);
  const ids = new Set<string>();
  if (known.state !== 'none') ids.add(known.run_id);
  if (progress.sent !== undefined) ids.add(runIdOf(wake.wake_id, progress.sent));
  // After a crash the gateway goes on under an id of its own; that no one else's turn runs there, the history says.
  if (known.state === 'in_history' && known.over.state === 'running')
    for (const id of known.over.run_ids) ids.add(id);
  for (const runId of ids) {
    await gateway
      .request('chat.abort', { sessionKey: session, agentId: agent_id, runId }, { ms: ABORT_MS })
      .catch(() => {});
    await gateway
      .request('agent.wait', { runId, timeoutMs: ABORT_MS }, { ms: ABORT_MS + 1000 })
      .catch(() => {});
  }
  return ended(turn, progress);
}

/** The turn line says which: cancelled, or over its limit. */
function ended(turn: SessionTurn, progress: Progress): TurnOutcome {
  const why = String(turn.signal.reason);
  return progress.retrying !== undefined && /rate/.test(progress.retrying)
    ? new TurnFailure(
        `OpenClaw's model asks for patience (${progress.retrying}), and the turn was ended: ${why}`,
        {
          cause: 'rate_limited',
        },
      ).failed
    : new TurnFailure(`the turn was ended: ${why}`, { cause: 'timeout' }).failed;
}

/** Signs of life in the session, and what OpenClaw says of its own retries, which are none. */
function follow(turn: SessionTurn, progress: Progress, { event, payload }: GatewayEvent): void {
  if (event !== 'agent' && event !== 'chat') return;
  if (textOf(payload['sessionKey']) !== turn.session) return;
  const data = objectOf(payload['data']);
  const stream = textOf(payload['stream']);
  if (stream === 'run_status' && data['phase'] === 'retrying') {
    progress.retrying = textOf(data['reason']) || 'retrying';
    return;
  }
  // Each retry begins and ends a try: only what the model or a tool says counts from then on.
  if (stream === 'lifecycle') {
    if (data['phase'] === 'start' && progress.sent !== undefined)
      if (payload['runId'] === runIdOf(turn.wake.wake_id, progress.sent)) turn.events.delivered();
    if (progress.retrying !== undefined) return;
  } else if (stream === 'assistant' || stream === 'tool') delete progress.retrying;
  turn.touch();
}
