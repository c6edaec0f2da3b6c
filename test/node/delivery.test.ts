/** The node against our server: the delivery protocol, with a runtime that the test scripts. */
import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { failed, ok, speaker, startLabNode } from '../support/node-lab.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];

it('NODE-1 a message wakes the agent, whose text says who wrote what and how to answer', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  await lab.logged('attached');
  await say('room:general', 'hello there');
  const alpha = lab.runtime('alpha');
  await lab.until(() => alpha.turns.length === 1);
  const { wake } = alpha.turns[0]!;
  expect(wake).toMatchObject({
    attempt: 1,
    conversation: 'room:general',
    session_key: 'agent:alpha:local:room:general',
  });
  expect(wake.text).toContain('from ann (person)');
  expect(wake.text).toContain('> hello there');
  expect(wake.text).toContain('moltnet send room:general "YOUR TEXT"');
  await lab.logged('turn done');
});

it('NODE-5 what comes during a turn is one wake after it', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'first');
  await lab.until(() => alpha.turns.length === 1);
  for (let i = 2; i <= 40; i++) await say('room:general', `message ${i}`);
  await lab.received(await say('room:general', 'last'));
  alpha.turns[0]!.end();
  await lab.until(() => alpha.turns.length === 2 && alpha.turns[1]!.outcome !== undefined);
  const text = alpha.texts[1]!;
  expect(text).toContain('Moltnet: 40 new messages for you');
  expect(text).toContain(
    '10 older ones are not shown. Read them first: moltnet read room:general --plain --limit 40',
  );
  expect(text).toContain('> last');
  expect(text).not.toContain('> message 2\n');
  expect(alpha.turns).toHaveLength(2);
});

it('NODE-7 a wake that fails is tried again with the next attempt number, and then reported as failed without blocking the next', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (wake) => (wake.text.includes('poison') ? failed('it choked') : ok);
  await lab.logged('attached');
  await say('room:general', 'poison');
  await lab.until(() => alpha.turns.length === 1);
  await say('room:general', 'good');
  await lab.until(() => alpha.turns.length === 5);
  expect(alpha.turns.slice(0, 4).map(({ wake }) => wake.attempt)).toEqual([1, 2, 3, 4]);
  expect(new Set(alpha.turns.slice(0, 4).map(({ wake }) => wake.wake_id)).size).toBe(1);
  expect(alpha.texts[1]).toContain('You may have answered already');
  expect(alpha.texts[4]).toContain('> good');
  expect((await lab.logged('wake FAILED')).message).toBe(
    'wake FAILED in room:general (4 attempts): it choked',
  );
  const agent = await client.agent('alpha');
  expect(agent.last_wake_failure).toMatchObject({ error: 'it choked' });
});

it('NODE-31 a DM wakes from those alone who may; what others say there is kept, and told as ignored', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const dms = { enabled: true, wake: 'all' as const, allowed_wake_senders: ['ann'] };
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' }, dms }]);
  const alpha = lab.runtime('alpha');
  await lab.logged('attached');
  const bob = await say('dm:d-bob', 'from bob', { as: 'human:bob', participants: ['alpha', 'bob'] });
  await say('dm:d-ann', 'from ann', { as: 'human:ann', participants: ['alpha', 'ann'] });
  await lab.until(() => alpha.turns.length === 1);
  expect(alpha.texts[0]).toContain('> from ann');
  const { receipts } = await client.receipts(bob);
  expect(receipts).toMatchObject([{ agent_id: 'alpha', state: 'ignored', reason: 'policy' }]);
  expect(alpha.turns).toHaveLength(1);
});

it('NODE-1 limits of what was missed are taken over by the server', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const catch_up = { policy: 'all' as const, max_age: 3_600 };
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' }, catch_up }]);
  await lab.logged('attached');
  await say('room:general', 'hello');
  await lab.until(() => lab.runtime('alpha').turns.length === 1);
});
