/** What the guard means for attachments, of clients that decide about wakes themselves and of those that leave it to the server. */
import { describe, expect, it } from 'vitest';
import { AttachClient, type AttachClientOptions } from '../../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { attach, bind, end, say, wake, wakeLab } from '../../../test/support/wake-lab.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Bindings } from '../../protocol/wake.ts';

const BINDINGS: Bindings = {
  rooms: [{ id: 'research', wake: 'all' }],
  dms: { enabled: true, wake: 'all' },
  catch_up: 'all',
};
const DIALECTS = [
  ['the original’s dialect', {}],
  ['the delivery protocol', { bindings: BINDINGS }],
] as const satisfies readonly (readonly [string, Partial<AttachClientOptions>])[];

const messageOf = (payload: string): Message => JSON.parse(payload) as Message;

describe.each(DIALECTS)('in %s', (_, dialect) => {
  it.each([2, 3, 5])(
    'GUARD-2 GUARD-3 %i agents that answer everything stop, and a person lets them go on once',
    async (n) => {
      const lab = await startAttachLab({ settings: { guard: { turns: 6 } } });
      await lab.createRoom('research');
      let answering = 0;
      let answered = 0;
      const agents = await Promise.all(
        Array.from({ length: n }, (_each, i) =>
          AttachClient.attach({
            url: lab.url,
            agent: `a${i}`,
            ack: true,
            ...dialect,
            onEvent: ({ event }) => {
              const message = event!.message as Message | undefined;
              if (!message || message.from.id === `a${i}`) return;
              answering++;
              void lab.send(`agent:a${i}`, 'room:research', 'I see').finally(() => {
                answering--;
                answered++;
              });
            },
          }),
        ),
      );
      const quiet = async (): Promise<void> => {
        for (let before = -1; before !== answered;) {
          before = answered;
          for (const agent of agents) await agent.settle();
          await eventually(() => answering === 0);
        }
      };
      for (const round of [1, 2]) {
        await lab.send('human:ana', 'room:research', 'go');
        await quiet();
        const [state, ...others] = lab.network.guardStates();
        expect(others).toEqual([]);
        expect(state).toMatchObject({ conversation: 'room:research', reason: 'turns', turns: 6 });
        expect((await lab.network.guardState('room:research')).meters!.hour).toBe(6 * round);
      }
      // Everybody was sent what was let go, and nothing of what is held.
      const spoken = (await until(lab, lab.network.topology.conversation('room:research')!.held_seq!)).filter(
        ({ from }) => from.type !== 'system',
      );
      for (const [i, agent] of agents.entries()) {
        // The delivery protocol does not bring what does not wake, one's own messages among it.
        const wanted = spoken.filter(({ from }) => !('bindings' in dialect) || from.id !== `a${i}`);
        await agent.until(() => agent.messages.length >= wanted.length);
        await agent.settle();
        expect(agent.messages).toEqual(wanted.map(({ id }) => id));
      }
    },
  );

  it('GUARD-10 the notice is never an event, before the resume, after it and in a replay', async () => {
    const lab = await heldLab();
    const client = await AttachClient.attach({ url: lab.url, ack: true, ...dialect });
    await storm(lab, 4);
    await client.settle();
    expect(client.messages).toEqual(['m0', 'm1']);
    await lab.execute('guard.resume', { conversation: 'room:research' });
    await client.until(() => client.messages.length === 4);
    await lab.send('human:ana', 'room:research', { id: 'last' });
    await client.until(() => client.messages.includes('last'));
    expect(client.messages).toEqual(['m0', 'm1', 'm2', 'm3', 'last']);
    const { rows } = await lab.store.messagePage('room:research', { limit: 10 });
    expect(rows.map(({ payload }) => messageOf(payload).from.type)).toContain('system');
    const late = await AttachClient.attach({
      url: lab.url,
      agent: 'late',
      ack: true,
      cursor: lab.first,
      ...dialect,
    });
    await late.settle();
    for (const frame of [...client.frames, ...late.frames])
      expect(JSON.stringify(frame)).not.toContain('"system"');
  });

  it('GUARD-11 an ack of others is no event, whoever it names', async () => {
    const lab = await heldLab();
    const client = await AttachClient.attach({ url: lab.url, ack: true, ...dialect });
    const ack = { intent: 'ack', mentions: ['molt://local/agents/alpha'] };
    await lab.send('agent:beta', 'room:research', { id: 'ack', ...ack });
    await lab.send('human:ana', 'dm:d@alpha,ana', { id: 'dm-ack', ...ack });
    await lab.send('human:ana', 'room:research', { id: 'last', intent: 'request' });
    await client.until(() => client.messages.includes('last'));
    expect(client.messages).toEqual(['last']);
  });

  it('PAUSE-2 that something is paused is no event', async () => {
    const lab = await heldLab();
    const client = await AttachClient.attach({ url: lab.url, ack: true, ...dialect });
    for (const paused of [true, false])
      for (const scope of ['*', 'room:research', 'agent:alpha'] as const)
        await lab.execute('pause.set', { scope, paused });
    await lab.send('human:ana', 'room:research', { id: 'last' });
    await client.until(() => client.messages.includes('last'));
    expect(client.events.map((frame) => frame.event!.type)).toEqual(['message.created']);
  });
});

/** All messages of the room up to a seq. */
async function until(lab: AttachLab, seq: number): Promise<Message[]> {
  const messages: Message[] = [];
  for (let after = 0; ;) {
    const events = await lab.store.conversationEvents('room:research', after, 500, seq);
    messages.push(...events.map(({ payload }) => messageOf(payload)));
    if (events.length < 500) return messages;
    after = events.at(-1)!.seq;
  }
}

/** A room that is held after two turns. `first` is the id of its first event. */
async function heldLab(): Promise<AttachLab & { first: string }> {
  const lab = await startAttachLab({ settings: { guard: { turns: 2 } } });
  await lab.createRoom('research');
  const [first] = await lab.store.events({ all: true }, 0, 1);
  return Object.assign(lab, { first: first!.id });
}
async function storm(lab: AttachLab, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await lab.send(i % 2 ? 'agent:beta' : 'agent:gamma', 'room:research', { id: `m${i}` });
}

it('GUARD-9 two that each pass on in a room of their own what the other said, naming nobody, stop', async () => {
  const at = await wakeLab({ settings: { guard: { pair_turns: 6 } } });
  await at.createRoom('s');
  const alpha = await attach(at, bind({ r: 'all' }), 'alpha');
  const beta = await attach(at, bind({ s: 'all' }), 'beta');
  await say(at, 'm0', 'go', 'room:r', 'agent:feed');
  let last = 'm0';
  for (let i = 1; i < 20; i++) {
    const [client, who, room] = i % 2 ? [alpha, 'agent:alpha', 'room:s'] : [beta, 'agent:beta', 'room:r'];
    const cursor = await wake(client, `w${i}`, last);
    await say(at, (last = `m${i}`), 'it was said', room, who);
    await end(at, client, cursor, { wake_id: `w${i}` });
    if (at.network.guardStates().length > 0) break;
  }
  expect(at.network.guardStates()).toMatchObject([{ conversation: 'room:r', reason: 'pair' }]);
  // The first only answered the feed.
  expect(last).toBe('m8');
  await alpha.settle();
  expect(alpha.messages).not.toContain('m8');
});
