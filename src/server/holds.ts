/** Why nothing is sent to an agent now: what is paused, and daily caps that are reached. The guard has its own way. */
import type { Hold } from '../log/receipt.ts';
import type { Network } from '../network/network.ts';
import type { Usage } from './usage.ts';

export interface Holds {
  of(agent_id: string, room_id: string | undefined): { reason: Hold; at?: string } | undefined;
}

export const createHolds = (network: Pick<Network, 'topology'>, usage: Pick<Usage, 'capReached'>): Holds => ({
  of(agent_id, room_id) {
    const pause = network.topology.pausedFor(agent_id, room_id);
    if (pause) return { reason: 'pause', at: pause.at };
    return usage.capReached(agent_id) ? { reason: 'budget' } : undefined;
  },
});
