/**
 * Any service: a wake is posted to its address, signed, and its answer is the outcome; or it takes the wake (202) and is
 * asked for the outcome at an address that it names, or calls back with it where the node listens for that.
 */
import { HttpLost, httpCall, lostFailure, requireSuccess, type HttpAnswer } from '../http-call.ts';
import { parseObject } from '../json.ts';
import {
  attemptKey,
  defineRuntime,
  TURN_BY_TURN,
  type Runtime,
  type RuntimeContext,
  type TurnOutcome,
} from '../runtime.ts';
import { SetupError } from '../setup-error.ts';
import { pause, probed, TurnFailure, turnLine, type LineTurn } from '../turn-line.ts';
import { openCallbacks, type Callbacks } from './callbacks.ts';
import { readOutcome } from './outcome.ts';
import { signed } from './signature.ts';
import { complete, FIELDS, listenAt, opens, type WebhookConfig } from './fields.ts';

type WebhookContext = RuntimeContext<WebhookConfig>;

/** Milliseconds between two questions for an outcome, unless the service says otherwise; and for one answer to them. */
const POLL_MS = 2000;
const POLL_MAX_S = 300;
const ANSWER_MS = 30_000;
/** Milliseconds between two tries of what did not arrive, and how long it is tried. */
const RETRY_MS = 1000;
const RETRY_FOR_MS = 30_000;

export const webhook = defineRuntime({
  kind: 'webhook',
  about: 'any service, by signed HTTP requests',
  fields: FIELDS,
  complete,
  opens,
  create,
});

function create(context: WebhookContext): Runtime {
  const { runtime } = context.attachment;
  const url = runtime.url ?? '';
  const known = (): string | undefined =>
    (runtime.secret ?? process.env[runtime.secret_env ?? '']) || undefined;
  const secret = (): string => {
    const value = known();
    if (value === undefined)
      throw new SetupError(
        `the secret of the webhook is missing; set ${runtime.secret_env ?? 'runtime.secret'}`,
      );
    return value;
  };
  const at = listenAt(runtime);
  const callbacks = at && openCallbacks(context, at, known);
  const line = turnLine({
    context,
    run: (turn) => run({ context, url, secret: secret(), callbacks }, turn),
    close: async () => callbacks?.close(),
  });
  return {
    kind: 'webhook',
    capabilities: {
      ...TURN_BY_TURN,
      // Its business: every request of an attempt carries the same key.
      dedupes: false,
      reports_usage: true,
      cancels: true,
    },
    close: line.close,
    deliver: async (wake, events, signal) => {
      const outcome = await line.deliver(wake, events, signal);
      return callbacks?.settle(wake, outcome) ?? outcome;
    },
    probe: () =>
      probed(() => {
        secret();
        return callbacks?.listen();
      }),
  };
}

interface Service {
  context: WebhookContext;
  url: string;
  secret: string;
  callbacks: Callbacks | undefined;
}

async function run(service: Service, turn: LineTurn): Promise<TurnOutcome> {
  const { callbacks } = service;
  if (callbacks === undefined) return ask(service, turn, turn.signal);
  const { wake, events, signal } = turn;
  const before = callbacks.told(wake);
  if (before !== undefined) {
    events.delivered();
    return before;
  }
  await callbacks.listen();
  const expected = callbacks.expect(turn);
  const over = new AbortController();
  const asked = ask(service, turn, AbortSignal.any([signal, over.signal]));
  // Nobody waits for it when the callback was first.
  asked.catch(() => {});
  try {
    const outcome = await Promise.race([asked, expected.outcome]);
    events.delivered();
    return outcome;
  } finally {
    over.abort();
    expected.end();
  }
}

/** @param signal falls with that of the turn, and when the outcome was told in another way. */
async function ask(
  { context, url, secret, callbacks }: Service,
  turn: LineTurn,
  signal: AbortSignal,
): Promise<TurnOutcome> {
  const { wake, events } = turn;
  const { agent, network_id } = context.attachment;
  const body = JSON.stringify({
    type: 'moltnet.wake.v1',
    network_id,
    agent_id: agent.id,
    conversation: wake.conversation,
    session_key: wake.session_key,
    wake_id: wake.wake_id,
    attempt: wake.attempt,
    text: wake.text,
    ...(callbacks === undefined ? {} : { callback_url: callbacks.url }),
  });
  const key = attemptKey(wake);
  const answer = await post({ url, secret, key, signal }, body);
  events.accepted();
  if (answer.status !== 202) {
    requireSuccess(url, answer, 'runtime.url', 'runtime.secret');
    events.delivered();
    return outcomeOf(answer, url);
  }
  events.delivered();
  const where = statusUrl(url, answer);
  if (where === undefined) {
    if (callbacks === undefined)
      throw new TurnFailure(
        `${url} took the wake (202) and names no address of its own for the outcome (status_url, or Location); correct the service`,
        { permanent: true, cause: 'config' },
      );
    await fallen(signal);
    return { state: 'cancelled', reason: 'the turn was ended' };
  }
  try {
    return await poll({ url: where, secret, key, signal }, turn.touch, waitOf(answer));
  } finally {
    // Nobody waits for it any more: it may end the turn.
    if (turn.signal.aborted)
      await httpCall(where, {
        method: 'DELETE',
        headers: signed(secret, key, `DELETE ${pathOf(where)}`),
        signal: AbortSignal.timeout(ANSWER_MS),
      }).catch(() => {});
  }
}

interface Asked {
  url: string;
  secret: string;
  key: string;
  signal: AbortSignal;
}

/** A request that did not arrive, or whose answer did not, is made again with the same key. */
async function post({ url, secret, key, signal }: Asked, body: string): Promise<HttpAnswer> {
  const end = Date.now() + RETRY_FOR_MS;
  for (;;) {
    try {
      return await httpCall(url, {
        method: 'POST',
        body,
        headers: signed(secret, key, body),
        signal,
      });
    } catch (error) {
      if (!(error instanceof HttpLost) || signal.aborted || Date.now() + RETRY_MS > end)
        throw lostFailure(error, 'runtime.url');
      await pause(RETRY_MS, signal);
    }
  }
}

/** Asks until there is an outcome. 202, or no answer, is not yet. */
async function poll(
  { url, secret, key, signal }: Asked,
  touch: () => void,
  first: number,
): Promise<TurnOutcome> {
  for (let wait = first; ;) {
    await pause(wait, signal);
    if (signal.aborted) return { state: 'cancelled', reason: 'the turn was ended' };
    let answer: HttpAnswer;
    try {
      answer = await httpCall(url, {
        method: 'GET',
        headers: signed(secret, key, `GET ${pathOf(url)}`),
        signal,
        ms: ANSWER_MS,
      });
    } catch {
      // It is away: the time limits of the turn say for how long.
      wait = POLL_MS;
      continue;
    }
    wait = waitOf(answer);
    if (answer.status === 202) {
      // That it answers is no sign that the turn goes on: it has to say so.
      if (parseObject(answer.body)?.['working'] === true) touch();
    } else if (answer.status >= 200 && answer.status < 300) return outcomeOf(answer, url);
    else if (answer.status < 500 && answer.status !== 429 && answer.status !== 408)
      throw new TurnFailure(`the outcome of the wake is not to be had: ${url} answered ${answer.status}`, {
        permanent: true,
        cause: 'crashed',
      });
  }
}

const pathOf = (url: string): string => {
  const { pathname, search } = new URL(url);
  return pathname + search;
};

/** Where the outcome is asked for: `status_url` of the answer, else `Location`; on the same origin, as it gets a signature. */
function statusUrl(url: string, answer: HttpAnswer): string | undefined {
  const said = parseObject(answer.body)?.['status_url'] ?? answer.headers.location;
  const where = typeof said === 'string' && URL.canParse(said, url) ? new URL(said, url) : undefined;
  return where?.origin === new URL(url).origin ? where.href : undefined;
}

/** Resolves when it has fallen. */
const fallen = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Milliseconds until the next question: `Retry-After` in seconds. */
function waitOf({ headers }: HttpAnswer): number {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, POLL_MAX_S) * 1000 : POLL_MS;
}

/** An empty answer is a turn that ended well; else `outcome` says how it did. */
function outcomeOf(answer: HttpAnswer, url: string): TurnOutcome {
  if (answer.body.trim() === '') return { state: 'ok' };
  const outcome = readOutcome({ outcome: 'ok', ...(parseObject(answer.body) ?? { outcome: undefined }) });
  if (outcome !== undefined) return outcome;
  throw new TurnFailure(
    `${url} answered with something else than an outcome; it is to be {"outcome": "ok"} or {"outcome": "failed", …}`,
    { permanent: true, cause: 'config' },
  );
}
