/**
 * What an agent runtime is to the node: something that takes a wake and ends it. Every quirk of a runtime stays in
 * its own file or folder, which ends in one `defineRuntime`; the registry lists those, and nothing else is to be told
 * of a new one. The contract suite in test/contract/runtime.ts runs on each.
 */
import type { Actor } from '../protocol/actors.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { NoteField, RuntimeConfigOf, RuntimeFields, RuntimeKind } from '../config/runtime-block.ts';
import type { AttachmentConfig, RuntimeConfig } from '../config/types.ts';

/** One turn to run. The text is data from others: an adapter never puts it on a command line or lets it expand. */
export interface Wake {
  wake_id: string;
  /** 1 for the first try. A retry is a new turn for runtimes that dedupe: derive ids from (wake_id, attempt). */
  attempt: number;
  conversation: ConversationKey;
  /** `<prefix>:<network>:room|dm|thread:<id>` (wire.md 12.6). */
  session_key: string;
  text: string;
  /** Who wrote the newest of its messages; nobody, where none began it. */
  from?: Actor;
}

export type Attempt = Pick<Wake, 'wake_id' | 'attempt'>;
/** What a runtime that dedupes is to run once. */
export const attemptKey = ({ wake_id, attempt }: Attempt): string => `${wake_id}#${attempt}`;

/** How its agent speaks and reads, as the text of a wake tells it. */
export interface WakeCommands {
  /** `run` a command in a shell, or call a tool. */
  how: string;
  /** Says `YOUR TEXT` in the conversation. */
  send: string;
  /** What to know of a text of several lines, or with quotes. */
  hint?: string;
  participants?: string;
  /** Shows so many of the newest messages. */
  read(limit: number): string;
}

/** How a turn ended. */
export type TurnOutcome =
  | {
      state: 'ok';
      usage?: TurnUsage;
      /** What the agent said last, where the runtime tells that from everything else it prints. Never an error text. */
      final_text?: string;
    }
  | {
      state: 'failed';
      /** No retry mends it (CLI missing, not logged in, bad configuration): somebody has to do something. */
      permanent: boolean;
      /** One line for a person: what is wrong and, where that is known, what to do. */
      reason: string;
      cause?: FailureCause;
      /** Seconds after which another try may do better, when the runtime says so. */
      retry_after_s?: number;
      usage?: TurnUsage;
    }
  | { state: 'cancelled'; reason: string };

/** It ended well. `text` is what its agent said last; blank is nothing. */
export const endedWell = (text: string | undefined, usage: { usage?: TurnUsage } = {}): TurnOutcome => ({
  state: 'ok',
  ...usage,
  ...(text === undefined || text.trim() === '' ? {} : { final_text: text }),
});

export type Failed = Extract<TurnOutcome, { state: 'failed' }>;

export type FailureCause =
  /** The program, or the service, is not there. */
  | 'missing'
  | 'not_logged_in'
  | 'rate_limited'
  /** The model, or the way to it: 5xx, a dropped stream, a model that is not there. */
  | 'model'
  | 'timeout'
  /** The set-up of the runtime or of its attachment. */
  | 'config'
  /** The runtime broke off without saying how the turn went. */
  | 'crashed';

export interface TurnUsage {
  input_tokens?: number;
  output_tokens?: number;
  cost_usd?: number;
}

export interface RuntimeCapabilities {
  /** Can be woken while no turn runs, while one runs, and without a person at a screen. */
  wake_idle: boolean;
  wake_busy: boolean;
  headless: boolean;
  /** Runs one (wake_id, attempt) once, also across restarts of itself and of the node. */
  dedupes: boolean;
  reports_usage: boolean;
  cancels: boolean;
}

/** What all of them have in common. */
export const TURN_BY_TURN = { wake_idle: true, wake_busy: false, headless: true } as const;

export type ProbeResult =
  | { ready: true; version?: string }
  | { ready: false; permanent: boolean; reason: string; cause?: FailureCause };

/** By what a turn would fail with. */
export const notReady = ({ permanent, reason, cause }: Failed): ProbeResult => ({
  ready: false,
  permanent,
  reason,
  ...(cause ? { cause } : {}),
});

export interface TurnEvents {
  /** The runtime took the bytes. */
  accepted?: () => void;
  /** The runtime has the message in its own history: do not send it again. */
  delivered?: () => void;
}

/** A conversation of the runtime's own that belongs to one of ours. */
export interface SessionInfo {
  session_key: string;
  /** As the runtime calls it. */
  session_id: string;
  /** RFC 3339. */
  updated_at: string;
  /** What the runtime has counted for the whole session. */
  usage?: TurnUsage;
}

export interface RuntimeSessions {
  list(): Promise<SessionInfo[]>;
  /**
   * The next wake with this key begins anew. Resolves with false when there is no such session. A turn that runs in it
   * is not touched: whoever asks does so between turns.
   */
  reset(sessionKey: string): Promise<boolean>;
}

export interface Runtime {
  readonly kind: string;
  readonly capabilities: RuntimeCapabilities;
  /** Whether a wake could run now, without costing a turn. */
  probe(): Promise<ProbeResult>;
  /** Runs one turn and resolves with how it ended; never rejects. An aborted signal ends the turn: `cancelled`. */
  deliver(wake: Wake, events: TurnEvents, signal: AbortSignal): Promise<TurnOutcome>;
  /** Ends what runs, leaves no process behind. Idempotent. */
  close(): Promise<void>;
  /** Where its agent speaks in another way than by the `moltnet` command. */
  readonly commands?: (conversation: ConversationKey, roomId: string | undefined) => WakeCommands;
  /** Left out by a runtime that keeps no sessions which could be listed. */
  readonly sessions?: RuntimeSessions;
}

export interface RuntimeContext<C extends RuntimeConfig = RuntimeConfig> {
  attachment: AttachmentConfig & { runtime: C };
  /** Absolute folder that holds the `moltnet` launcher, put first on the agent's PATH. */
  moltnet_bin: string;
  /** Environment variables that hold secrets of other attachments: this agent's programs are not given them. */
  withheld?: () => readonly string[];
  log: (level: 'debug' | 'info' | 'warn', message: string, fields?: Record<string, unknown>) => void;
}
export type RuntimeFactory = (context: RuntimeContext) => Runtime;

/** All that the rest of the house needs to know of a kind of runtime. */
export interface RuntimeDefinition extends RuntimeKind {
  /** One line for help: what it is. */
  readonly about: string;
  /** Folders of a workspace where it looks for skills, beside .agents/skills and .claude/skills, which always get ours. */
  readonly skill_paths: readonly string[];
  /** What is opened for its agent beyond the runtime's own defaults, in one sentence; `validate` says it. */
  opens?(config: RuntimeConfig): string | undefined;
  /** Throws a SetupError when the attachment cannot be meant. */
  create(context: RuntimeContext): Runtime;
}

/** The definition of a kind, with `context.attachment.runtime` typed by its fields. */
export function defineRuntime<const F extends RuntimeFields>(definition: {
  kind: string;
  about: string;
  fields: F;
  refused?: Readonly<Record<string, string>>;
  skill_paths?: readonly string[];
  complete?(config: RuntimeConfigOf<F>, note: NoteField): void;
  opens?(config: RuntimeConfigOf<F>): string | undefined;
  create(context: RuntimeContext<RuntimeConfigOf<F>>): Runtime;
}): RuntimeDefinition {
  return { skill_paths: [], ...definition };
}
