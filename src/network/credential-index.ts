/**
 * Who holds which agent token, and claim codes by hash and by agent id. The topology has one; the overlay of a batch
 * has one of its own over it, so that both find the same after the same writes.
 */
import type { InviteRow } from '../store/topology-rows.ts';

interface Below {
  holder(key: string): string | undefined;
  invite(code_hash: string): InviteRow | undefined;
  inviteOf(agent_id: string): InviteRow | undefined;
}

const NOTHING: Below = { holder: () => undefined, invite: () => undefined, inviteOf: () => undefined };

export class CredentialIndex implements Below {
  readonly #below: Below;
  // In each an undefined value hides what is below.
  readonly #holders = new Map<string, string | undefined>();
  readonly #invites = new Map<string, InviteRow | undefined>();
  readonly #invitesOf = new Map<string, InviteRow | undefined>();

  constructor(below: Below = NOTHING) {
    this.#below = below;
  }

  /** The agent id, removed or not, that is bound to this agent token. */
  holder(key: string): string | undefined {
    return this.#holders.has(key) ? this.#holders.get(key) : this.#below.holder(key);
  }
  /** An agent is bound to `key` from now on, and no longer to `before`. Keys of other kinds are shared, and not kept. */
  bind(agent_id: string, before: string | undefined, key: string): void {
    if (before === key) return;
    if (before?.startsWith(AGENT_TOKEN) && this.holder(before) === agent_id)
      this.#forget(this.#holders, before);
    if (key.startsWith(AGENT_TOKEN)) this.#holders.set(key, agent_id);
  }

  invite(code_hash: string): InviteRow | undefined {
    return this.#invites.has(code_hash) ? this.#invites.get(code_hash) : this.#below.invite(code_hash);
  }
  inviteOf(agent_id: string): InviteRow | undefined {
    return this.#invitesOf.has(agent_id) ? this.#invitesOf.get(agent_id) : this.#below.inviteOf(agent_id);
  }
  putInvite(row: InviteRow): void {
    const before = this.inviteOf(row.agent_id);
    if (before) this.#forget(this.#invites, before.code_hash);
    this.#invites.set(row.code_hash, row);
    this.#invitesOf.set(row.agent_id, row);
  }
  removeInvite(code_hash: string): void {
    const row = this.invite(code_hash);
    if (!row) return;
    this.#forget(this.#invites, code_hash);
    this.#forget(this.#invitesOf, row.agent_id);
  }

  /** Nothing below: what is gone leaves nothing behind. */
  #forget<T>(map: Map<string, T | undefined>, key: string): void {
    if (this.#below === NOTHING) map.delete(key);
    else map.set(key, undefined);
  }
}

const AGENT_TOKEN = 'agent-token:';
