/** Two networks paired from the command line: two commands, as anybody would (CLI-72). */
import { expect, it } from 'vitest';
import type { Pairing, PairingInvite } from '../../src/protocol/pairings.ts';
import { cli } from '../support/cli-io.ts';
import { becomes } from '../support/pairing-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

type Run = (...words: string[]) => ReturnType<typeof cli>;

async function network(id: string): Promise<{ run: Run; url: string; texts: () => Promise<string[]> }> {
  const { url } = await startTestServer({
    network: { id, name: id },
    rooms: [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }],
  });
  const here = { cwd: await temporaryFolder(), env: { MOLTNET_LISTEN_ADDR: new URL(url).host } };
  return {
    url,
    run: (...words) => cli(words, here),
    async texts() {
      const answer = await fetch(`${url}/v1/rooms/general/messages`);
      const { messages } = (await answer.json()) as { messages: { parts: { text: string }[] }[] };
      return messages.map(({ parts }) => parts[0]!.text);
    },
  };
}
const send = (url: string, id: string): Promise<Response> =>
  fetch(`${url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify({
      id,
      from: { type: 'agent', id: 'alpha' },
      target: { kind: 'room', room_id: 'general' },
      parts: [{ kind: 'text', text: id }],
    }),
  });

it('CLI-72 invite prints one line to copy, accept pairs, list and show tell, share and revoke change', async () => {
  const [a, b] = [await network('net_a'), await network('net_b')];
  const invited = await a.run('pair', 'invite', '--room', 'general', '--plain');
  const code = /^ {2}moltnet pair accept '(moltnet-pair:[\w-]+)'$/m.exec(invited.stdout)?.[1];
  expect(code).toBeDefined();
  await send(a.url, 'msg_old');
  const accepted = await b.run('pair', 'accept', code!, '--backfill', '10', '--plain');
  expect(accepted.stdout).toMatch(
    /^paired with net_a: connected\n {2}room:general is shared\n {2}room:general: 1 messages from before\n/,
  );
  await send(b.url, 'msg_one');
  await becomes(async () => expect(await a.texts()).toEqual(['msg_old', 'msg_one']));
  expect((await a.run('pair', 'list', '--plain')).stdout).toMatch(
    /^net_b {2}connected {2}link open {2}room:general\n$/,
  );
  expect((await b.run('pair', 'show', 'net_a', '--plain')).stdout).toMatch(/1 relayed, 0 refused there/);
  await becomes(async () =>
    expect((await b.run('pair', 'show', 'msg_one', '--plain')).stdout).toBe('net_a  relayed\n'),
  );
  expect((await a.run('pair', 'backfill', 'net_b', '--room', 'general', '--plain')).stdout).toBe(
    'taken in 0 messages, 1 were here\n',
  );
  expect((await b.run('pair', 'share', 'general', '--none', '--plain')).stdout).toBe(
    'shared room:general with nobody\n',
  );
  expect((await b.run('pair', 'share', 'room:general', '--with', 'net_a', '--plain')).stdout).toBe(
    'shared room:general with net_a\n',
  );
  expect((await a.run('pair', 'revoke', 'net_b', '--plain')).stdout).toBe('revoked net_b\n');
  expect((await a.run('pair', 'list')).json()).toEqual({ pairings: [], invites: [] });
  await becomes(async () => {
    const { pairings } = (await b.run('pair', 'list')).json() as { pairings: Pairing[] };
    expect(pairings).toMatchObject([{ id: 'net_a', status: 'error' }]);
  });
});

it('CLI-72 a code is listed without its secret, and revoked', async () => {
  const { run } = await network('net_a');
  const { id, code } = (
    await run('pair', 'invite', '--room', 'general', '--expires', '30m')
  ).json() as PairingInvite;
  const list = await run('pair', 'list');
  expect(list.json()).toMatchObject({ invites: [{ id, rooms: ['general'] }] });
  expect(list.stdout).not.toContain(code);
  await run('pair', 'revoke', id);
  expect((await run('pair', 'list', '--plain')).stdout).toBe(
    'no pairings: moltnet pair invite --room general\n',
  );
});

it.each([
  [['pair', 'invite'], /which room is shared is missing/],
  [['pair', 'invite', '--room', 'nowhere'], /no such room: nowhere/],
  [['pair', 'accept'], /the code is missing/],
  [['pair', 'accept', 'nonsense'], /copy all of what moltnet pair invite printed/],
  [['pair', 'show', 'nobody'], /no such pairing: nobody/],
  [['pair', 'revoke', 'nobody'], /no such pairing: nobody/],
  [['pair', 'share', 'general'], /with whom/],
  [['pair', 'backfill', 'net_b'], /which room/],
  [['pair', 'backfill', 'net_b', '--room', 'general', '--count', 'x'], /not a number of messages/],
  [['pair', 'share', 'general', '--with', 'nobody'], /there is no pairing "nobody"/],
])('CLI-72 %j says what is wrong', async (words, problem) => {
  const { run } = await network('net_a');
  const { stderr, code } = await run(...words);
  expect(stderr).toMatch(problem);
  expect(code).not.toBe(0);
});
