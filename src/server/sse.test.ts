import { describe, expect, it } from 'vitest';
import { AttachClient } from '../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab, type AttachLabOptions } from '../../test/support/attach-lab.ts';
import { eventually } from '../../test/support/eventually.ts';
import { labFolder } from '../../test/support/network-lab.ts';
import { SseClient } from '../../test/support/sse-client.ts';
import { encodeEvent } from '../protocol/events.ts';

async function lab(options: AttachLabOptions = {}): Promise<AttachLab> {
  const opened = await startAttachLab(options);
  if (!opened.network.topology.room('research')) await opened.createRoom('research');
  return opened;
}
async function post(at: AttachLab, count: number, prefix = 'm'): Promise<void> {
  for (let i = 0; i < count; i += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, count - i) }, (_, j) =>
        at.send('human:me', 'room:research', { id: `${prefix}${i + j}` }),
      ),
    );
  }
}

describe('the stream', () => {
  it('SSE-1 `: stream-open` comes first; then each event as id, event and data on one line', async () => {
    const at = await lab();
    const client = await SseClient.open(at.port);
    expect(client.status).toBe(200);
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'transfer-encoding': 'chunked',
    });
    expect(client.text).toBe(': stream-open\n\n');
    await at.send('human:me', 'room:research', { id: 'm1', parts: [{ kind: 'text', text: 'two\nlines' }] });
    await client.until(() => client.messages.length === 1);
    const [event] = await at.store.events({ all: true }, at.tail.head - 1, 1);
    expect(client.text).toBe(
      `: stream-open\n\nid: ${event!.id}\nevent: message.created\ndata: ${encodeEvent({ ...event!, network_id: 'local' })}\n\n`,
    );
  });

  it('SSE-1 nothing is missed after `: stream-open`, also with an id to go on from', async () => {
    const at = await lab();
    await post(at, 1, 'first');
    const first = (await at.store.events({ all: true }, at.tail.head - 1, 1))[0]!.id;
    for (let round = 0; round < 20; round++) {
      const client = new SseClient(at.port, round % 2 ? { headers: { 'last-event-id': first } } : {});
      await client.until(() => client.text.includes('stream-open'));
      await post(at, 1, `r${round}-`);
      await client.until(() => client.messages.includes(`r${round}-0`));
      client.close();
    }
  });

  it('SSE-1 keep-alive comments come whatever else does', async () => {
    const at = await lab({ keepAlive: 20 });
    const client = await SseClient.open(at.port);
    await client.until(() => client.events.filter((event) => event.comment === 'keep-alive').length >= 3);
    expect(client.text).toContain(': keep-alive\n\n');
  });

  it('SSE-4 LOG-8 volatile events carry no id', async () => {
    const at = await lab();
    const client = await SseClient.open(at.port);
    const agent = await AttachClient.attach({ url: at.url, agent: 'alpha' });
    await client.until(() => client.types.includes('agent.connected'));
    await agent.drop();
    await client.until(() => client.types.includes('agent.disconnected'));
    for (const event of client.events) {
      if (event.event === undefined) continue;
      expect(event.data!.type).toBe(event.event);
      expect(event.data!.id).toMatch(/^evt_/);
      if (event.event === 'agent.connected' || event.event === 'agent.disconnected')
        expect(event.id).toBeUndefined();
      else expect(event.id).toBe(event.data!.id);
    }
    expect(client.events.find((event) => event.event === 'agent.connected')!.data!['agent']).toEqual({
      agent_id: 'alpha',
      network_id: 'local',
      fqid: 'molt://local/agents/alpha',
      name: 'ALPHA',
    });
  });

  it('LOG-7 observers see held messages as they come, and the hold and the resume', async () => {
    const at = await lab({ settings: { guard: { turns: 2 } } });
    const client = await SseClient.open(at.port);
    for (let i = 0; i < 4; i++)
      await at.send(i % 2 ? 'agent:beta' : 'agent:gamma', 'room:research', { id: `m${i}` });
    await at.send('human:me', 'room:research', { id: 'person' });
    await client.until(() => client.messages.includes('person'));
    const types = client.types.filter((type) => !type.startsWith('agent.'));
    expect(types).toEqual([
      'message.created',
      'message.created',
      'conversation.held',
      // The notice.
      'message.created',
      'message.created',
      'message.created',
      'conversation.resumed',
      'message.created',
    ]);
  });
});

describe('going on', () => {
  it.each([
    ['the header', (id: string) => ({ headers: { 'last-event-id': id } })],
    ['the query', (id: string) => ({ query: `?last_event_id=${encodeURIComponent(id)}` })],
    [
      'the header before the query',
      (id: string) => ({ headers: { 'last-event-id': id }, query: '?last_event_id=evt_other' }),
    ],
  ])('SSE-2 after the event that %s names, over a restart', async (_, options) => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab({ path });
    const client = await SseClient.open(first.port);
    await post(first, 3);
    await client.until(() => client.messages.length === 3);
    const id = client.events.find((event) => event.data?.message?.id === 'm0')!.id!;
    await first.stop();
    const second = await lab({ path });
    const again = await SseClient.open(second.port, options(id));
    await post(second, 1, 'n');
    await again.until(() => again.messages.includes('n0'));
    expect(again.messages.toSorted()).toEqual(['m1', 'm2', 'n0']);
    expect(again.types).not.toContain('stream.replay_gap');
  });

  it.each(['not an id', '', 'x'.repeat(200), '-x'])('SSE-2 what is no id is ignored: %j', async (value) => {
    const at = await lab();
    await post(at, 2);
    const client = await SseClient.open(at.port, { headers: { 'last-event-id': value } });
    await post(at, 1, 'n');
    await client.until(() => client.messages.includes('n0'));
    expect(client.types).toEqual(['message.created']);
  });

  it('SSE-3 an id that is not known: one gap without an id, then live', async () => {
    const at = await lab();
    await post(at, 2);
    const client = await SseClient.open(at.port, { headers: { 'last-event-id': 'evt_unknown' } });
    await client.until(() => client.types.length === 1);
    await post(at, 1, 'n');
    await client.until(() => client.messages.includes('n0'));
    expect(client.types).toEqual(['stream.replay_gap', 'message.created']);
    const gap = client.events.find((event) => event.event === 'stream.replay_gap')!;
    expect(gap.id).toBeUndefined();
    expect(gap.data!.id).toMatch(/^evt_gap_[0-9a-f]{64}$/);
    expect(gap.data!['replay_gap']).toMatchObject({
      requested_event_id: 'evt_unknown',
      oldest_event_id: expect.any(String),
      newest_event_id: expect.any(String),
    });
  });

  it('SSE-3 at most 1,000 events are replayed, 200 to an anonymous caller', async () => {
    const at = await lab({ ringCount: 50 });
    await post(at, 1_001);
    const { head } = at.tail;
    const idAt = async (behind: number): Promise<string> =>
      (await at.store.events({ all: true }, head - behind - 1, 1))[0]!.id;
    const seen = async (behind: number, more: Record<string, string> = {}): Promise<[number, number]> => {
      const client = await SseClient.open(at.port, {
        headers: { 'last-event-id': await idAt(behind), ...more },
      });
      const mark = `mark${Math.random().toString(36).slice(2)}`;
      await post(at, 1, mark);
      await client.until(() => client.messages.includes(`${mark}0`));
      client.close();
      return [
        client.messages.filter((id) => /^m\d+$/.test(id)).length,
        client.types.filter((type) => type === 'stream.replay_gap').length,
      ];
    };
    // Each look adds one event to the log, so the second is one further behind.
    expect(await seen(1_000)).toEqual([1_000, 0]);
    expect(await seen(1_000)).toEqual([0, 1]);
    expect(await seen(198, { 'x-anonymous': '1' })).toEqual([198, 0]);
    expect(await seen(198, { 'x-anonymous': '1' })).toEqual([0, 1]);
  });
});

describe('limits', () => {
  it('SSE-5 LOG-5 a slow reader goes on from the log, and is told that it missed volatile events', async () => {
    const at = await lab({ ringCount: 5, keepAlive: 500 });
    const client = await SseClient.open(at.port);
    client.response!.pause();
    const text = 'x'.repeat(100_000);
    for (let i = 0; i < 150; i++)
      await at.send('human:me', 'room:research', { id: `b${i}`, parts: [{ kind: 'text', text }] });
    expect(Math.max(...[...at.sockets].map((socket) => socket.writableLength))).toBeLessThan(5_000_000);
    const agent = await AttachClient.attach({ url: at.url, agent: 'alpha' });
    client.response!.resume();
    await client.until(() => client.messages.length === 150);
    expect(client.messages).toEqual(Array.from({ length: 150 }, (_, i) => `b${i}`));
    await client.until(() => client.types.includes('stream.replay_gap'));
    expect(client.types).not.toContain('agent.connected');
    await agent.drop();
    await client.until(() => client.types.includes('agent.disconnected'));
  });

  it('SSE-5 a reader that never reads is given up', async () => {
    const at = await lab({ keepAlive: 50 });
    const client = await SseClient.open(at.port);
    client.response!.pause();
    const text = 'x'.repeat(120_000);
    for (let i = 0; i < 80; i++)
      await at.send('human:me', 'room:research', { id: `b${i}`, parts: [{ kind: 'text', text }] });
    await eventually(() => at.streams.active === 0);
  });

  it('SSE-6 at most 16 streams of one identity, 128 in all; one that ends makes room', async () => {
    const at = await lab();
    const of = (identity: string): Promise<SseClient> =>
      SseClient.open(at.port, { headers: { 'x-identity': identity } });
    const mine = await Promise.all(Array.from({ length: 16 }, () => of('token:a')));
    expect(mine.map((client) => client.status)).toEqual(Array(16).fill(200));
    const refused = await of('token:a');
    await refused.until(() => refused.ended);
    expect([refused.status, refused.text]).toEqual([503, 'too_many_streams']);
    expect((await of('token:b')).status).toBe(200);
    mine[0]!.close();
    await eventually(() => at.streams.active === 16);
    expect((await of('token:a')).status).toBe(200);
    for (let i = 0; at.streams.active < 128; i++) await of(`token:more${i}`);
    const full = await of('token:z');
    await full.until(() => full.ended);
    expect(full.status).toBe(503);
  });

  it('SSE-7 streams end cleanly when the server stops, and new ones are refused', async () => {
    const at = await lab();
    const client = await SseClient.open(at.port);
    at.streams.close();
    await client.until(() => client.ended);
    expect(client.broken).toBe(false);
    expect(at.streams.active).toBe(0);
    const late = await SseClient.open(at.port);
    await late.until(() => late.ended);
    expect(late.status).toBe(503);
  });
});
