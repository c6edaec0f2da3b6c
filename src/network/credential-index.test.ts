import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { settingsOf } from '../../test/support/network-lab.ts';
import { AT, agentRow, rowsOf } from '../../test/support/store-writes.ts';
import type { TopologyRows } from '../store/topology-rows.ts';
import type { RowWrite } from '../store/writes.ts';
import { Overlay } from './overlay.ts';
import type { State } from './state.ts';
import { Topology } from './topology.ts';

const IDS = ['alpha', 'beta', 'gamma'];
const KEYS = ['agent-token:1', 'agent-token:2', 'token:ci', 'anonymous'];
const CODES = ['c1', 'c2', 'c3'];
const id = fc.constantFrom(...IDS);
const code = fc.constantFrom(...CODES);

const write: fc.Arbitrary<RowWrite> = fc.oneof(
  fc.tuple(id, fc.constantFrom(...KEYS), fc.boolean()).map(([agent, credential_key, gone]): RowWrite => ({
    op: 'agent',
    row: agentRow(agent, { credential_key, removed_at: gone ? AT : null }),
  })),
  id.map((agent): RowWrite => ({ op: 'agent.remove', id: agent, removed_at: AT })),
  fc.tuple(id, code).map(([agent_id, code_hash]): RowWrite => ({
    op: 'invite',
    row: { agent_id, code_hash, created_at: AT, expires_at: AT },
  })),
  code.map((code_hash): RowWrite => ({ op: 'invite.remove', code_hash })),
);

type Found = Pick<State, 'agentByCredential' | 'removedByCredential' | 'invite' | 'inviteOf'>;
const seen = (state: Found) => ({
  live: KEYS.map((key) => state.agentByCredential(key)?.id),
  removed: KEYS.map((key) => state.removedByCredential(key)?.id),
  codes: CODES.map((one) => state.invite(one)?.agent_id),
  invites: IDS.map((one) => state.inviteOf(one)?.code_hash),
});

/** The same, found by looking at all rows. A token is its last holder's, as long as that one keeps it. */
function looked(writes: readonly RowWrite[]): ReturnType<typeof seen> {
  const rows = new Map<string, { key: string; gone: boolean }>();
  const last = new Map<string, string>();
  const invites = new Map<string, string>();
  for (const one of writes) {
    if (one.op === 'agent') {
      const { id: agent, credential_key: key, removed_at } = one.row;
      if (rows.get(agent)?.key !== key) last.set(key, agent);
      rows.set(agent, { key, gone: removed_at !== null });
    } else if (one.op === 'agent.remove') {
      const row = rows.get(one.id);
      if (row) row.gone = true;
    } else if (one.op === 'invite') {
      invites.set(one.row.agent_id, one.row.code_hash);
    } else if (one.op === 'invite.remove') {
      for (const [agent, hash] of invites) if (hash === one.code_hash) invites.delete(agent);
    }
  }
  const holder = (key: string, gone: boolean) => {
    const agent = key.startsWith('agent-token:') ? last.get(key) : undefined;
    const row = agent === undefined ? undefined : rows.get(agent);
    return row?.key === key && row.gone === gone ? agent : undefined;
  };
  return {
    live: KEYS.map((key) => holder(key, false)),
    removed: KEYS.map((key) => holder(key, true)),
    codes: CODES.map((one) => [...invites].find(([, hash]) => hash === one)?.[0]),
    invites: IDS.map((one) => invites.get(one)),
  };
}

/** A code is for one id (STO-33): the write that would give it to a second one does not happen. */
function possible(writes: readonly RowWrite[]): RowWrite[] {
  const kept: RowWrite[] = [];
  for (const one of writes) {
    const taken = one.op === 'invite' && looked(kept).codes[CODES.indexOf(one.row.code_hash)];
    if (
      taken === false ||
      taken === undefined ||
      taken === (one as { row: { agent_id: string } }).row.agent_id
    )
      kept.push(one);
  }
  return kept;
}

const empty: TopologyRows = {
  head: 0,
  rooms: [],
  members: [],
  agents: [],
  held: [],
  invites: [],
  pairs: [],
  pauses: [],
  pairings: [],
  pairing_invites: [],
  shares: [],
};

it('AGENT-10 tokens and claim codes are found alike in a batch, after its commit, and by looking at all rows', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 14 }), fc.nat(14), (given, split) => {
      const writes = possible(given);
      const topology = new Topology(settingsOf(), empty);
      topology.committed(rowsOf(...writes.slice(0, split)), []);
      const committed = seen(topology);
      const overlay = new Overlay(topology as unknown as State);
      for (const one of writes.slice(split)) overlay.apply(rowsOf(one));
      expect(seen(overlay)).toEqual(looked(writes));
      // What is not on disk shows nowhere else.
      expect(seen(topology)).toEqual(committed);
      topology.committed(rowsOf(...writes.slice(split)), []);
      expect(seen(topology)).toEqual(looked(writes));
    }),
    { numRuns: 2_000 },
  );
});
