/** What agents and people do all day: send, read, conversations, participants, against a real server. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createClient, type Client } from '../../src/client/http.ts';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import type { MessagePage } from '../../src/protocol/pages.ts';
import { cli } from '../support/cli-io.ts';
import { runCli, runCliOnTerminal } from '../support/cli-process.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

let url: string;
let client: Client;
/** The workspace of agent alpha, who is in general and research; beta is registered too. */
let cwd: string;

const writeConfig = (folder: string, base_url: string, more: object = {}): void => {
  mkdirSync(path.join(folder, '.moltnet'), { recursive: true });
  const entry = { agent_name: 'Alpha', auth: { mode: 'none' }, base_url, member_id: 'alpha', network_id: 'local', rooms: [{ id: 'general' }, { id: 'research' }], runtime: 'codex', ...more };
  writeFileSync(path.join(folder, '.moltnet/config.json'), JSON.stringify({ version: 'moltnet.client.v1', agent: { name: 'Alpha', runtime: 'codex' }, attachments: [entry] }), { mode: 0o600 });
};

beforeEach(async () => {
  const server = await startTestServer({ rooms: ['general', 'research', 'other'].map((id) => ({ id, members: [], visibility: 'public', write_policy: 'registered_agents' })) });
  url = server.url;
  client = createClient({ baseUrl: url });
  cwd = await temporaryFolder();
  writeConfig(cwd, url);
  await client.registerAgent({ requested_agent_id: 'alpha', name: 'Alpha' });
  await client.registerAgent({ requested_agent_id: 'beta' });
});

const say = (text: string, room = 'general', id?: string) => client.send({ ...(id === undefined ? {} : { id }), target: { kind: 'room', room_id: room }, from: { type: 'agent', id: 'beta' }, parts: [{ kind: 'text', text }] });
const texts = (page: MessagePage): string[] => page.messages.map((message) => message.parts[0]?.text ?? '');
const history = async (conversation = 'room:general'): Promise<string[]> => texts(await client.messages(conversation));

describe('send', () => {
  it('CLI-4 speaks as the agent of the configuration and prints what the server accepted', async () => {
    const result = await cli(['send', 'room:general', 'hi @beta'], { cwd });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const accepted = result.json() as MessageAccepted;
    expect(accepted).toMatchObject({ accepted: true, thread_created: false, dm_created: false });
    const [message] = (await client.messages('room:general')).messages;
    expect(message).toMatchObject({ id: accepted.message_id, from: { type: 'agent', id: 'alpha' }, parts: [{ kind: 'text', text: 'hi @beta' }], mentions: ['molt://local/agents/beta'] });
  });

  it.each([
    ['flags', ['send', '--target', 'room:general', '--text', 'hi'], ''],
    ['Go style', ['send', '-target=room:general', '-text', 'hi'], ''],
    ['positional text', ['send', '--target=room:general', 'hi'], ''],
    ['stdin', ['send', 'room:general', '-'], '  hi\n'],
    ['stdin by flag', ['send', 'room:general', '--text', '-'], 'hi'],
  ])('CLI-1 %s', async (_name, words, stdin) => {
    expect(await cli(words, { cwd, stdin })).toMatchObject({ code: 0 });
    expect(await history()).toEqual(['hi']);
  });

  it('CLI-1 a text of many lines, quotes and shell characters arrives as it is', async () => {
    const text = 'a "b" \'c\' $HOME `id` \\ \n\n- x\n\tümläut 🙂 --json';
    expect((await cli(['send', 'room:general', '-'], { cwd, stdin: `${text}\n` })).code).toBe(0);
    expect(await history()).toEqual([text]);
  });

  it('CLI-4 is one line for people on a terminal', async () => {
    const result = await cli(['send', 'room:general', 'hi'], { cwd, terminal: true });
    expect(result.stdout).toMatch(/^sent as alpha {2}msg_[0-9a-f-]{36}\n$/);
    expect((await cli(['send', 'room:general', 'hi', '--json'], { cwd, terminal: true })).json()).toMatchObject({ accepted: true });
    expect((await cli(['send', 'room:general', 'hi', '--plain'], { cwd })).stdout).toMatch(/^sent /);
  });

  it('CLI-12 the same --id is stored once, another content is refused', async () => {
    const once = await cli(['send', 'room:general', 'hi', '--id', 'mine-1'], { cwd });
    const again = await cli(['send', 'room:general', 'hi', '--id', 'mine-1'], { cwd });
    expect(again.json()).toEqual(once.json());
    expect(await history()).toEqual(['hi']);
    const other = await cli(['send', 'room:general', 'ho', '--id', 'mine-1'], { cwd });
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(/^moltnet: message_id_conflict: .*\n {2}leave --id out for a new message\n$/);
  });

  it('CLI-14 dm:@agent opens the DM of the two, and dm:ID answers in it', async () => {
    const opened = (await cli(['send', 'dm:@beta', 'psst'], { cwd })).json() as MessageAccepted;
    expect(opened.dm_created).toBe(true);
    const [dm] = (await client.dms()).dms;
    expect(dm?.participant_ids).toEqual(['alpha', 'beta']);
    expect((await cli(['send', `dm:${dm!.id}`, 'more'], { cwd })).json()).toMatchObject({ dm_created: false });
    expect(await history(`dm:${dm!.id}`)).toEqual(['psst', 'more']);
    expect(texts((await cli(['read', 'dm:@beta'], { cwd })).json() as MessagePage)).toEqual(['psst', 'more']);
    expect((await cli(['send', 'dm:@alpha', 'me'], { cwd })).stderr).toContain('a DM needs another participant');
    expect((await cli(['send', 'dm:nope', 'x'], { cwd })).stderr).toBe('moltnet: there is no DM nope\n  to open one with an agent: moltnet send dm:@agent "…"\n');
  });

  it('CLI-14 a thread is begun with --room and --parent, and then found by its id', async () => {
    expect((await cli(['send', 'thread:t1', 'x'], { cwd })).stderr).toBe('moltnet: there is no thread t1\n  to begin it, say in which room: --room ID\n');
    const parent = (await say('root')).message_id;
    const begun = await cli(['send', 'thread:t1', 'one', '--room', 'general', '--parent', parent], { cwd });
    expect(begun.json()).toMatchObject({ thread_created: true });
    expect((await cli(['send', 'thread:t1', 'two'], { cwd })).json()).toMatchObject({ thread_created: false });
    expect(await client.thread('t1')).toMatchObject({ room_id: 'general', parent_message_id: parent, message_count: 2 });
    expect((await cli(['send', 'room:general', 'x', '--parent', parent], { cwd })).stderr).toContain('--room and --parent belong to a thread:ID target');
    expect(await history()).toEqual(['root']);
  });

  it('CLI-13 can_write false blocks sends there, threads included, and no reads', async () => {
    writeConfig(cwd, url, { rooms: [{ id: 'general', access: { can_read: true, can_write: false } }, { id: 'research' }] });
    await say('hello');
    expect((await cli(['send', 'room:general', 'x'], { cwd })).stderr).toContain('this agent may read room general but not write there');
    expect((await cli(['send', 'thread:t', 'x', '--room', 'general'], { cwd })).code).toBe(1);
    expect((await cli(['send', 'room:research', 'x'], { cwd })).code).toBe(0);
    expect(texts((await cli(['read', 'room:general'], { cwd })).json() as MessagePage)).toEqual(['hello']);
    expect((await cli(['participants', 'room:general'], { cwd })).code).toBe(0);
  });

  it('CLI-13 dms.enabled false blocks DMs', async () => {
    writeConfig(cwd, url, { dms: { enabled: false } });
    expect((await cli(['send', 'dm:@beta', 'x'], { cwd })).stderr).toContain('DMs are switched off for this agent');
    expect((await client.dms()).dms).toEqual([]);
  });

  it.each([
    [['send'], 'a target is missing'],
    [['send', 'general', 'x'], '"general" is not a target; did you mean room:general?'],
    [['send', '@beta', 'x'], '"@beta" is not a target; did you mean dm:@beta?'],
    [['send', 'room:a b', 'x'], 'is not a target'],
    [['send', 'room:general'], 'the text is missing'],
    [['send', 'room:general', '  '], 'the text is empty'],
    [['send', 'room:general', 'a', 'b'], 'too much on the command line: "b"'],
    [['send', 'room:general', '--text', 'a', 'b'], 'too much on the command line: "b"'],
  ])('CLI-2 %j is a usage error', async (words, expected) => {
    const result = await cli(words, { cwd });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(expected);
    expect(await history()).toEqual([]);
  });

  it('CLI-2 a refusal of the server is one line with its code', async () => {
    const result = await cli(['send', 'room:nowhere', 'x'], { cwd });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^moltnet: not_found: .*nowhere.*\n {2}see what there is: moltnet conversations --all\n$/);
  });

  it('CLI-15 of several attachments one is chosen by flags', async () => {
    const file = path.join(cwd, '.moltnet/config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { attachments: object[] };
    config.attachments.push({ ...config.attachments[0], member_id: 'beta', agent_name: 'Beta' });
    writeFileSync(file, JSON.stringify(config));
    expect((await cli(['send', 'room:general', 'x'], { cwd })).stderr).toContain('has several attachments: alpha on local, beta on local\n  add --member');
    expect((await cli(['send', 'room:general', 'x', '--member', 'beta'], { cwd })).code).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from.id).toBe('beta');
  });

  it('CLI-15 an agent can be named without a configuration', async () => {
    const elsewhere = await temporaryFolder();
    expect((await cli(['send', 'room:general', 'x', '--base-url', `${url}/`, '--member', 'beta', '--network', 'local'], { cwd: elsewhere })).code).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from).toMatchObject({ type: 'agent', id: 'beta' });
  });
});

describe('retries', () => {
  /** In front of the server: what to do with each connection in turn, then pass through. */
  async function proxy(plan: ('drop' | 'drop-answer')[]): Promise<{ url: string; connections(): number }> {
    const target = new URL(url);
    let connections = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      const action = plan[connections++];
      sockets.add(socket);
      socket.on('error', () => {});
      if (action === 'drop') {
        socket.once('data', () => socket.destroy());
        return;
      }
      const upstream = connect(Number(target.port), target.hostname);
      sockets.add(upstream);
      upstream.on('error', () => socket.destroy());
      upstream.on('close', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
      socket.pipe(upstream);
      // The server has stored it by the time it answers.
      if (action === 'drop-answer') upstream.once('data', () => socket.destroy());
      else upstream.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const { port } = server.address() as { port: number };
    return { url: `http://127.0.0.1:${port}`, connections: () => connections };
  }

  it('CLI-11 a connection that breaks, before or after the server stored it, does not lose or double a message', async () => {
    const { url: front, connections } = await proxy(['drop', 'drop-answer', 'drop-answer']);
    writeConfig(cwd, front);
    const result = await cli(['send', 'room:general', 'once'], { cwd });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(connections()).toBe(4);
    const { messages } = await client.messages('room:general');
    expect(messages.map(({ id }) => id)).toEqual([(result.json() as MessageAccepted).message_id]);
  });

  it('CLI-11 a server that is not there yet is waited for', async () => {
    const gate = await proxy([]);
    const hold = createServer();
    await new Promise<void>((resolve) => hold.listen(0, '127.0.0.1', resolve));
    const { port } = hold.address() as { port: number };
    await new Promise((resolve) => hold.close(resolve));
    writeConfig(cwd, `http://127.0.0.1:${port}`);
    let sending: ReturnType<typeof cli> | undefined;
    // Once it says that it tries again, the first try is over.
    await new Promise<string>((resolve) => (sending = cli(['send', 'room:general', 'late'], { cwd, interactive: true, err: resolve })));
    const late = createServer((socket) => {
      const through = connect(Number(new URL(gate.url).port), '127.0.0.1');
      through.on('error', () => socket.destroy());
      socket.on('error', () => {});
      socket.pipe(through).pipe(socket);
    });
    onTestFinished(() => new Promise((resolve) => late.close(() => resolve())));
    await new Promise<void>((resolve) => late.listen(port, '127.0.0.1', resolve));
    expect(await sending).toMatchObject({ code: 0, stderr: expect.stringContaining('connection refused') as string });
    expect(await history()).toEqual(['late']);
  });

  it('CLI-11 when the outcome stays unknown, the error names the id to repeat', { timeout: 20_000 }, async () => {
    const { url: front } = await proxy(Array<'drop'>(100).fill('drop'));
    writeConfig(cwd, front);
    const result = await cli(['send', 'room:general', 'x', '--id', 'mine-2'], { cwd });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('it is not known whether the message was stored');
    expect(result.stderr).toContain('--id mine-2');
  });

  it('CLI-2 no server at all is one line', { timeout: 20_000 }, async () => {
    const { url: front } = await proxy([]);
    writeConfig(cwd, front.replace(/\d+$/, '1'));
    const result = await cli(['read', 'room:general'], { cwd });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^moltnet: no Moltnet server at http:\/\/127\.0\.0\.1:1: connection refused; start one with `moltnet start`.*\n$/);
  });
});

describe('who speaks', () => {
  let empty: string;
  beforeEach(async () => {
    empty = await temporaryFolder();
  });
  const env = (more: Record<string, string> = {}): Record<string, string> => ({ MOLTNET_LISTEN_ADDR: new URL(url).host, ...more });

  it('CLI-10 a person at a terminal speaks as operator, or as who they say', async () => {
    expect((await cli(['send', 'room:general', 'hi'], { cwd: empty, env: env(), terminal: true })).code).toBe(0);
    expect((await cli(['send', 'room:general', 'ho', '--as', 'Anna Lee'], { cwd: empty, env: env(), terminal: true })).code).toBe(0);
    expect((await client.messages('room:general')).messages.map(({ from }) => [from.type, from.id, from.name])).toEqual([
      ['human', 'operator', undefined],
      ['human', 'anna-lee', 'Anna Lee'],
    ]);
  });

  it('CLI-10 on a real terminal too, and in a DM', async () => {
    const result = await runCliOnTerminal(['send', 'dm:@beta', 'hello'], { cwd: empty, env: env() });
    expect(result.stdout).toMatch(/sent.*opened the DM/);
    expect(result.code).toBe(0);
    expect((await client.dms()).dms[0]?.participant_ids).toEqual(['beta', 'operator']);
  });

  it.each([
    ['no terminal', {}, []],
    ['Claude Code', { CLAUDECODE: '1' }, []],
    ['Codex', { CODEX_THREAD_ID: 'x' }, []],
    ['Codex, with --as', { CODEX_THREAD_ID: 'x' }, ['--as', 'boss']],
    ['a configuration that is gone', { MOLTNET_CLIENT_CONFIG: '/nowhere/config.json' }, []],
    ['a configuration that is gone, with --as', { MOLTNET_CLIENT_CONFIG: '/nowhere/config.json' }, ['--as', 'boss']],
  ])('CLI-10 never a person with: %s', async (_name, more, words) => {
    const result = await runCli(['send', 'room:general', 'hi', ...words], { cwd: empty, env: env(more) });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/moltnet connect|correct it/);
    expect(await history()).toEqual([]);
  });

  it.each([
    ['Claude Code', { CLAUDECODE: '1' }, []],
    ['Codex and --as', { CODEX_SANDBOX: 'seatbelt' }, ['--as', 'boss']],
  ])('CLI-10 never a person on a terminal either with: %s', async (_name, more, words) => {
    const result = await runCliOnTerminal(['send', 'room:general', 'hi', ...words], { cwd: empty, env: env(more) });
    expect(result.code).toBe(1);
    expect(result.stdout).toContain('an agent does not speak as a person');
    expect(await history()).toEqual([]);
  });

  it("CLI-10 never a person in or below an agent's workspace", async () => {
    const below = path.join(cwd, 'src');
    mkdirSync(below);
    const result = await cli(['send', 'room:general', 'hi'], { cwd: below, env: env(), terminal: true });
    expect(result.stderr).toContain('belongs to an agent: an agent does not speak as a person');
    const as = await cli(['send', 'room:general', 'hi', '--as', 'boss'], { cwd, env: env(), terminal: true });
    expect(as.stderr).toContain('--as speaks for a person');
    expect(await history()).toEqual([]);
  });

  it('CLI-10 a script may speak for a person whom it names', async () => {
    expect((await runCli(['send', 'room:general', 'nightly is green', '--as', 'ci'], { cwd: empty, env: env() })).code).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from).toMatchObject({ type: 'human', id: 'ci' });
  });

  it('CLI-10 a person speaks to this machine only', async () => {
    const other = await cli(['send', 'room:general', 'hi', '--base-url', 'http://192.0.2.1:8787'], { cwd: empty, env: env(), terminal: true });
    expect(other.stderr).toContain("a person speaks from the server's own machine");
    const listens = await cli(['send', 'room:general', 'hi'], { cwd: empty, env: { MOLTNET_LISTEN_ADDR: '192.0.2.1:1' }, terminal: true });
    expect(listens.stderr).toContain("not on this machine's loopback interface");
  });

  it('CLI-10 the address comes from the server file of the folder', async () => {
    writeFileSync(path.join(empty, 'Moltnet'), `server: {listen_addr: "${new URL(url).host}"}\n`);
    expect((await cli(['send', 'room:general', 'hi'], { cwd: empty, terminal: true })).code).toBe(0);
    expect(texts((await cli(['read', 'room:general'], { cwd: empty })).json() as MessagePage)).toEqual(['hi']);
  });
});

describe('read', () => {
  const read = async (...words: string[]): Promise<string[]> => texts((await cli(['read', 'room:general', ...words], { cwd })).json() as MessagePage);

  it('CLI-4 shows the newest 20, oldest first; limit, before and after', async () => {
    for (let i = 1; i <= 25; i++) await say(`m${i}`, 'general', `id-${i}`);
    expect(await read()).toEqual(Array.from({ length: 20 }, (_, i) => `m${i + 6}`));
    expect(await read('--limit', '2')).toEqual(['m24', 'm25']);
    expect(await read('--limit=2', '--before', 'id-24')).toEqual(['m22', 'm23']);
    expect(await read('--limit=2', '--after=id-3')).toEqual(['m4', 'm5']);
    for (const words of [['--limit', '0'], ['--limit', 'x'], ['--before', 'a', '--after', 'b'], ['--since-last', '--after', 'b']]) expect((await cli(['read', 'room:general', ...words], { cwd })).code).toBe(2);
    expect((await cli(['read', 'room:general', '--before', 'id-99'], { cwd })).stderr).toMatch(/^moltnet: invalid_cursor: /);
  });

  it('CLI-4 is readable for people, with message ids where an agent reads', async () => {
    await say('two\nlines', 'general', 'id-1');
    expect((await cli(['read', 'room:general'], { cwd, terminal: true })).stdout).toMatch(/^\d\d:\d\d:\d\d beta {2}two\n {4}lines\n$/);
    expect((await cli(['read', 'room:general', '--plain'], { cwd })).stdout).toMatch(/^\d\d:\d\d:\d\d beta \[id-1\] {2}two\n {4}lines\n$/);
    expect((await cli(['read', 'room:research', '--plain'], { cwd })).stdout).toBe('no messages\n');
  });

  it('CLI-20 --since-last shows each message once', async () => {
    for (let i = 1; i <= 3; i++) await say(`m${i}`);
    expect(await read('--since-last', '--limit', '2')).toEqual(['m2', 'm3']);
    expect(await read('--since-last')).toEqual([]);
    for (let i = 4; i <= 8; i++) await say(`m${i}`);
    expect(await read('--since-last', '--limit', '3')).toEqual(['m4', 'm5', 'm6']);
    expect(await read()).toHaveLength(8);
    expect(await read('--since-last')).toEqual(['m7', 'm8']);
    expect(readdirSync(path.join(cwd, '.moltnet/read'))).toHaveLength(1);
  });

  it('CLI-20 each conversation has its own place', async () => {
    await say('g');
    await say('r', 'research');
    expect(await read('--since-last')).toEqual(['g']);
    expect(texts((await cli(['read', 'room:research', '--since-last'], { cwd })).json() as MessagePage)).toEqual(['r']);
  });

  it('CLI-20 what could not be printed is shown again', async () => {
    await say('m1');
    await read('--since-last');
    await say('m2');
    const broken = Object.assign(new Error('closed'), { code: 'EPIPE' });
    const result = await cli(['read', 'room:general', '--since-last'], { cwd, out: () => Promise.reject(broken) });
    expect(result).toMatchObject({ code: 1, stderr: '' });
    expect(await read('--since-last')).toEqual(['m2']);
  });

  it('CLI-20 a place that the server does not know starts over and says so', async () => {
    await say('m1');
    await read('--since-last');
    const [file] = readdirSync(path.join(cwd, '.moltnet/read'));
    const cursor = path.join(cwd, '.moltnet/read', file!);
    writeFileSync(cursor, readFileSync(cursor, 'utf8').replace(/"message_id": "[^"]+"/, '"message_id": "gone"'));
    const result = await cli(['read', 'room:general', '--since-last'], { cwd });
    expect(texts(result.json() as MessagePage)).toEqual(['m1']);
    expect(result.stderr).toContain('the server no longer knows where you left off');
    writeFileSync(cursor, '{"half');
    expect(await read('--since-last')).toEqual(['m1']);
    expect(await read('--since-last')).toEqual([]);
  });
});

describe('looking around', () => {
  it('CLI-4 conversations: the rooms that the agent is connected to and its own DMs', async () => {
    await cli(['send', 'dm:@beta', 'x'], { cwd });
    await client.send({ target: { kind: 'dm', dm_id: 'others', participant_ids: ['beta', 'gamma'] }, from: { type: 'agent', id: 'beta' }, parts: [{ kind: 'text', text: 'x' }] });
    const value = (await cli(['conversations'], { cwd })).json() as { rooms: { id: string }[]; dms: { participant_ids: string[] }[] };
    expect(value).toMatchObject({ member_id: 'alpha', network_id: 'local' });
    expect(value.rooms.map(({ id }) => id)).toEqual(['general', 'research']);
    expect(value.dms.map((dm) => dm.participant_ids)).toEqual([['alpha', 'beta']]);
    expect((await cli(['conversations', '--all', '--plain'], { cwd })).stdout).toMatch(/^room:general\nroom:other\nroom:research\ndm:dm_[0-9a-f]{32} {2}beta\n$/);
  });

  it('CLI-4 participants: the room as the server gives it, and who can be mentioned', async () => {
    const value = (await cli(['participants', 'room:general'], { cwd })).json();
    expect(value).toMatchObject({ id: 'general', fqid: 'molt://local/rooms/general', agents: [{ id: 'alpha' }, { id: 'beta' }] });
    expect((await cli(['participants', 'room:general', '--plain'], { cwd })).stdout).toMatch(/^alpha {2}Alpha {2}away {2}not a member; can be mentioned\nbeta/);
    await cli(['send', 'thread:t1', 'x', '--room', 'research'], { cwd });
    expect((await cli(['participants', 'thread:t1'], { cwd })).json()).toMatchObject({ id: 'research', thread: { id: 't1' } });
    await cli(['send', 'dm:@beta', 'x'], { cwd });
    expect((await cli(['participants', 'dm:@beta'], { cwd })).json()).toMatchObject({ participant_ids: ['alpha', 'beta'] });
  });
});
