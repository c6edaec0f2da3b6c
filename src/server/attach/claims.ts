/**
 * Which attachments hold an agent. Several may share it only with the same credential; without one (mode none) the
 * first keeps it while it lives. One that is half-open must not keep its agent's node out: it is asked, and replaced
 * when it does not answer (W51).
 */
import { ANONYMOUS } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import type { EndReason } from '../presence.ts';

export interface Claimant {
  /** The key that its agent is bound to; undefined in mode none, where all have the same, which proves nothing. */
  readonly credential: string | undefined;
  readonly ended: boolean;
  probe(): Promise<boolean>;
  drop(reason: EndReason, error?: string): void;
}

export class Claims<C extends Claimant> {
  readonly #holders = new Map<string, C[]>();

  /** Resolves once the claimant holds the agent. Rejects with already_attached. */
  async claim(agent_id: string, claimant: C): Promise<void> {
    for (
      let first = this.#contender(agent_id, claimant);
      first;
      first = this.#contender(agent_id, claimant)
    ) {
      if (await first.probe()) {
        throw new MoltnetError(
          'already_attached',
          `${agent_id} is attached already: stop the other node, or give this one another agent id`,
        );
      }
      if (!first.ended) first.drop('attachment_closed', 'replaced by a new attachment');
      this.release(agent_id, first);
    }
    const holders = this.#holders.get(agent_id);
    if (holders) holders.push(claimant);
    else this.#holders.set(agent_id, [claimant]);
  }

  release(agent_id: string, claimant: C): void {
    const holders = this.#holders.get(agent_id);
    const at = holders?.indexOf(claimant) ?? -1;
    if (at < 0) return;
    holders!.splice(at, 1);
    if (holders!.length === 0) this.#holders.delete(agent_id);
  }

  of(agent_id: string): readonly C[] {
    return this.#holders.get(agent_id) ?? [];
  }

  #contender(agent_id: string, claimant: C): C | undefined {
    return this.#holders.get(agent_id)?.find((holder) => !mayShare(holder.credential, claimant.credential));
  }
}

const mayShare = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined && a !== ANONYMOUS && a === b;
