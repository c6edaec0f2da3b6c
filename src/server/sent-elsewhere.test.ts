/** RCPT-22, by fakes: what a server makes of answers that come, do not come, or say something else. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { upTo } from '../../test/support/store-writes.ts';
import { SentElsewhere } from './sent-elsewhere.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What the other servers know, in the place of a database. */
function fakePeers(agents: string[], others = 2) {
  const told: { ask?: string; agents: string[] }[] = [];
  const elsewhere = new Map(agents.map((id) => [id, '{}']));
  const peers = {
    elsewhere: () => elsewhere,
    hears: true,
    others,
    tell: (text: string) => void told.push(JSON.parse(text) as (typeof told)[number]),
  };
  return { peers, told };
}
const nothing = () => false;

it('RCPT-22 nobody is asked of agents that are attached nowhere else, nor where no answer could be heard', async () => {
  const { peers, told } = fakePeers(['alpha']);
  const sent = new SentElsewhere(peers, nothing);
  expect(await sent.isOut(['beta'], 'e1')).toEqual(new Set());
  peers.hears = false;
  expect(await sent.isOut(['alpha'], 'e1')).toEqual(new Set());
  expect(told).toEqual([]);
});

it('RCPT-22 it is known when all have answered, or one has said so of each; an answer that comes twice or late changes nothing', async () => {
  const { peers, told } = fakePeers(['alpha', 'beta']);
  const sent = new SentElsewhere(peers, nothing);
  const asked = [sent.isOut(['alpha', 'beta'], 'e1'), sent.isOut(['alpha', 'beta'], 'e2')];
  const [first, second] = told.map(({ ask }) => ask);
  sent.heard({ answer: first, out: ['alpha'] });
  sent.heard({ answer: first, out: [] });
  sent.heard({ answer: second, out: ['beta', 'alpha'] });
  expect(await Promise.all(asked)).toEqual([new Set(['alpha']), new Set(['alpha', 'beta'])]);
  expect(sent.heard({ answer: first, out: ['beta'] })).toBe(true);
});

it('RCPT-22 what nobody has confirmed in half a second is not said', async () => {
  const { peers } = fakePeers(['alpha']);
  const asked = new SentElsewhere(peers, nothing).isOut(['alpha'], 'e1');
  await vi.advanceTimersByTimeAsync(500);
  expect(await asked).toEqual(new Set());
});

it('RCPT-22 many agents are many questions, each of which fits', async () => {
  const agents = upTo(100).map((i) => `agent-${i}-${'x'.repeat(100)}`);
  const { peers, told } = fakePeers(agents, 1);
  const sent = new SentElsewhere(peers, nothing);
  const asked = sent.isOut(agents, 'e1');
  expect(told.map((each) => each.agents.length)).toEqual([40, 40, 20]);
  for (const each of told) expect(JSON.stringify(each).length).toBeLessThan(7_000);
  for (const each of [...told]) sent.heard({ answer: each.ask, out: each.agents.slice(0, 1) });
  expect((await asked).size).toBe(3);
});

it('RCPT-22 a question is answered with what is out here; anything else is not taken', () => {
  const { peers, told } = fakePeers([]);
  const sent = new SentElsewhere(peers, (agent, cursor) => agent === 'alpha' && cursor === 'e1');
  expect(sent.heard({ ask: 'q', cursor: 'e1', agents: ['alpha', 'beta'] })).toBe(true);
  expect(told).toEqual([{ answer: 'q', out: ['alpha'] }]);
  expect(sent.heard({ type: 'typing', payload: {} })).toBe(false);
});
