import { beforeEach, expect, it } from 'vitest';
import type { Client } from '../../src/client/http.ts';
import type { RunningWake } from '../../src/node/wake.ts';
import { publishFinal } from '../../src/node/publish.ts';
import type { TurnOutcome } from '../../src/runtimes/runtime.ts';
import { limits } from '../../src/protocol/limits.ts';
import { speaker, startLabNode, type NodeLab } from '../support/node-lab.ts';
import { until } from '../support/runtime-lab.ts';
import { startTestServer } from '../support/server.ts';

let url: string;
let client: Client;
let say: ReturnType<typeof speaker>['say'];
beforeEach(async () => {
  const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];
  ({ url } = await startTestServer({ rooms }));
  ({ client, say } = speaker(url));
  await client.registerAgent({ requested_agent_id: 'alpha' });
});
const start = async (publish: 'explicit' | 'final'): Promise<NodeLab> => {
  const lab = await startLabNode(url, [{ agent: { id: 'alpha', name: 'Alpha' }, publish }]);
  await lab.logged('attached');
  return lab;
};
const final = (final_text: string): TurnOutcome => ({ state: 'ok', final_text });
const said = async (conversation = 'room:general'): Promise<(string | undefined)[]> =>
  (await client.messages(conversation)).messages
    .filter(({ from }) => from.id === 'alpha')
    .map(({ parts }) => parts[0]?.text);
const over = async (id: string): Promise<string> => {
  let state = '';
  await until(async () => {
    state = (await client.receipts(id)).receipts.find(({ agent_id }) => agent_id === 'alpha')?.state ?? '';
    return ['answered', 'silent', 'failed'].includes(state);
  }, 'the wake is over');
  return state;
};

it('NODE-60 the final text of a turn is posted where the wake came from, and is the answer', async () => {
  const lab = await start('final');
  lab.runtime('alpha').script = ({ conversation }) => final(`  seen in ${conversation}\n`);
  expect(await over(await say('room:general', 'hello'))).toBe('answered');
  expect(await over(await say('thread:t', 'hello'))).toBe('answered');
  expect(await over(await say('dm:d', 'hello', { participants: ['ann', 'alpha'] }))).toBe('answered');
  expect([await said(), await said('thread:t'), await said('dm:d')]).toEqual([
    ['seen in room:general'],
    ['seen in thread:t'],
    ['seen in dm:d'],
  ]);
  expect((await client.messages('room:general')).messages.at(-1)!.from).toMatchObject({
    type: 'agent',
    id: 'alpha',
    name: 'Alpha',
  });
  expect(lab.runtime('alpha').texts[0]).toContain('What you say last in this turn is posted here');
});

it('NODE-60 nothing is posted unless asked for, nor for no text, the word NOTHING, or a turn that failed', async () => {
  const explicit = await start('explicit');
  explicit.runtime('alpha').script = () => final('not for the room');
  expect(await over(await say('room:general', 'one'))).toBe('silent');
  expect(explicit.runtime('alpha').texts[0]).toContain('Only what you send is seen');
  await explicit.node.stop();
  const lab = await start('final');
  const texts = ['', ' \n', 'NOTHING', 'nothing.'];
  lab.runtime('alpha').script = (_wake, n) =>
    n > texts.length ? { state: 'failed', permanent: true, reason: 'API Error: 500' } : final(texts[n - 1]!);
  for (const text of texts) expect(await over(await say('room:general', `two ${text}`))).toBe('silent');
  expect(await over(await say('room:general', 'three'))).toBe('failed');
  expect(await said()).toEqual([]);
});

it('NODE-60 what the agent has posted there itself in the turn stands in its place', async () => {
  const lab = await start('final');
  lab.runtime('alpha').script = () => 'hold';
  const id = await say('room:general', 'hello');
  await lab.until(() => lab.runtime('alpha').turns.length === 1);
  await say('room:general', 'by myself', { as: 'agent:alpha' });
  lab.runtime('alpha').turns[0]!.end(final('I have answered.'));
  expect(await over(id)).toBe('answered');
  expect(await said()).toEqual(['by myself']);
});

const wakeOf = async (id: string): Promise<RunningWake> => ({
  wake_id: 'wake_1',
  conversation: 'room:general',
  cursor: '',
  entries: [
    {
      cursor: '',
      message: (await client.messages('room:general')).messages.find((one) => one.id === id)!,
      reason: 'room',
    },
  ],
  earlier: [],
  earlier_count: 0,
  attempt: 1,
  again: false,
  bootstrap: false,
});
const config = { agent: { id: 'alpha' }, network_id: 'local' };
const never = new AbortController().signal;

it('NODE-60 a turn that is run again posts nothing twice, also where history cannot be read', async () => {
  const wake = await wakeOf(await say('room:general', 'hello'));
  expect(await publishFinal(() => client, config, wake, 'one', never)).toMatchObject({ state: 'posted' });
  expect(await publishFinal(() => client, config, wake, 'another', never)).toEqual({ state: 'spoken' });
  // A server that shows the conversation to observers only.
  const blind: Client = { ...client, messages: (of) => client.messages(`${of}-not-there`) };
  expect(await publishFinal(() => blind, config, wake, 'a third', never)).toEqual({ state: 'spoken' });
  expect(await publishFinal(() => blind, config, wake, 'one', never)).toMatchObject({ state: 'posted' });
  expect(await said()).toEqual(['one']);
});

it('NODE-60 what no message can hold is left out, what is too long is cut and says so, a refusal is told', async () => {
  const wake = await wakeOf(await say('room:general', 'hello'));
  const long = `a\0b\ud800${'é'.repeat(limits.text.value)}`;
  expect(await publishFinal(() => client, config, wake, long, never)).toMatchObject({ state: 'posted' });
  const [text] = await said();
  expect(text).toMatch(/^ab\ufffdé+\n\n\(cut: the whole text has \d+ bytes\)$/);
  expect(Buffer.byteLength(text!)).toBeLessThanOrEqual(limits.text.value);
  const gone = { ...wake, wake_id: 'wake_2', conversation: 'room:nowhere' as const, entries: [] };
  expect(await publishFinal(() => client, config, gone, 'x', never)).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('nowhere'),
  });
});
