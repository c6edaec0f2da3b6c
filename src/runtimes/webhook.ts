/**
 * Any service: a wake is posted to its address, signed, and its answer is the outcome; or it takes the wake (202) and is
 * asked for the outcome at an address that it names. The signature is HMAC-SHA256 of `<timestamp>.<what is signed>` with
 * the shared secret: the body of a POST, `<method> <path and query>` of anything else.
 */
import { createHmac } from 'node:crypto';
import type { RuntimeConfigOf, RuntimeFields } from '../config/runtime-block.ts';
import { HttpLost, httpCall, lostFailure, objectOf, statusFailure, type HttpAnswer } from './http-call.ts';
import {
  defineRuntime,
  type FailureCause,
  type ProbeResult,
  type Runtime,
  type RuntimeContext,
  type TurnOutcome,
  type TurnUsage,
} from './runtime.ts';
import { SetupError } from './setup-error.ts';
import { pause, TurnFailure, turnLine, type LineTurn } from './turn-line.ts';

const FIELDS = {
  url: {
    type: 'url',
    schemes: ['http', 'https'],
    required: 'write the address that wakes are posted to',
    about: 'where wakes are posted to',
  },
  secret: { type: 'secret', about: 'shared with it: what is sent is signed with this' },
  secret_env: { type: 'text', about: 'the environment variable with that secret' },
} as const satisfies RuntimeFields;
type WebhookContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

/** Milliseconds between two questions for an outcome, unless the service says otherwise; and for one answer to them. */
const POLL_MS = 2000;
const POLL_MAX_S = 300;
const ANSWER_MS = 30_000;
/** Milliseconds between two tries of what did not arrive, and how long it is tried. */
const RETRY_MS = 1000;
const RETRY_FOR_MS = 30_000;

const CAUSES: ReadonlySet<string> = new Set([
  'missing',
  'not_logged_in',
  'rate_limited',
  'model',
  'timeout',
  'config',
  'crashed',
] satisfies FailureCause[]);

export const webhook = defineRuntime({
  kind: 'webhook',
  about: 'any service, by signed HTTP requests',
  fields: FIELDS,
  complete: ({ secret, secret_env }, note) => {
    if (secret === undefined && secret_env === undefined)
      note(
        'secret',
        'is missing',
        'write a secret that the service has too, or the variable with it as secret_env',
      );
  },
  create,
});

function create(context: WebhookContext): Runtime {
  const { runtime } = context.attachment;
  const url = runtime.url ?? '';
  const secret = (): string => {
    const value = runtime.secret ?? process.env[runtime.secret_env ?? ''];
    if (!value)
      throw new SetupError(
        `the secret of the webhook is missing; set ${runtime.secret_env ?? 'runtime.secret'}`,
      );
    return value;
  };
  return {
    kind: 'webhook',
    capabilities: {
      wake_idle: true,
      wake_busy: false,
      headless: true,
      // Its business: every request of an attempt carries the same key.
      dedupes: false,
      reports_usage: true,
      cancels: true,
    },
    ...turnLine({ context, run: (turn) => run(context, url, secret(), turn) }),
    probe: async (): Promise<ProbeResult> => {
      try {
        secret();
        return { ready: true };
      } catch (error) {
        return { ready: false, permanent: true, cause: 'config', reason: (error as Error).message };
      }
    },
  };
}

async function run(
  context: WebhookContext,
  url: string,
  secret: string,
  turn: LineTurn,
): Promise<TurnOutcome> {
  const { wake, events, signal } = turn;
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
  });
  const key = `${wake.wake_id}#${wake.attempt}`;
  const answer = await post(turn, url, secret, key, body);
  events.accepted();
  if (answer.status !== 202) {
    if (answer.status < 200 || answer.status > 299)
      throw statusFailure(url, answer, 'runtime.url', 'runtime.secret');
    events.delivered();
    return outcomeOf(answer, url);
  }
  events.delivered();
  const where = statusUrl(url, answer);
  try {
    return await poll(turn, where, secret, key, waitOf(answer));
  } finally {
    // Nobody waits for it any more: it may end the turn.
    if (signal.aborted)
      await httpCall(where, {
        method: 'DELETE',
        headers: signed(secret, key, `DELETE ${pathOf(where)}`),
        signal: AbortSignal.timeout(ANSWER_MS),
      }).catch(() => {});
  }
}

/** A request that did not arrive, or whose answer did not, is made again with the same key. */
async function post(
  turn: LineTurn,
  url: string,
  secret: string,
  key: string,
  body: string,
): Promise<HttpAnswer> {
  const end = Date.now() + RETRY_FOR_MS;
  for (;;) {
    try {
      return await httpCall(url, {
        method: 'POST',
        body,
        headers: signed(secret, key, body),
        signal: turn.signal,
      });
    } catch (error) {
      if (!(error instanceof HttpLost) || turn.signal.aborted || Date.now() + RETRY_MS > end)
        throw lostFailure(error, 'runtime.url');
      await pause(RETRY_MS, turn.signal);
    }
  }
}

/** Asks until there is an outcome. 202, or no answer, is not yet. */
async function poll(
  turn: LineTurn,
  where: string,
  secret: string,
  key: string,
  first: number,
): Promise<TurnOutcome> {
  for (let wait = first; ;) {
    await pause(wait, turn.signal);
    if (turn.signal.aborted) return { state: 'cancelled', reason: 'the turn was ended' };
    let answer: HttpAnswer;
    try {
      answer = await httpCall(where, {
        method: 'GET',
        headers: signed(secret, key, `GET ${pathOf(where)}`),
        signal: turn.signal,
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
      if (objectOf(answer)?.['working'] === true) turn.touch();
    } else if (answer.status >= 200 && answer.status < 300) return outcomeOf(answer, where);
    else if (answer.status < 500 && answer.status !== 429 && answer.status !== 408)
      throw new TurnFailure(`the outcome of the wake is not to be had: ${where} answered ${answer.status}`, {
        permanent: true,
        cause: 'crashed',
      });
  }
}

/** `Moltnet-Timestamp` is in seconds; one that is over five minutes off is to be refused. */
function signed(secret: string, key: string, what: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  return {
    'idempotency-key': key,
    'moltnet-timestamp': timestamp,
    'moltnet-signature': `v1=${createHmac('sha256', secret).update(`${timestamp}.${what}`).digest('hex')}`,
  };
}

const pathOf = (url: string): string => {
  const { pathname, search } = new URL(url);
  return pathname + search;
};

/** Where the outcome is asked for: `status_url` of the answer, else `Location`; on the same origin, as it gets a signature. */
function statusUrl(url: string, answer: HttpAnswer): string {
  const said = objectOf(answer)?.['status_url'] ?? answer.headers.location;
  const where = typeof said === 'string' && URL.canParse(said, url) ? new URL(said, url) : undefined;
  if (where === undefined || where.origin !== new URL(url).origin)
    throw new TurnFailure(
      `${url} took the wake (202) and names no address of its own for the outcome (status_url, or Location); correct the service`,
      { permanent: true, cause: 'config' },
    );
  return where.href;
}

/** Milliseconds until the next question: `Retry-After` in seconds. */
function waitOf({ headers }: HttpAnswer): number {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, POLL_MAX_S) * 1000 : POLL_MS;
}

/** An empty answer is a turn that ended well; else `outcome` says how it did. */
function outcomeOf(answer: HttpAnswer, url: string): TurnOutcome {
  if (answer.body.trim() === '') return { state: 'ok' };
  const said = objectOf(answer);
  const { outcome = 'ok', final_text, reason, permanent, cause, retry_after_s } = said ?? {};
  if (said === undefined || (outcome !== 'ok' && outcome !== 'failed'))
    throw new TurnFailure(
      `${url} answered with something else than an outcome; it is to be {"outcome": "ok"} or {"outcome": "failed", …}`,
      {
        permanent: true,
        cause: 'config',
      },
    );
  const usage = usageOf(said['usage']);
  if (outcome === 'ok')
    return {
      state: 'ok',
      ...(typeof final_text === 'string' && final_text !== '' ? { final_text } : {}),
      ...usage,
    };
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
  if (typeof value !== 'object' || value === null) return {};
  const told = Object.entries(value).filter(
    ([key, count]) =>
      ['input_tokens', 'output_tokens', 'cost_usd'].includes(key) && typeof count === 'number' && count >= 0,
  );
  return told.length === 0 ? {} : { usage: Object.fromEntries(told) as TurnUsage };
}
