import { expect, it } from 'vitest';
import type { ConversationKey } from '../../src/protocol/conversation.ts';
import { ConstraintError } from '../../src/store/errors.ts';
import type { InviteRow, SessionRow } from '../../src/store/topology-rows.ts';
import type { EventWrite, RowWrite } from '../../src/store/writes.ts';
import {
  AT,
  agentRow,
  eventOf,
  messageOf,
  roomOf,
  roomRow,
  rowsOf,
  upTo,
  writesOf,
} from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

const inviteRow = (agent_id: string, code_hash: string, rest: Partial<InviteRow> = {}): InviteRow => ({
  agent_id,
  code_hash,
  created_at: AT,
  expires_at: '2026-11-28T10:00:00.000Z',
  ...rest,
});
const sessionRow = (id_hash: string, expires_at: string, rest: Partial<SessionRow> = {}): SessionRow => ({
  id_hash,
  token_id: 'console',
  token_hash: 'hash-of-token',
  created_at: AT,
  expires_at,
  ...rest,
});

export function credentialsContract({ open, reopen }: StoreFactory): void {
  it("STO-32 an agent's claim key hash and a room's credential hash are what was written last, null too", async () => {
    let store = await open();
    const row = agentRow('alpha', { credential_key: 'agent-token:ab', claim_key_hash: 'key' });
    const general = (credential_hash: string | null) =>
      eventOf(`evt_${credential_hash}`, {
        rows: [{ op: 'room', row: { ...roomRow('general').row, credential_hash } }],
      });
    await store.commit([
      writesOf(
        roomOf('general'),
        general('secret'),
        eventOf('evt_alpha', { rows: [{ op: 'agent', row }] }),
        eventOf('evt_beta', { rows: [{ op: 'agent', row: agentRow('beta') }] }),
      ),
    ]);
    if (reopen) store = await reopen(store);
    let topology = await store.loadTopology();
    expect(topology.rooms).toMatchObject([{ id: 'general', credential_hash: 'secret', created_seq: 1 }]);
    expect(topology.agents).toEqual([row, agentRow('beta')]);

    // Without an event: the first use of a token is nothing to tell.
    await store.commit([
      writesOf(general(null)),
      rowsOf({ op: 'agent', row: { ...row, claim_key_hash: null } }),
    ]);
    topology = await store.loadTopology();
    expect(topology.rooms).toMatchObject([{ credential_hash: null }]);
    expect(topology.agents).toEqual([{ ...row, claim_key_hash: null }, agentRow('beta')]);
  });

  it('STO-33 an agent id has at most one claim code: a new one takes its place, removing it by its hash ends it', async () => {
    let store = await open();
    await store.commit([
      rowsOf(
        { op: 'invite', row: inviteRow('beta', 'code-b') },
        { op: 'invite', row: inviteRow('alpha', 'code-a') },
      ),
    ]);
    const later = inviteRow('alpha', 'code-c', { expires_at: '2020-01-01T00:00:00.000Z' });
    await store.commit([rowsOf({ op: 'invite', row: later })]);
    if (reopen) store = await reopen(store);
    expect((await store.loadTopology()).invites).toEqual([later, inviteRow('beta', 'code-b')]);

    await store.commit([
      rowsOf(
        { op: 'invite.remove', code_hash: 'code-c' },
        { op: 'invite.remove', code_hash: 'code-a' },
        { op: 'invite.remove', code_hash: 'unknown' },
      ),
    ]);
    expect((await store.loadTopology()).invites).toEqual([inviteRow('beta', 'code-b')]);
    expect(store.head).toBe(0);
  });

  it('STO-33 one code for two ids is refused, and nothing of the batch is stored', async () => {
    const store = await open();
    await store.commit([rowsOf({ op: 'invite', row: inviteRow('alpha', 'code') })]);
    const twice = store.commit([
      writesOf(eventOf('e')),
      rowsOf({ op: 'invite', row: inviteRow('beta', 'code') }),
    ]);
    await expect(twice).rejects.toBeInstanceOf(ConstraintError);
    expect((await store.loadTopology()).invites).toEqual([inviteRow('alpha', 'code')]);
    expect(store.head).toBe(0);
  });

  it('STO-34 sessions are read by when they expire; one that is written again is replaced, one removed is gone', async () => {
    let store = await open();
    const at = (hour: number): string => `2026-11-22T${String(hour).padStart(2, '0')}:00:00.000Z`;
    const first = sessionRow('b', at(3), { token_id: 'other', token_hash: 'its-hash' });
    await store.commit([
      rowsOf(
        { op: 'session', row: sessionRow('a', at(5)) },
        { op: 'session', row: first },
        { op: 'session', row: sessionRow('c', at(1)) },
        { op: 'session', row: sessionRow('d', at(4)) },
      ),
    ]);
    if (reopen) store = await reopen(store);
    const ids = async (now: string) => (await store.sessions(now)).map(({ id_hash }) => id_hash);
    expect(await ids(at(0))).toEqual(['c', 'b', 'd', 'a']);
    expect(await ids(at(3))).toEqual(['d', 'a']);
    expect((await store.sessions(at(2)))[0]).toEqual(first);

    await store.commit([
      rowsOf(
        { op: 'session', row: sessionRow('d', at(9), { token_id: 'moved' }) },
        { op: 'session.remove', id_hash: 'b' },
        { op: 'session.remove', id_hash: 'nobody' },
      ),
    ]);
    expect(await store.sessions(at(2))).toEqual([
      sessionRow('a', at(5)),
      sessionRow('d', at(9), { token_id: 'moved' }),
    ]);
    expect(await ids(at(9))).toEqual([]);
  });

  it("STO-70 a read position only moves forward, is its person's alone, and the latest come first", async () => {
    let store = await open();
    const read = (
      person_id: string,
      conversation: ConversationKey,
      seq: number,
      minute: number,
    ): Extract<RowWrite, { op: 'read' }> => ({
      op: 'read',
      row: {
        person_id,
        conversation,
        seq,
        message_id: `m${seq}`,
        at: `2026-11-22T10:${String(minute).padStart(2, '0')}:00.000Z`,
      },
    });
    await store.commit([
      rowsOf(
        read('anna', 'room:general', 5, 1),
        read('anna', 'dm:d1', 9, 3),
        read('bob', 'room:general', 2, 2),
        // Of one conversation in one batch the furthest counts, whichever stands last.
        read('anna', 'thread:t1', 8, 2),
        read('anna', 'thread:t1', 7, 9),
      ),
    ]);
    await store.commit([
      rowsOf(read('anna', 'room:general', 4, 8)),
      rowsOf(read('bob', 'room:general', 6, 8)),
    ]);
    if (reopen) store = await reopen(store);
    const places = async (person: string, limit = 500) =>
      (await store.reads(person, limit)).map(
        ({ conversation, message_id }) => `${conversation} ${message_id}`,
      );
    expect(await places('anna')).toEqual(['dm:d1 m9', 'thread:t1 m8', 'room:general m5']);
    expect(await places('anna', 1)).toEqual(['dm:d1 m9']);
    expect(await places('bob')).toEqual(['room:general m6']);
    expect(await places('nobody')).toEqual([]);
    expect((await store.reads('bob', 1))[0]).toEqual(read('bob', 'room:general', 6, 8).row);
    await store.commit([
      rowsOf(
        { op: 'read.remove', person_id: 'anna', conversation: 'dm:d1' },
        { op: 'read.remove', person_id: 'nobody', conversation: 'room:general' },
      ),
    ]);
    expect(await places('anna')).toEqual(['thread:t1 m8', 'room:general m5']);
    expect(store.head).toBe(0);
  });

  it('STO-70 what is new behind a position is counted without the own messages, up to a bound', async () => {
    const store = await open();
    const from = (sender: string) => ({ sender });
    const sent: EventWrite[] = [
      messageOf('m1', 'room:general', from('anna')),
      ...upTo(4).map((n) => messageOf(`a${n}`, 'room:general', from('alpha'))),
      messageOf('m2', 'room:general', from('anna')),
      messageOf('o1', 'room:other', from('alpha')),
    ];
    const [seqs] = await store.commit([writesOf(...sent)]);
    const asked = [
      { conversation: 'room:general', seq: seqs![0]! },
      { conversation: 'room:other', seq: 0 },
      { conversation: 'room:general', seq: seqs![2]! },
      { conversation: 'room:none', seq: 0 },
    ] as const;
    const anna = 'molt://local/agents/anna';
    expect(await store.unread(asked, anna, 100)).toEqual([4, 1, 2, 0]);
    expect(await store.unread(asked, anna, 2)).toEqual([2, 1, 2, 0]);
    expect(await store.unread([], anna, 2)).toEqual([]);
  });
}
