/**
 * One turn: a wake becomes one message that came in by this channel, in a session of its conversation.
 * OpenClaw may die at any moment and goes on with the turn by itself when it is back: what a session's history holds is
 * not given to it again, but watched to its end.
 */
import type { ConversationKey } from '../../../src/protocol/conversation.ts';
import { pause } from '../../../src/node/backoff.ts';
import { visibleLine } from '../../../src/node/visible-text.ts';
import { guarded } from '../../../src/runtimes/guarded-text.ts';
import { modelFailure } from '../../../src/runtimes/openclaw/failures.ts';
import { withoutExpansions } from '../../../src/runtimes/openclaw/openclaw-text.ts';
import {
  knownInput,
  MAX_ATTEMPTS,
  runIdOf,
  type TurnOver,
} from '../../../src/runtimes/openclaw/session-state.ts';
import type { RuntimeContext, TurnOutcome } from '../../../src/runtimes/runtime.ts';
import { TurnFailure, type LineTurn } from '../../../src/runtimes/turn-line.ts';
import { CHANNEL } from './account.ts';
import { chatKind } from './conversations.ts';
import type { OpenClawConfig, PluginRuntime } from './openclaw-api.ts';

/** Rows of a session's history that are looked through. */
const HISTORY_ROWS = 1000;
/** Milliseconds between two looks at a session. */
const WATCH_MS = 500;
/** Milliseconds for a session in which somebody else's turn runs; then OpenClaw decides what to do with ours. */
const BUSY_MS = 120_000;
/** Looks at a session that does nothing, after which a message that it took counts as lost. */
const IDLE_LOOKS = 10;
/** Tries to read a session: while the gateway starts, its database is opened and closed again. */
const READS = 10;
/** Milliseconds for a turn to end that was told to. */
const ABORT_MS = 10_000;
const NAME_CHARACTERS = 128;

export interface TurnHost {
  accountId: string;
  runtime: PluginRuntime;
  cfg(): OpenClawConfig;
}

/** Which of OpenClaw's agents a conversation is for: its own `bindings` say. */
export const agentIdOf = ({ runtime, accountId, cfg }: TurnHost, conversation: ConversationKey): string =>
  runtime.channel.routing.resolveAgentRoute({
    cfg: cfg(),
    channel: CHANNEL,
    accountId,
    peer: { kind: chatKind(conversation), id: conversation },
  }).agentId;

export class Turn {
  readonly #context: RuntimeContext;
  readonly #host: TurnHost;
  readonly #turn: LineTurn;
  readonly #agentId: string;
  readonly #session: string;
  readonly #begin: () => void;
  /** The attempt that was given to OpenClaw by this delivery. */
  #sent: number | undefined;
  #rows = 0;

  constructor(
    context: RuntimeContext,
    host: TurnHost,
    turn: LineTurn,
    { agentId, session, begin }: { agentId: string; session: string; begin: () => void },
  ) {
    this.#context = context;
    this.#host = host;
    this.#turn = turn;
    this.#agentId = agentId;
    this.#session = session;
    this.#begin = begin;
  }

  async run(): Promise<TurnOutcome> {
    const { wake, events, signal } = this.#turn;
    const waitsUntil = performance.now() + BUSY_MS;
    let watched = false;
    let idle = 0;
    for (;;) {
      if (signal.aborted) throw ended(signal);
      const { history, busy } = await this.#look();
      const known = knownInput(history, wake.wake_id);
      if (known.state === 'in_history') {
        events.delivered();
        const { over, attempt } = known;
        switch (over.state) {
          case 'running':
            // OpenClaw goes on with it after a crash.
            if (this.#sent === undefined && !watched) this.#begin();
            watched = true;
            await pause(WATCH_MS, signal);
            continue;
          case 'ok':
          case 'unknown':
            // Unknown: it was in the agent's hands, and the session has gone on: twice would be worse.
            return okay(over);
          case 'failed':
            if (attempt === this.#sent)
              return { ...modelFailure(over.reason).failed, ...(over.usage ? { usage: over.usage } : {}) };
            break;
          default:
            over satisfies never;
        }
      } else if (this.#sent !== undefined) {
        // It waits there behind another turn, or joins it.
        idle = busy ? 0 : idle + 1;
        if (idle > IDLE_LOOKS)
          throw new TurnFailure('OpenClaw took the message and did nothing with it', { cause: 'crashed' });
        await pause(WATCH_MS, signal);
        continue;
      }
      if (busy && performance.now() < waitsUntil) {
        await pause(WATCH_MS, signal);
        continue;
      }
      const before = known.state === 'none' ? 0 : known.attempt;
      const outcome = await this.#give(Math.min(Math.max(wake.attempt, before + 1), MAX_ATTEMPTS));
      if (outcome) return outcome;
    }
  }

  /** What OpenClaw has of the session, in the form of its gateway's `chat.history`. */
  async #look(): Promise<{ history: Record<string, unknown>; busy: boolean }> {
    const { runtime } = this.#host;
    for (let tries = 1; ; tries++)
      try {
        const entry = runtime.agent.session.getSessionEntry({ sessionKey: this.#session });
        if (!entry) return { history: {}, busy: false };
        const { messages } = await runtime.subagent.getSessionMessages({
          sessionKey: this.#session,
          limit: HISTORY_ROWS,
        });
        if (messages.length !== this.#rows) this.#turn.touch();
        this.#rows = messages.length;
        return {
          history: { messages, sessionInfo: { status: entry.status } },
          busy: entry.status === 'running',
        };
      } catch (error) {
        if (tries === READS || this.#turn.signal.aborted) throw error;
        await pause(WATCH_MS, this.#turn.signal);
      }
  }

  /** Gives an attempt to OpenClaw and waits for its end. Undefined: its history has to be asked what became of it. */
  async #give(attempt: number): Promise<TurnOutcome | undefined> {
    const { wake, events, limits, signal, touch } = this.#turn;
    const { accountId, runtime } = this.#host;
    const { inbound } = runtime.channel;
    const cfg = this.#host.cfg();
    const { conversation } = wake;
    const agentId = this.#agentId;
    const runId = runIdOf(wake.wake_id, attempt);
    const text = guarded(withoutExpansions(wake.text));
    const peer = { kind: chatKind(conversation), id: conversation };
    const { from } = wake;
    this.#sent = attempt;
    this.#begin();
    const ctxPayload = await inbound.buildContext({
      channel: CHANNEL,
      accountId,
      messageId: runId,
      messageIdFull: runId,
      timestamp: Date.now(),
      from: `${CHANNEL}:${conversation}`,
      sender: {
        id:
          from?.fqid ??
          (from ? `${from.network_id ?? this.#context.attachment.network_id}:${from.id}` : CHANNEL),
        name: shownName(from?.name ?? from?.id ?? 'Moltnet'),
        isBot: from?.type === 'agent',
      },
      conversation: { ...peer, label: conversation, routePeer: peer },
      route: { agentId, accountId, routeSessionKey: this.#session, dispatchSessionKey: this.#session },
      reply: { to: conversation, originatingTo: conversation },
      message: { body: text, bodyForAgent: text, rawBody: text, commandBody: '' },
      access: { commands: { authorized: false } },
      channelIngress: 'unsupported',
      extra: { OriginatingChannel: CHANNEL },
    });
    let outcome: 'completed' | 'failed' | undefined;
    const failed: string[] = [];
    const dispatched = inbound.dispatch({
      cfg,
      channel: CHANNEL,
      accountId,
      route: { agentId, sessionKey: this.#session },
      ctxPayload,
      messageId: runId,
      record: {
        onRecordError: (error) =>
          this.#context.log('warn', `OpenClaw could not note where the turn came from: ${String(error)}`),
      },
      delivery: {
        // What it says last is taken from its history: here come OpenClaw's own words too, when it said nothing.
        deliver: async ({ text: words, isError }) => {
          if (words && isError) failed.push(words);
          return { visibleReplySent: true };
        },
        onError: (error) => failed.push(String(error)),
      },
      replyOptions: {
        runId,
        abortSignal: signal,
        sourceReplyDeliveryMode:
          this.#context.attachment.publish === 'final' ? 'automatic' : 'message_tool_only',
        allowProgressCallbacksWhenSourceDeliverySuppressed: true,
        disableBlockStreaming: true,
        suppressTyping: true,
        // Ours ends it before.
        timeoutOverrideSeconds: limits.total + 60,
        onAgentRunStart: () => events.delivered(),
        onAgentRunTerminalOutcome: (how) => (outcome = how),
        onPartialReply: touch,
        onReasoningStream: touch,
        onAssistantMessageStart: touch,
        onToolStart: touch,
        onToolResult: touch,
        onCommandOutput: touch,
      },
    });
    events.accepted();
    const left = new AbortController();
    const givenUp = pause(Infinity, AbortSignal.any([signal, left.signal])).then(() =>
      pause(ABORT_MS, left.signal),
    );
    await Promise.race([dispatched, givenUp]).finally(() => left.abort());
    if (signal.aborted && outcome !== 'completed') throw ended(signal);
    if (outcome === undefined) return undefined;
    const over = await this.#over();
    const usage = over?.usage ? { usage: over.usage } : {};
    if (outcome === 'failed')
      return {
        ...modelFailure(failed.join(' ') || 'OpenClaw says that the turn has failed').failed,
        ...usage,
      };
    return over?.state === 'ok' ? okay(over) : { state: 'ok', ...usage };
  }

  /** What the history says of the end of the turn; undefined where it cannot be read. */
  async #over(): Promise<TurnOver | undefined> {
    try {
      const known = knownInput((await this.#look()).history, this.#turn.wake.wake_id);
      return known.state === 'in_history' ? known.over : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Chosen by others, and shown by OpenClaw in lines of its own. */
const shownName = (name: string): string => visibleLine(name.slice(0, NAME_CHARACTERS)).replaceAll('\t', ' ');

/** By these words an agent of OpenClaw's says nothing. */
const SILENT = /^\s*(NO_REPLY|HEARTBEAT_OK)\s*$/;

function okay({ usage, ...over }: TurnOver & { state: 'ok' | 'unknown' }): TurnOutcome {
  const text = 'final_text' in over ? over.final_text : undefined;
  return {
    state: 'ok',
    ...(usage ? { usage } : {}),
    ...(text === undefined || SILENT.test(text) ? {} : { final_text: text }),
  };
}

/** The turn line says which: cancelled, or over its limit. */
const ended = (signal: AbortSignal): TurnFailure =>
  new TurnFailure(`the turn was ended: ${String(signal.reason)}`, { cause: 'timeout' });
