/**
 * Storms over the whole way: agents that are woken by everything and always answer, on our node (the delivery protocol)
 * and on the existing client of the original, which decides wakes itself. The clock is the test's.
 */
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { GuardSettings } from '../../src/protocol/rooms.ts';
import { StrictClient } from '../peer/strict-client.ts';
import { startLabNode, speaker, type FakeRuntime } from '../support/node-lab.ts';
import { until } from '../support/runtime-lab.ts';
import { startTestServer } from '../support/server.ts';

const ROOM = 'room:research';
const MINUTE = 60_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());
const wait = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

/** An agent that says something whenever it is woken by something. */
interface StormAgent {
  id: string;
  /** Ids of the messages that it was sent, its own left out. */
  seen: Set<string>;
  broken: string[];
}

type Answer = (id: string) => Promise<unknown>;
type Attach = (url: string, ids: string[], answer: Answer) => Promise<StormAgent[]>;

const onOurNode: Attach = async (url, ids, answer) => {
  const agents = ids.map((id): StormAgent => ({ id, seen: new Set(), broken: [] }));
  const prepare = (runtime: FakeRuntime, id: string): void => {
    const { seen } = agents.find((agent) => agent.id === id)!;
    runtime.script = ({ text }, number) => {
      for (const [, message] of text.matchAll(/^\[\d+\/\d+\] from .*, id (\S+)$/gm)) seen.add(message!);
      void answer(id).finally(() => runtime.turns[number - 1]!.end());
      return 'hold';
    };
  };
  const config = ids.map((id) => ({ agent: { id }, rooms: [{ id: 'research', wake: 'all' as const }] }));
  const lab = await startLabNode(url, config, { max_turns: ids.length, prepare });
  for (const id of ids) await lab.logged('attached', id);
  return agents;
};

const onTheOldClient: Attach = async (url, ids, answer) => {
  const agents: StormAgent[] = [];
  for (const id of ids) {
    const seen = new Set<string>();
    // What comes while it speaks it answers together: else every resume would multiply what was kept.
    let speaking = false;
    let more = false;
    const speak = async (): Promise<void> => {
      more = true;
      if (speaking) return;
      for (speaking = true; more;) {
        more = false;
        await answer(id);
      }
      speaking = false;
    };
    const client = new StrictClient({
      url,
      network: 'local',
      agent: id,
      onEvent: ({ message }) => {
        if (!message || message.from.id === id) return;
        seen.add(message.id);
        void speak();
      },
    });
    onTestFinished(() => client.drop());
    await client.ready();
    agents.push({ id, seen, broken: client.broken });
  }
  return agents;
};

async function storm(attach: Attach, n: number, guard: GuardSettings, pause = 0) {
  const { url } = await startTestServer({
    rooms: [{ id: 'research', members: [], visibility: 'public', write_policy: 'registered_agents' }],
    guard: { turns: 'off', hour_turns: 'off', pair_turns: 'off', ...guard },
  });
  const { client, say } = speaker(url);
  let answering = 0;
  const answer: Answer = (id) => {
    answering++;
    wait(pause);
    // One that is under way when the test fails is nobody's.
    return say(ROOM, 'I see', { as: `agent:${id}` }).then(
      () => answering--,
      () => answering--,
    );
  };
  const agents = await attach(
    url,
    Array.from({ length: n }, (_, i) => `a${i}`),
    answer,
  );
  const history = async () => (await client.messages(ROOM, { limit: 500 })).messages;
  return {
    client,
    history,
    say: (text: string) => say(ROOM, text),
    /** Resolves with the hold when all is still; every agent was sent everything before it, and nothing after it. */
    async held() {
      await until(async () => (await client.guardOf(ROOM)).held, 'it is held');
      for (;;) {
        const messages = await history();
        const last = messages.findLastIndex(({ from }) => from.type === 'system');
        const free = messages.slice(0, last).filter(({ from }) => from.type !== 'system');
        const due = (id: string): string[] =>
          free.filter(({ from }) => from.id !== id).map((message) => message.id);
        await until(
          () => answering === 0 && agents.every(({ id, seen }) => due(id).every((each) => seen.has(each))),
          'everybody has seen what was let go, and has answered',
        );
        if ((await history()).length !== messages.length) continue;
        for (const { id, seen, broken } of agents) {
          expect([...seen].sort()).toEqual(due(id).sort());
          expect(broken).toEqual([]);
        }
        return client.guardOf(ROOM);
      }
    },
    /** Changes of speaker among agents in what was let go since the message. */
    async turnsSince(message: string) {
      const messages = await history();
      const from = messages.findIndex(({ id }) => id === message);
      const to = messages.findLastIndex((each) => each.from.type === 'system');
      const speakers = messages.slice(from + 1, to).filter((each) => each.from.type === 'agent');
      return speakers.filter((each, i) => each.from.id !== speakers[i - 1]?.from.id).length;
    },
    async notices() {
      return (await history()).filter(({ from }) => from.type === 'system').length;
    },
  };
}

describe.each([
  ['our node', onOurNode],
  ['the existing client', onTheOldClient],
] as const)('on %s', (_, attach) => {
  describe.each([2, 3, 5])('%i agents that always answer', (n) => {
    it('GUARD-2 GUARD-3 GUARD-10: stop after their turns, with one notice, and a person lets them go on once more', async () => {
      const room = await storm(attach, n, { turns: 6 });
      for (const round of [1, 2]) {
        const go = await room.say('go');
        expect(await room.held()).toMatchObject({ reason: 'turns', turns: 6 });
        // What was said while it was held is among what is let go, and is not counted again.
        if (round === 1) expect(await room.turnsSince(go)).toBe(6);
        expect(await room.notices()).toBe(round);
      }
    });

    it('GUARD-8: slow ones that a person speaks with now and then stop at the budget of the hour, and only a resume lets them go on', async () => {
      const room = await storm(attach, n, { turns: 4, hour_turns: 10 }, MINUTE / 10);
      let rounds = 0;
      for (let reason = 'turns'; reason === 'turns'; rounds++) {
        await room.say('and?');
        reason = (await room.held()).reason!;
      }
      expect(rounds).toBe(3);
      expect(await room.client.guardOf(ROOM)).toMatchObject({ reason: 'hour', meters: { hour: 10 } });
      const before = await room.notices();
      for (const ms of [MINUTE, 120 * MINUTE]) {
        wait(ms);
        await room.say('is nobody there?');
        await room.held();
      }
      expect(await room.notices()).toBe(before);
      await room.client.resumeGuard(ROOM);
      // What was kept is delivered and answered: their turns hold them again.
      expect(await room.held()).toMatchObject({ reason: 'turns' });
      expect(await room.notices()).toBe(before + 1);
    });

    it('GUARD-9: two of them at each other stop at the budget of a pair, and only a resume lets them go on', async () => {
      const room = await storm(attach, n, { pair_turns: 5 });
      await room.say('go');
      expect(await room.held()).toMatchObject({ reason: 'pair', meters: { pair: 5, pair_limit: 5 } });
      await room.say('go on');
      expect(await room.held()).toMatchObject({ reason: 'pair' });
      expect(await room.notices()).toBe(1);
      await room.client.resumeGuard(ROOM);
      expect(await room.held()).toMatchObject({ reason: 'pair' });
      expect(await room.notices()).toBe(2);
    });
  });
});
