/**
 * What an agent runtime is to the node: something that takes a wake and ends it. Every quirk of a runtime stays in
 * its own file; the contract suite in test/contract/runtime.ts runs on each.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { AttachmentConfig } from '../config/types.ts';

/** One turn to run. The text is data from others: an adapter never puts it on a command line or lets it expand. */
export interface Wake {
  wake_id: string;
  /** 1 for the first try. A retry is a new turn for runtimes that dedupe: derive ids from (wake_id, attempt). */
  attempt: number;
  conversation: ConversationKey;
  /** `<prefix>:<network>:room|dm|thread:<id>` (wire.md 12.6). */
  session_key: string;
  text: string;
}

/** How a turn ended. `permanent` failures (CLI missing, not logged in, bad config) are not retried. */
export type TurnOutcome =
  | { state: 'ok'; usage?: TurnUsage }
  | { state: 'failed'; permanent: boolean; reason: string; usage?: TurnUsage }
  | { state: 'cancelled'; reason: string };

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

export type ProbeResult =
  | { ready: true; version?: string }
  | { ready: false; permanent: boolean; reason: string };

export interface TurnEvents {
  /** The runtime took the bytes. */
  accepted?: () => void;
  /** The runtime has the message in its own history: do not send it again. */
  delivered?: () => void;
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
}

export interface RuntimeContext {
  attachment: AttachmentConfig;
  /** Absolute folder that holds the `moltnet` launcher, put first on the agent's PATH. */
  moltnet_bin: string;
  log: (level: 'debug' | 'info' | 'warn', message: string, fields?: Record<string, unknown>) => void;
}
export type RuntimeFactory = (context: RuntimeContext) => Runtime;
