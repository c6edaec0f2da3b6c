import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { openLab, labFolder, type Lab } from '../../test/support/network-lab.ts';
import { AttachClient } from '../../test/support/attach-client.ts';
import { askJson } from '../../test/support/server-http.ts';
import { startTestServer, testConfig } from '../../test/support/server.ts';
import { openFile } from '../../test/support/store-open.ts';
import { rowsOf, wakeOf } from '../../test/support/store-writes.ts';
import type { RetentionSettings, RoomConfig } from '../config/types.ts';
import { createLog } from './log.ts';
import { applyRetention } from './retention.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 30);

/** A network in which a message was said each hour for ten hours, in a room, another room and a DM. */
async function talked(): Promise<
  Lab & {
    apply(
      retention: RetentionSettings,
      rooms?: RoomConfig[],
      mayWait?: (conversation: string, seq: number) => boolean,
    ): Promise<number>;
  }
> {
  let now = NOW - 10 * HOUR;
  const lab = await openLab({ clock: () => now });
  await lab.createRoom({ id: 'other', visibility: 'public' });
  for (let i = 0; i < 10; i++) {
    await lab.send('human:ann', 'room:general', {
      id: `g${i}`,
      parts: [{ kind: 'text', text: `message ${i}` }],
    });
    await lab.send('human:ann', 'room:other', { id: `o${i}` });
    await lab.send('human:ann', 'dm:@ann,bob', { id: `d${i}` });
    now += HOUR;
  }
  return {
    ...lab,
    apply: (retention, rooms = [], mayWait = () => false) =>
      applyRetention(
        {
          config: { ...testConfig({ rooms }), retention },
          store: lab.store,
          network: lab.network,
          log: createLog('silent'),
          tail: { now: () => NOW, shared: { clear() {} } } as never,
          pairings: { waitingNow: async () => mayWait } as never,
        },
        new AbortController().signal,
      ),
  };
}
const left = async ({ store }: Lab, ...keys: `${'room' | 'dm'}:${string}`[]): Promise<number[]> =>
  Promise.all(keys.map(async (key) => (await store.messagePage(key, { limit: 500 })).rows.length));

it('RET-1 a room’s own word counts, else the network’s, which is for DMs too; keep keeps', async () => {
  const lab = await talked();
  const dm = (await lab.store.dmPage('ann', { limit: 1 })).rows[0]!.key as `dm:${string}`;
  expect(
    await lab.apply({ max_age: (4.5 * HOUR) / 1_000 }, [{ id: 'other', members: [], retention: 'keep' }]),
  ).toBe(12);
  expect(await left(lab, 'room:general', 'room:other', dm)).toEqual([4, 10, 4]);
  expect(await lab.apply({}, [{ id: 'other', members: [], retention: { max_messages: 3 } }])).toBe(7);
  expect(await left(lab, 'room:general', 'room:other', dm)).toEqual([4, 3, 4]);
  // Nothing more to do.
  expect(await lab.apply({ max_age: (4.5 * HOUR) / 1_000 })).toBe(0);
});

it('RET-4 what goes is in the archive first, one message a line as it was served, for the owner alone', async () => {
  const lab = await talked();
  const archive = path.join(labFolder(), 'archive', 'of', 'mine');
  const before = await lab.message('g0');
  await lab.apply({ max_messages: 8, archive });
  const lines = readFileSync(path.join(archive, 'room-general.jsonl'), 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    before,
    expect.objectContaining({ id: 'g1' }),
  ]);
  expect(statSync(path.join(archive, 'room-general.jsonl')).mode & 0o777).toBe(0o600);
  // What cannot be archived is not removed.
  await expect(
    lab.apply({ max_messages: 1, archive: path.join(archive, 'room-general.jsonl') }),
  ).rejects.toThrow();
  expect(await left(lab, 'room:general')).toEqual([8]);
});

it('RET-5 what an agent is at work on stays until that is done, and keeps nothing else', async () => {
  const lab = await talked();
  const seqs = await lab.store.messages(['g1', 'g3']);
  const [after_seq, last_seq] = [seqs.get('g1')!.seq, seqs.get('g3')!.seq];
  const wake = wakeOf('w1', { conversation: 'room:general', after_seq, last_seq });
  await lab.store.commit([rowsOf({ op: 'wake.open', row: wake })]);
  await lab.apply({ max_messages: 1 });
  expect(await left(lab, 'room:general', 'room:other')).toEqual([3, 1]);
  const there = await lab.store.messages(['g1', 'g2', 'g3', 'g4', 'g9']);
  expect([...there.keys()].sort()).toEqual(['g2', 'g3', 'g9']);
});

it('RET-5 an agent that never comes back from a thread keeps nothing but its messages', async () => {
  const lab = await openLab({});
  for (let i = 0; i < 130; i++) await lab.send('human:ann', 'thread:long@general', { id: `t${i}` });
  for (let i = 0; i < 5; i++) await lab.send('human:ann', 'room:general', { id: `g${i}` });
  const seqs = await lab.store.messages(['t0', 't119']);
  const [after_seq, last_seq] = [seqs.get('t0')!.seq - 1, seqs.get('t119')!.seq];
  await lab.store.commit([
    rowsOf({ op: 'wake.open', row: wakeOf('w1', { conversation: 'thread:long', after_seq, last_seq }) }),
  ]);
  await applyRetention(
    {
      config: { ...testConfig({}), retention: { max_messages: 2 } },
      store: lab.store,
      network: lab.network,
      log: createLog('silent'),
      tail: { now: () => NOW, shared: { clear() {} } } as never,
      pairings: { waitingNow: async () => () => false } as never,
    },
    new AbortController().signal,
  );
  expect(await left(lab, 'room:general')).toEqual([2]);
  expect((await lab.store.messagePage('thread:long', { limit: 500 })).rows).toHaveLength(120);
});

it('RET-6 an agent goes on over what was removed, and an unknown cursor is told of its gap', async () => {
  const file = path.join(labFolder(), 'moltnet.db');
  const storage = { kind: 'sqlite', sqlite: { path: file } } as const;
  const rooms: RoomConfig[] = [{ id: 'general', members: [], visibility: 'public' }];
  const bindings = {
    rooms: [{ id: 'general', wake: 'all' }],
    dms: { enabled: false, wake: 'never' },
    catch_up: 'all',
  } as const;
  const first = await startTestServer({ storage, rooms });
  const attach = (server: { url: string }, more: object) =>
    AttachClient.attach({ url: `${server.url.replace('http', 'ws')}/v1/attach`, ...more });
  const agent = await attach(first, { bindings });
  for (let i = 0; i < 6; i++)
    await askJson(first, '/v1/messages', {
      method: 'POST',
      body: {
        id: `m${i}`,
        target: { kind: 'room', room_id: 'general' },
        from: { type: 'human', id: 'ann' },
        parts: [{ kind: 'text', text: `message ${i}` }],
      },
    });
  const seen = (client: AttachClient) => client.frames.flatMap((frame) => frame.event?.message?.id ?? []);
  await agent.until(() => seen(agent).includes('m5'));
  const cursors = agent.frames.filter(({ event }) => event?.message).map(({ cursor }) => cursor!);
  agent.send({ op: 'ACK', cursor: cursors[0]! });
  agent.send({ op: 'PING' });
  await first.stop();

  const store = await openFile(file);
  const { rows } = await store.messagePage('room:general', { limit: 10 });
  await store.commit([rowsOf({ op: 'prune', seqs: rows.slice(1, 4).map(({ seq }) => seq) })]);
  await store.close();

  const second = await startTestServer({ storage, rooms });
  const back = await attach(second, { bindings });
  await back.until(() => seen(back).includes('m5'));
  expect(seen(back).filter((id) => id !== 'm0')).toEqual(['m4', 'm5']);
  const old = await attach(second, { agent: 'beta', cursor: cursors[2] });
  await old.until(() => old.frames.some(({ event }) => event?.type === 'stream.replay_gap'));
});

it('RET-7 what waits for a paired network stays until it is relayed', async () => {
  const lab = await talked();
  const first = (await lab.store.messages(['g2'])).get('g2')!.seq;
  const waits = (conversation: string, seq: number): boolean =>
    conversation === 'room:general' && seq >= first;
  await lab.apply({ max_messages: 1 }, [], waits);
  expect(await left(lab, 'room:general', 'room:other')).toEqual([8, 1]);
  await lab.apply({ max_messages: 1 });
  expect(await left(lab, 'room:general')).toEqual([1]);
});

it('RET-8 of several servers one removes what is not to be kept', async () => {
  const names: string[] = [];
  const peers = { lease: async (name: string) => names.push(name) === 0 };
  const about = {
    config: { ...testConfig(), retention: { max_age: 1 } },
    store: { peers },
    network: undefined,
    log: createLog('silent'),
    tail: undefined,
    pairings: undefined,
  };
  expect(await applyRetention(about as never, new AbortController().signal)).toBe(0);
  expect(names).toEqual(['retention']);
});
