/**
 * Which agents are attached. Counted, so that one of two attachments ending does not show the agent as gone (W21).
 * Presence is volatile: it goes to observers and to the agent's own streams, and is not in the log.
 */
import { fqid } from '../protocol/ids.ts';
import type { Hold } from '../log/receipt.ts';
import type { Tail, VolatileFact } from '../log/tail.ts';
import type { Network } from '../network/network.ts';
import type { AgentSummary } from '../protocol/agents.ts';
import type { AttachmentActivity, CannotWake } from './attach/delivery-attachment.ts';
import type { Peers } from '../store/peers.ts';
import type { Holds } from './holds.ts';

/** Why an attachment ended, as wire.md 1.3 names it; shown with `server.debug_events`. */
export type EndReason =
  | 'client_closed'
  | 'client_going_away'
  | 'client_error'
  | 'read_timeout'
  | 'read_error'
  | 'heartbeat_write_failed'
  | 'event_write_failed'
  | 'event_stream_closed'
  | 'request_context_done'
  | 'agent_removed'
  | 'attachment_closed';

export interface AgentPresence extends CannotWake {
  connected: boolean;
  attachments: number;
  /** RFC 3339; when the first of the attachments that are open began. */
  connected_since?: string;
  state: NonNullable<AgentSummary['state']>;
  working?: AttachmentActivity['working'];
}

const HELD: Record<Hold, CannotWake> = {
  pause: { cannot_wake: 'paused', cannot_wake_cause: 'paused' },
  budget: { cannot_wake: 'its daily cap of wakes is reached', cannot_wake_cause: 'budget' },
  guard: { cannot_wake: 'held' },
};

export interface Presence {
  /** Counts an attachment in; the returned function counts it out, once. */
  connect(agent_id: string): (reason: EndReason, error?: string) => void;
  of(agent_id: string): AgentPresence;
  isConnected(agent_id: string): boolean;
  /** What the agent does, or whether it can be woken, is another: told live. */
  changed(agent_id: string): void;
  /** It was attached at another server, which has died, and is attached at none now: this server's observers are told. */
  gone(agent_id: string): void;
  /** Ids of connected agents, at whichever server. */
  connected(): Iterable<string>;
}

export interface PresenceOptions {
  tail: Tail;
  network: Pick<Network, 'settings' | 'topology'>;
  /** What the agent's attachments say. */
  activity: (agent_id: string) => AttachmentActivity | undefined;
  holds: Holds;
  /** Other servers on the same database. */
  peers?: Pick<Peers, 'present' | 'elsewhere'>;
  clock?: () => number;
}

export function createPresence({
  tail,
  network,
  activity,
  holds,
  peers,
  clock = Date.now,
}: PresenceOptions): Presence {
  const agents = new Map<string, { count: number; since: string }>();
  function announce(
    type: 'agent.connected' | 'agent.disconnected',
    agent_id: string,
    reason: string,
    error?: string,
  ): void {
    tail.announce(fact(type, agent_id, reason, error));
  }
  const announceGone = (agent_id: string): void =>
    tail.announceHere(fact('agent.disconnected', agent_id, 'attachment_closed'));

  function fact(
    type: 'agent.connected' | 'agent.disconnected',
    agent_id: string,
    reason: string,
    error?: string,
  ): VolatileFact {
    const name = network.topology.agent(agent_id)?.display_name ?? undefined;
    const network_id = network.settings.id;
    return {
      type,
      agent_id,
      payload: {
        agent_id,
        network_id,
        fqid: fqid(network_id, 'agents', agent_id),
        name,
        ...(network.settings.debug_events && { reason, error }),
      },
    };
  }

  function stateOf(agent_id: string): CannotWake & Pick<AgentPresence, 'state' | 'working'> {
    if (!agents.has(agent_id)) return { state: 'offline' };
    const { working = [], ...said } = activity(agent_id) ?? {};
    const hold = holds.of(agent_id, undefined);
    const why: CannotWake = hold ? HELD[hold.reason] : said;
    const awake = why.cannot_wake === undefined ? 'connected' : 'cannot_wake';
    const state = working.length > 0 ? 'working' : awake;
    return {
      state,
      ...(working.length > 0 && { working }),
      ...why,
    };
  }

  const isElsewhere = (agent_id: string): boolean => peers?.elsewhere().has(agent_id) === true;
  function say(agent_id: string): void {
    const entry = agents.get(agent_id);
    if (!peers || !entry) return;
    const { count: attachments, since: connected_since } = entry;
    peers.present(
      agent_id,
      JSON.stringify({ connected: true, attachments, connected_since, ...stateOf(agent_id) }),
    );
  }

  return {
    connect(agent_id) {
      const known = agents.get(agent_id);
      if (known) known.count++;
      else {
        agents.set(agent_id, { count: 1, since: new Date(clock()).toISOString() });
        if (!isElsewhere(agent_id)) announce('agent.connected', agent_id, 'attachment_ready');
        say(agent_id);
      }
      let counted = true;
      return (reason, error) => {
        if (!counted) return;
        counted = false;
        const entry = agents.get(agent_id)!;
        if (--entry.count > 0) return;
        agents.delete(agent_id);
        peers?.present(agent_id, undefined);
        if (!isElsewhere(agent_id)) announce('agent.disconnected', agent_id, reason, error);
      };
    },
    changed(agent_id) {
      say(agent_id);
      if (!tail.isWatched(agent_id)) return;
      const network_id = network.settings.id;
      const { working, ...rest } = stateOf(agent_id);
      tail.announce({
        type: 'agent.status',
        agent_id,
        payload: {
          agent_id,
          network_id,
          fqid: fqid(network_id, 'agents', agent_id),
          ...rest,
          ...(working && {
            working: working.map(({ wake_id, conversation, since }) => ({ wake_id, conversation, since })),
          }),
        },
      });
    },
    of(agent_id) {
      const entry = agents.get(agent_id);
      const other = entry ? undefined : peers?.elsewhere().get(agent_id);
      if (other !== undefined) return JSON.parse(other) as AgentPresence;
      return {
        connected: entry !== undefined,
        attachments: entry?.count ?? 0,
        ...(entry && { connected_since: entry.since }),
        ...stateOf(agent_id),
      };
    },
    isConnected: (agent_id) => agents.has(agent_id) || isElsewhere(agent_id),
    connected: () => new Set([...agents.keys(), ...(peers?.elsewhere().keys() ?? [])]),
    gone(agent_id) {
      if (!agents.has(agent_id)) announceGone(agent_id);
    },
  };
}
