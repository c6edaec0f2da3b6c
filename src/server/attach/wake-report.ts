/**
 * What became of wakes, told to observers as volatile facts (wire.md 6.6, wire-newer.md 4), and the last failure of
 * each agent for GET /v1/agents.
 */
import type { AgentSummary, WakeFailedRequest } from '../../protocol/agents.ts';
import { WAKE_FAILURES } from '../../protocol/agents.ts';
import type { AgentEvent } from '../../protocol/events.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { fqid, isId, parseMemberId } from '../../protocol/ids.ts';
import type { Message, Target } from '../../protocol/messages.ts';
import { storableText } from '../../protocol/text.ts';
import type { Tail } from '../../log/tail.ts';
import { can } from '../../network/access.ts';
import { anyone, type Identity } from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import type { StoredMessage } from '../../store/log-rows.ts';
import type { Store } from '../../store/store.ts';

export type LastWakeFailure = NonNullable<AgentSummary['last_wake_failure']>;
/** The reasons of the wire; a room or thread that wakes on everything is `targeted`. */
export type WireWakeReason = 'mention' | 'dm' | 'targeted';

/** A wake that ended, named by its last message. */
export interface EndedWake {
  agent_id: string;
  message_id?: string;
  target?: Target;
  reason?: WireWakeReason;
}
export interface FailedWake extends EndedWake {
  error?: string;
  attempts?: number;
  classification?: string;
}

export interface WakeReports {
  delivered(wake: EndedWake): void;
  failed(wake: FailedWake): void;
  /**
   * Body of POST /v1/agents/wake-failed, of this caller (mode none's `anyone` when left out). Rejects with bad_request or
   * not_found.
   */
  reportWakeFailed(request: WakeFailedRequest, identity?: Identity): Promise<void>;
  lastFailure(agent_id: string): LastWakeFailure | undefined;
  /** Takes up the failures that storage remembers. Call once at start-up. */
  load(): Promise<void>;
}

export interface WakeReportsOptions {
  tail: Tail;
  network: Pick<Network, 'settings' | 'topology'>;
  store: Pick<Store, 'messages' | 'failedWakes'>;
  clock?: () => number;
}

/** Longest error text kept and shown, in characters. */
const ERROR_TEXT = 2_000;

export function createWakeReports({
  tail,
  network,
  store,
  clock = Date.now,
}: WakeReportsOptions): WakeReports {
  const failures = new Map<string, LastWakeFailure>();
  const network_id = network.settings.id;

  function agentEvent(wake: EndedWake): AgentEvent {
    const name = network.topology.agent(wake.agent_id)?.display_name ?? undefined;
    const { agent_id, message_id, reason, target } = wake;
    return {
      agent_id,
      network_id,
      fqid: fqid(network_id, 'agents', agent_id),
      name,
      message_id,
      reason,
      target,
    };
  }

  function failed(wake: FailedWake): void {
    const error = wake.error === undefined ? undefined : storableText(wake.error, ERROR_TEXT);
    failures.delete(wake.agent_id);
    failures.set(wake.agent_id, {
      message_id: wake.message_id,
      error,
      classification: wake.classification,
      at: new Date(clock()).toISOString(),
    });
    const { attempts, classification } = wake;
    tail.announce({
      type: 'agent.wake.failed',
      agent_id: wake.agent_id,
      payload: { ...agentEvent(wake), error, attempts, classification },
    });
  }

  /** Undefined for a message that the agent does not receive. */
  function targetFor(agent: string, stored: StoredMessage, identity: Identity): Target | undefined {
    const { target } = JSON.parse(stored.payload) as Message;
    const room = stored.room_id === null ? undefined : network.topology.room(stored.room_id);
    const verdict = room
      ? can(network.settings, identity, 'room.receive', { agent, room })
      : can(network.settings, identity, 'dm.receive', {
          agent,
          dm: { participants: target.participant_ids ?? [] },
        });
    return verdict.allowed ? target : undefined;
  }

  return {
    delivered: (wake) =>
      tail.announce({
        type: 'agent.wake.delivered',
        agent_id: wake.agent_id,
        payload: agentEvent(wake),
      }),
    failed,
    lastFailure: (agent_id) => failures.get(agent_id),

    async reportWakeFailed(request, identity = anyone) {
      const ref = parseMemberId(request.agent_id ?? '');
      if (!ref) throw new MoltnetError('bad_request', 'agent_id: name the agent whose wake failed');
      const message_id = request.event?.message?.id;
      if (message_id === undefined || !isId(message_id)) {
        throw new MoltnetError(
          'bad_request',
          'event.message.id: send the event whose wake failed, with its message',
        );
      }
      const local = ref.network === undefined || ref.network === network_id;
      if (!local || !network.topology.agent(ref.id)) {
        throw new MoltnetError('not_found', `no agent ${JSON.stringify(ref.id)} is registered here`);
      }
      const stored = (await store.messages([message_id])).get(message_id);
      const known: readonly string[] = WAKE_FAILURES;
      failed({
        agent_id: ref.id,
        message_id,
        // Where it was written comes from storage, as the report's own word could name any place; and of what the agent
        // is not sent it is not told either.
        target: stored && targetFor(ref.id, stored, identity),
        error: request.error,
        attempts: request.attempts,
        classification:
          request.classification !== undefined && known.includes(request.classification)
            ? request.classification
            : undefined,
      });
    },

    async load() {
      for (const row of (await store.failedWakes(undefined, 500)).toReversed()) {
        failures.delete(row.agent_id);
        failures.set(row.agent_id, {
          error: row.error ?? undefined,
          at: row.closed_at ?? row.opened_at,
        });
      }
    },
  };
}
