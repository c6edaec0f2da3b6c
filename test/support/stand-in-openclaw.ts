/**
 * A STAND-IN for OpenClaw as a channel plugin sees it: sessions with their histories, turns that a test scripts, and
 * the `message` tool. It keeps what the real one was seen to keep (2026.9.6): the row of a message names the channel's
 * message, a message id is taken once in a life, a turn that broke off stands as `running`, and what a life has kept
 * is there in the next one.
 */
import { createChannel } from '../../packages/openclaw-moltnet/src/channel.ts';
import type {
  AccountSnapshot,
  ChannelPlugin,
  InboundFacts,
  InboundTurn,
  OpenClawConfig,
  PluginRuntime,
  ToolResult,
} from '../../packages/openclaw-moltnet/src/openclaw-api.ts';
import { nodeTimes } from '../../src/node/times.ts';
import { quick } from './node-lab.ts';

export interface StandInSession {
  status: 'running' | 'done' | 'failed';
  messages: Record<string, unknown>[];
}

/** One turn of the agent. What it returns it has said last; `fail` is a failure in OpenClaw's own words. */
export interface AgentTurn {
  text: string;
  facts: InboundFacts;
  options: InboundTurn['replyOptions'];
  send(message: string, target?: string): Promise<ToolResult>;
  read(target: string): Promise<string>;
}
export type Agent = (turn: AgentTurn) => Promise<string | undefined | { fail: string }>;

export class StandInOpenClaw {
  readonly plugin: ChannelPlugin;
  readonly runtime: PluginRuntime;
  /** Over its lives. */
  readonly sessions: Map<string, StandInSession>;
  readonly turns: AgentTurn[] = [];
  readonly log: string[] = [];
  readonly status = new Map<string, AccountSnapshot>();
  agent: Agent = async () => undefined;
  cfg: OpenClawConfig;
  #taken = new Set<string>();
  #accounts: { stop: AbortController; ended: Promise<void> }[] = [];
  #dead = false;
  #calls = 0;

  constructor(
    moltnet: Record<string, unknown>,
    stateDir: string,
    sessions = new Map<string, StandInSession>(),
  ) {
    this.cfg = { channels: { moltnet } };
    this.sessions = sessions;
    this.runtime = {
      version: '2026.9.6',
      config: { current: () => this.cfg },
      state: { resolveStateDir: () => stateDir },
      subagent: {
        getSessionMessages: async ({ sessionKey }) => ({
          messages: structuredClone(this.sessions.get(sessionKey)?.messages ?? []),
        }),
      },
      agent: { session: { getSessionEntry: ({ sessionKey }) => this.sessions.get(sessionKey) } },
      channel: {
        routing: { resolveAgentRoute: () => ({ agentId: 'main' }) },
        inbound: { buildContext: (facts) => facts, dispatch: (turn) => this.#dispatch(turn) },
      },
    };
    this.plugin = createChannel(() => this.runtime, { ...nodeTimes, ...quick });
  }

  /** Starts an account, as the gateway does; rejects with what the plugin says. */
  start(accountId = 'default'): Promise<void> {
    const stop = new AbortController();
    const tell = (line: string): void => void this.log.push(line);
    const ended = this.plugin.gateway.startAccount({
      cfg: this.cfg,
      accountId,
      account: this.plugin.config.resolveAccount(this.cfg, accountId),
      abortSignal: stop.signal,
      log: { info: tell, warn: tell, debug: tell },
      getStatus: () => this.status.get(accountId) ?? { accountId },
      setStatus: (next) => this.status.set(accountId, next),
    });
    this.#accounts.push({ stop, ended: ended.catch(() => {}) });
    return ended;
  }

  /** Ends it; turns break off where they are, and their sessions stand as running. */
  async stop(): Promise<void> {
    this.#dead = true;
    for (const { stop } of this.#accounts) stop.abort();
    await Promise.all(this.#accounts.map(({ ended }) => ended));
  }

  /** The message tool, called in a session. */
  call(
    action: string,
    params: Record<string, unknown>,
    sessionKey?: string,
    key?: string,
  ): Promise<ToolResult> {
    return this.plugin.actions.handleAction({
      action,
      cfg: this.cfg,
      params: { ...params, idempotencyKey: key ?? `call-${++this.#calls}` },
      ...(sessionKey === undefined ? {} : { sessionKey }),
    });
  }

  async #dispatch({ ctxPayload, route, messageId, delivery, replyOptions }: InboundTurn): Promise<{
    dispatched: boolean;
  }> {
    const facts = ctxPayload as InboundFacts;
    const { sessionKey } = route;
    if (this.#taken.has(messageId)) return { dispatched: true };
    this.#taken.add(messageId);
    const session = this.sessions.get(sessionKey) ?? { status: 'done', messages: [] };
    this.sessions.set(sessionKey, session);
    session.status = 'running';
    session.messages.push({
      role: 'user',
      content: facts.message.bodyForAgent,
      idempotencyKey: `channel-user:v1:${messageId}`,
      __openclaw: { transport: { channel: 'moltnet', messageId } },
    });
    replyOptions.onAgentRunStart(replyOptions.runId);
    const turn: AgentTurn = {
      text: facts.message.bodyForAgent,
      facts,
      options: replyOptions,
      send: (message, target = facts.reply.to) => this.call('send', { message, target }, sessionKey),
      read: async (target) => (await this.call('read', { target }, sessionKey)).content[0]!.text,
    };
    this.turns.push(turn);
    const broken = new Promise<'broken'>((resolve) =>
      replyOptions.abortSignal.addEventListener('abort', () => resolve('broken'), { once: true }),
    );
    const said = await Promise.race([this.agent(turn), broken]);
    // A life that ends takes its turns with it.
    if (this.#dead) throw new Error('the gateway has ended');
    if (said === 'broken') session.status = 'failed';
    else if (typeof said === 'object') {
      session.status = 'failed';
      session.messages.push({ role: 'assistant', content: [], stopReason: 'error' });
      replyOptions.onAgentRunTerminalOutcome('failed');
      await delivery.deliver({ text: said.fail, isError: true }, { kind: 'final' });
    } else {
      endTurn(session, said);
      replyOptions.onAgentRunTerminalOutcome('completed');
      // What OpenClaw says for an agent that says nothing.
      await delivery.deliver({ text: said ?? "OpenClaw couldn't produce a reply" }, { kind: 'final' });
    }
    return { dispatched: true };
  }
}

/** As a turn ends that came to its end, or with which OpenClaw went on after a crash. */
export function endTurn(session: StandInSession, said = ''): void {
  session.messages.push({
    role: 'assistant',
    content: [{ type: 'text', text: said }],
    stopReason: 'stop',
    usage: { input: 100, output: 20, cost: { total: 0 } },
  });
  session.status = 'done';
}
