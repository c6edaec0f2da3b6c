/**
 * The part of OpenClaw's plugin interface that this channel stands on, as 2026.9.6 has it. Types only: everything is
 * handed in by the gateway, so that the package needs nothing of OpenClaw's to be built.
 */
export type OpenClawConfig = Readonly<Record<string, unknown>>;

/** `api` of `register`. */
export interface PluginApi {
  readonly registrationMode: string;
  readonly runtime: PluginRuntime;
  registerChannel(registration: { plugin: ChannelPlugin }): void;
}

export interface PluginRuntime {
  readonly version: string;
  readonly config: { current(): OpenClawConfig };
  readonly state: { resolveStateDir(): string };
  readonly subagent: {
    getSessionMessages(of: { sessionKey: string; limit?: number }): Promise<{ messages: unknown[] }>;
  };
  readonly agent: {
    readonly session: {
      getSessionEntry(of: { sessionKey: string }): { status?: string } | undefined;
    };
  };
  readonly channel: ChannelRuntime;
}

export interface ChannelRuntime {
  readonly routing: {
    resolveAgentRoute(of: { cfg: OpenClawConfig; channel: string; accountId: string; peer: Peer }): {
      agentId: string;
    };
  };
  readonly inbound: {
    buildContext(facts: InboundFacts): Promise<object> | object;
    dispatch(turn: InboundTurn): Promise<{
      dispatched: boolean;
      dispatchResult?: { deferredToActiveRun?: string };
    }>;
  };
}

export type ChatKind = 'direct' | 'channel';
export interface Peer {
  kind: ChatKind;
  id: string;
}

export interface InboundFacts {
  channel: string;
  accountId: string;
  /** Kept with the message in the session's history. */
  messageId: string;
  messageIdFull: string;
  timestamp: number;
  from: string;
  sender: { id: string; name?: string; isBot?: boolean };
  conversation: Peer & { label: string; routePeer: Peer };
  route: { agentId: string; accountId: string; routeSessionKey: string; dispatchSessionKey: string };
  reply: { to: string; originatingTo: string };
  /** What is looked through for commands is `commandBody` alone. */
  message: { body: string; bodyForAgent: string; rawBody: string; commandBody: string };
  access: { commands: { authorized: boolean } };
  channelIngress: 'unsupported';
  extra: Record<string, unknown>;
}

export interface ReplyPayload {
  text?: string;
  isError?: boolean;
}

export interface InboundTurn {
  cfg: OpenClawConfig;
  channel: string;
  accountId: string;
  route: { agentId: string; sessionKey: string };
  ctxPayload: object;
  messageId: string;
  record: { onRecordError(error: unknown): void };
  delivery: {
    deliver(payload: ReplyPayload, info?: { kind?: string }): Promise<{ visibleReplySent: boolean }>;
    onError(error: unknown): void;
  };
  replyOptions: {
    runId: string;
    abortSignal: AbortSignal;
    /** `message_tool_only`: what the agent says last is nobody's but its own. */
    sourceReplyDeliveryMode: 'automatic' | 'message_tool_only';
    allowProgressCallbacksWhenSourceDeliverySuppressed: boolean;
    disableBlockStreaming: boolean;
    suppressTyping: boolean;
    timeoutOverrideSeconds: number;
    onAgentRunStart(runId: string): void;
    onAgentRunTerminalOutcome(outcome: 'completed' | 'failed'): void;
    onPartialReply(): void;
    onReasoningStream(): void;
    onAssistantMessageStart(): void;
    onToolStart(): void;
    onToolResult(): void;
    onCommandOutput(): void;
  };
}

export interface AccountSnapshot {
  accountId: string;
  [field: string]: unknown;
}

/** What `startAccount` is given. */
export interface AccountContext {
  cfg: OpenClawConfig;
  accountId: string;
  account: ChannelAccount;
  abortSignal: AbortSignal;
  log?: { info?(line: string): void; warn?(line: string): void; debug?(line: string): void };
  getStatus(): AccountSnapshot;
  setStatus(next: AccountSnapshot): void;
}

/** An account as OpenClaw sees it; what is in its block is read when it is used. */
export interface ChannelAccount {
  accountId: string;
  enabled: boolean;
  configured: boolean;
}

/** A call of an agent's `message` tool. */
export interface MessageAction {
  action: string;
  cfg: OpenClawConfig;
  params: Readonly<Record<string, unknown>>;
  accountId?: string | null;
  sessionKey?: string | null;
  toolContext?: { currentChannelId?: string; currentChannelProvider?: string };
  dryRun?: boolean;
}

export interface ToolResult {
  content: { type: 'text'; text: string }[];
  details: Record<string, unknown>;
}

/** A send by OpenClaw itself: a scheduled report, `openclaw message send`. */
export interface OutboundSend {
  cfg: OpenClawConfig;
  to: string;
  text: string;
  accountId?: string | null;
  /** The same for every try of one send. */
  deliveryQueueId?: string;
  deliveryPartIndex?: number;
}

export interface ChannelPlugin {
  id: string;
  meta: { id: string; label: string; selectionLabel: string; docsPath: string; blurb: string };
  capabilities: { chatTypes: ('direct' | 'channel' | 'thread')[] };
  reload: { configPrefixes: string[] };
  config: {
    listAccountIds(cfg: OpenClawConfig): string[];
    resolveAccount(cfg: OpenClawConfig, accountId?: string | null): ChannelAccount;
    inspectAccount(cfg: OpenClawConfig, accountId?: string | null): ChannelAccount;
    isConfigured(account: ChannelAccount): boolean;
    isEnabled(account: ChannelAccount): boolean;
  };
  messaging: {
    targetPrefixes: string[];
    normalizeTarget(raw: string): string | undefined;
    inferTargetChatType(of: { to: string }): ChatKind;
    targetResolver: { looksLikeId(raw: string): boolean; hint: string };
    resolveOutboundSessionRoute(of: {
      cfg: OpenClawConfig;
      agentId: string;
      accountId?: string | null;
      target: string;
    }): OutboundRoute | null;
  };
  outbound: {
    deliveryMode: 'direct';
    resolveTarget(of: { to?: string }): { ok: true; to: string } | { ok: false; error: Error };
    sendText(send: OutboundSend): Promise<{ channel: string; messageId: string }>;
  };
  actions: {
    describeMessageTool(): { actions: ('send' | 'read')[] };
    supportsAction(of: { action: string }): boolean;
    handleAction(call: MessageAction): Promise<ToolResult>;
  };
  gateway: { startAccount(context: AccountContext): Promise<void> };
}

/** The session that a message to somebody else is noted in. */
export interface OutboundRoute {
  sessionKey: string;
  baseSessionKey: string;
  peer: Peer;
  chatType: ChatKind;
  from: string;
  to: string;
}
