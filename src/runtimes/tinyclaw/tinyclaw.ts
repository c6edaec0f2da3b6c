/**
 * TinyClaw, now TinyAGI: a message goes in under an id that it takes once, `agent:response` is the end of its turn, and
 * what it answers is drained. It has one conversation for each of its agents, so its turns run one at a time. Tried
 * against a stand-in made after 0.0.20.
 */
import type { RuntimeConfigOf, RuntimeFields } from '../../config/runtime-block.ts';
import type { RuntimeConfig } from '../../config/types.ts';
import { CONTROL_URL, controlRuntime } from '../control-url.ts';
import { httpCall, lostFailure, requireSuccess } from '../http-call.ts';
import { parseObject, textOf } from '../json.ts';
import {
  attemptKey,
  defineRuntime,
  endedWell,
  TURN_BY_TURN,
  type Runtime,
  type RuntimeContext,
  type TurnOutcome,
} from '../runtime.ts';
import { pause, probed, TurnFailure, turnLine, type LineTurn } from '../turn-line.ts';
import { watchEvents, type TinyEvent } from './event-stream.ts';
import { withoutFiles } from './tinyclaw-text.ts';

const URL_FIELD = { type: 'url', schemes: ['http', 'https'] } as const;
const FIELDS = {
  inbound_url: { ...URL_FIELD, about: 'where messages go in' },
  outbound_url: { ...URL_FIELD, about: 'where answers wait' },
  ack_url: { ...URL_FIELD, about: 'where answers are acknowledged' },
  channel: {
    type: 'text',
    default: 'moltnet',
    about: 'its name of this way in; two nodes on one TinyAGI each need their own',
  },
  agent_id: { type: 'text', about: "which of its agents is woken (the network's id of the agent)" },
  control_url: CONTROL_URL,
} as const satisfies RuntimeFields;
type TinyClawContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

/** Milliseconds for one of its answers, between two looks where its event stream is not to be had, and for all tries to reach it. */
const ANSWER_MS = 15_000;
const POLL_MS = 1000;
const READY_MS = 30_000;

export const tinyclaw = defineRuntime({
  kind: 'tinyclaw',
  about: 'TinyClaw, now TinyAGI',
  fields: FIELDS,
  complete: (runtime: RuntimeConfig) => {
    if (runtime['control_url'] !== undefined) return;
    const given = runtime['inbound_url'] ?? runtime['outbound_url'] ?? runtime['ack_url'];
    const base =
      typeof given === 'string' && URL.canParse(given) ? new URL(given).origin : 'http://127.0.0.1:3777';
    const channel = encodeURIComponent(String(runtime['channel']));
    runtime['inbound_url'] ??= `${base}/api/message`;
    runtime['outbound_url'] ??= `${base}/api/responses/pending?channel=${channel}`;
    runtime['ack_url'] ??= `${base}/api/responses`;
  },
  create: createTinyClaw,
});

function createTinyClaw(context: TinyClawContext): Runtime {
  const { control_url, inbound_url } = context.attachment.runtime;
  if (control_url !== undefined && inbound_url === undefined)
    return controlRuntime(context, 'tinyclaw', control_url);
  const api = new TinyApi(context);
  return {
    kind: 'tinyclaw',
    capabilities: {
      ...TURN_BY_TURN,
      dedupes: true,
      reports_usage: false,
      // Its own way to end a turn begins it anew.
      cancels: false,
    },
    ...turnLine({ context, lineOf: () => '', run: (turn) => run(api, turn) }),
    probe: () => probed(() => api.look()),
  };
}

async function run(api: TinyApi, turn: LineTurn): Promise<TurnOutcome> {
  const { wake, events, signal } = turn;
  const id = attemptKey(wake);
  const texts: string[] = [];
  let ended: string | undefined;
  let known = false;
  let wakeUp = Promise.withResolvers<void>();
  // Before the message goes in: its end may come at once.
  const stream = watchEvents(new URL('/api/events/stream', api.inbound).href, signal, (event: TinyEvent) => {
    if (event.message_id !== id) return;
    turn.touch();
    known = true;
    events.delivered();
    if (event.type === 'agent:response') ended = event.content;
    wakeUp.resolve();
  });
  try {
    await Promise.race([stream.opened, pause(POLL_MS, signal)]);
    const taken = await api.send(wake, id, signal);
    events.accepted();
    events.delivered();
    for (;;) {
      if (signal.aborted)
        return { state: 'cancelled', reason: 'TinyAGI cannot end a turn; its answer is dropped' };
      const drained = await api.drain(id, signal);
      texts.push(...drained);
      if (drained.length > 0) turn.touch();
      if (ended !== undefined) break;
      // Without the stream, and for a turn of before: it is over when it is no longer at work, and has answered.
      if (
        (!stream.live || !known) &&
        !(await api.atWork(id, signal)) &&
        (texts.length > 0 || taken === 'known')
      )
        break;
      await Promise.race([wakeUp.promise, pause(POLL_MS, signal)]);
      wakeUp = Promise.withResolvers<void>();
    }
    texts.push(...(await api.drain(id, signal)));
    return outcomeOf(texts.join('\n\n') || withoutSignature(ended ?? ''));
  } finally {
    stream.close();
  }
}

/** It completes a turn that failed, and says so in words. */
function outcomeOf(text: string): TurnOutcome {
  const failed = /^(API Error: .*|Sorry, I encountered an error.*|.*Please run \/login.*)$/m.exec(text)?.[0];
  if (failed === undefined) return endedWell(text);
  if (/\b40[13]\b|\/login|invalid api key/i.test(text))
    throw new TurnFailure(
      `${failed}; log in again: run the agent's own command once as the user of TinyAGI`,
      {
        permanent: true,
        cause: 'not_logged_in',
      },
    );
  throw new TurnFailure(failed, { cause: /\b429\b|rate.?limit/i.test(text) ? 'rate_limited' : 'model' });
}

/** The end of each of its answers: `- [agent]`. */
const withoutSignature = (text: string): string => text.replace(/\n\n- \[[^\]\n]*\]\s*$/, '').trim();

interface Pending {
  id: string;
  message_id: string;
  message: string;
}

class TinyApi {
  readonly #context: TinyClawContext;
  readonly inbound: string;
  readonly #outbound: string;
  readonly #ack: string;

  constructor(context: TinyClawContext) {
    this.#context = context;
    const { inbound_url, outbound_url, ack_url } = context.attachment.runtime;
    this.inbound = inbound_url ?? '';
    this.#outbound = outbound_url ?? '';
    this.#ack = ack_url ?? '';
  }

  /** `known`: it had this message before. Waits for a TinyAGI that is away. */
  async send(wake: LineTurn['wake'], id: string, signal: AbortSignal): Promise<'taken' | 'known'> {
    const { agent, runtime } = this.#context.attachment;
    const body = {
      message: withoutFiles(wake.text),
      agent: runtime.agent_id ?? agent.id,
      sender: 'Moltnet',
      senderId: encodeURIComponent(wake.conversation),
      channel: runtime.channel ?? FIELDS.channel.default,
      messageId: id,
    };
    const end = Date.now() + READY_MS;
    for (;;) {
      try {
        const answer = await this.#call(this.inbound, 'POST', signal, body);
        if (answer.status === 409) return 'known';
        requireSuccess(this.inbound, answer, 'runtime.inbound_url', 'runtime.token');
        return 'taken';
      } catch (error) {
        const failure = lostFailure(error, 'runtime.inbound_url');
        // The same id again: it takes it once.
        if (error === failure || signal.aborted || Date.now() + POLL_MS > end) throw failure;
        await pause(POLL_MS, signal);
      }
    }
  }

  /** Takes all that waits for us and acknowledges it. What belongs to this message, without tool lines and signatures. */
  async drain(id: string, signal: AbortSignal): Promise<string[]> {
    let waiting: Pending[];
    try {
      const answer = await this.#call(this.#outbound, 'GET', signal);
      waiting = answer.status === 200 ? pendingOf(answer.body) : [];
      for (const { id: response } of waiting)
        await this.#call(`${this.#ack}/${encodeURIComponent(response)}/ack`, 'POST', signal, {});
    } catch {
      // What could not be taken is there the next time.
      return [];
    }
    return waiting
      .filter(({ message_id, message }) => message_id === id && !message.startsWith('[tool: '))
      .map(({ message }) => withoutSignature(message))
      .filter(Boolean);
  }

  /** Whether it has this message in its queue or its hands. When it does not say, it has. */
  async atWork(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await this.#call(new URL('/api/queue/processing', this.inbound).href, 'GET', signal);
      if (answer.status !== 200 || answer.body.includes(JSON.stringify(id))) return true;
      const queue = await this.#call(new URL('/api/queue/status', this.inbound).href, 'GET', signal);
      const status = parseObject(queue.body);
      const counts = ['pending', 'incoming', 'queued'].map((key) => Number(status?.[key] ?? 0));
      return queue.status !== 200 || counts.some((count) => count > 0);
    } catch {
      return true;
    }
  }

  /** Throws what a turn would fail with. */
  async look(): Promise<void> {
    const url = new URL('/api/queue/status', this.inbound).href;
    const answer = await this.#call(url, 'GET', new AbortController().signal).catch((error: unknown) => {
      throw lostFailure(error, 'runtime.inbound_url');
    });
    requireSuccess(url, answer, 'runtime.inbound_url', 'runtime.token');
  }

  #call(url: string, method: 'GET' | 'POST', signal: AbortSignal, body?: Record<string, unknown>) {
    const { token } = this.#context.attachment.runtime;
    return httpCall(url, {
      method,
      signal,
      ms: ANSWER_MS,
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

function pendingOf(body: string): Pending[] {
  let list: unknown;
  try {
    list = JSON.parse(body);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return (list as Record<string, unknown>[]).flatMap((one) => {
    const id = one?.['id'];
    if (typeof id !== 'string' && typeof id !== 'number') return [];
    return [{ id: String(id), message_id: textOf(one['messageId']), message: textOf(one['message']) }];
  });
}
