/** `moltnet send` of an agent, against a real server. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import type { MessagePage } from '../../src/protocol/pages.ts';
import { cli } from '../support/cli-io.ts';
import { runCli } from '../support/cli-process.ts';
import { temporaryFolder } from '../support/server.ts';
import { cliLab, texts, writeConfig, type CliLab } from '../support/cli-lab.ts';

let { url, client, cwd, say, history } = {} as CliLab;
beforeEach(async () => {
  ({ url, client, cwd, say, history } = await cliLab());
});

describe('send', () => {
  it('CLI-4 speaks as the agent of the configuration and prints what the server accepted', async () => {
    const result = await cli(['send', 'room:general', 'hi @beta'], { cwd });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const accepted = result.json() as MessageAccepted;
    expect(accepted).toMatchObject({ accepted: true, thread_created: false, dm_created: false });
    const [message] = (await client.messages('room:general')).messages;
    expect(message).toMatchObject({
      id: accepted.message_id,
      from: { type: 'agent', id: 'alpha' },
      parts: [{ kind: 'text', text: 'hi @beta' }],
      mentions: ['molt://local/agents/beta'],
    });
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

  it.each([
    ['no UTF-8', Buffer.from([0x61, 0xff, 0xfe]), /^moltnet: stdin is not UTF-8 text\n/],
    ['more than a message may hold', 'x'.repeat(3 << 20), /^moltnet: stdin holds more than 1048576 bytes/],
  ])('CLI-16 stdin that is %s is refused, not altered', async (_name, stdin, stderr) => {
    expect(await runCli(['send', 'room:general', '-'], { cwd, stdin })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(stderr),
    });
    expect(await history()).toEqual([]);
  });

  it('CLI-1 a text of many lines, quotes and shell characters arrives as it is', async () => {
    const text = 'a "b" \'c\' $HOME `id` \\ \n\n- x\n\tümläut 🙂 --json';
    expect((await cli(['send', 'room:general', '-'], { cwd, stdin: `${text}\n` })).code).toBe(0);
    expect(await history()).toEqual([text]);
  });

  it('CLI-4 is one line for people on a terminal', async () => {
    const result = await cli(['send', 'room:general', 'hi'], { cwd, terminal: true });
    expect(result.stdout).toMatch(/^sent as alpha {2}msg_[0-9a-f-]{36}\n$/);
    expect(
      (await cli(['send', 'room:general', 'hi', '--json'], { cwd, terminal: true })).json(),
    ).toMatchObject({ accepted: true });
    expect((await cli(['send', 'room:general', 'hi', '--plain'], { cwd })).stdout).toMatch(/^sent /);
  });

  it('CLI-5 does without fetch', async () => {
    const trap = encodeURIComponent(
      'Object.defineProperty(globalThis,"fetch",{get(){throw new Error("fetch was touched")}})',
    );
    expect(
      await runCli(['send', 'room:general', 'hi'], {
        cwd,
        env: { NODE_OPTIONS: `--import=data:text/javascript,${trap}` },
      }),
    ).toMatchObject({ code: 0, stderr: '' });
  });

  it('CLI-12 the same --id is stored once, another content is refused', async () => {
    const once = await cli(['send', 'room:general', 'hi', '--id', 'mine-1'], { cwd });
    const again = await cli(['send', 'room:general', 'hi', '--id', 'mine-1'], { cwd });
    expect(again.json()).toEqual(once.json());
    expect(await history()).toEqual(['hi']);
    const other = await cli(['send', 'room:general', 'ho', '--id', 'mine-1'], { cwd });
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(
      /^moltnet: message_id_conflict: .*\n {2}leave --id out for a new message\n$/,
    );
  });

  it('CLI-14 dm:@agent opens the DM of the two, and dm:ID answers in it', async () => {
    const opened = (await cli(['send', 'dm:@beta', 'psst'], { cwd })).json() as MessageAccepted;
    expect(opened.dm_created).toBe(true);
    const [dm] = (await client.dms()).dms;
    expect(dm?.participant_ids).toEqual(['alpha', 'beta']);
    expect((await cli(['send', `dm:${dm!.id}`, 'more'], { cwd })).json()).toMatchObject({
      dm_created: false,
    });
    expect(await history(`dm:${dm!.id}`)).toEqual(['psst', 'more']);
    expect(texts((await cli(['read', 'dm:@beta'], { cwd })).json() as MessagePage)).toEqual(['psst', 'more']);
    expect((await cli(['send', 'dm:@alpha', 'me'], { cwd })).stderr).toContain(
      'a DM needs another participant',
    );
    expect((await cli(['send', 'dm:nope', 'x'], { cwd })).stderr).toBe(
      'moltnet: there is no DM nope\n  to open one with an agent: moltnet send dm:@agent "…"\n',
    );
  });

  it('CLI-14 a thread is begun with --room and --parent, and then found by its id', async () => {
    expect((await cli(['send', 'thread:t1', 'x'], { cwd })).stderr).toBe(
      'moltnet: there is no thread t1\n  to begin it, say in which room: --room ID\n',
    );
    const parent = (await say('root')).message_id;
    const begun = await cli(['send', 'thread:t1', 'one', '--room', 'general', '--parent', parent], { cwd });
    expect(begun.json()).toMatchObject({ thread_created: true });
    expect((await cli(['send', 'thread:t1', 'two'], { cwd })).json()).toMatchObject({
      thread_created: false,
    });
    expect(await client.thread('t1')).toMatchObject({
      room_id: 'general',
      parent_message_id: parent,
      message_count: 2,
    });
    expect((await cli(['send', 'room:general', 'x', '--parent', parent], { cwd })).stderr).toContain(
      '--room and --parent belong to a thread:ID target',
    );
    expect(await history()).toEqual(['root']);
  });

  it('CLI-13 can_write false blocks sends there, threads included, and no reads', async () => {
    writeConfig(cwd, url, {
      rooms: [{ id: 'general', access: { can_read: true, can_write: false } }, { id: 'research' }],
    });
    await say('hello');
    expect((await cli(['send', 'room:general', 'x'], { cwd })).stderr).toContain(
      'this agent may read room general but not write there',
    );
    expect((await cli(['send', 'thread:t', 'x', '--room', 'general'], { cwd })).code).toBe(1);
    expect((await cli(['send', 'room:research', 'x'], { cwd })).code).toBe(0);
    expect(texts((await cli(['read', 'room:general'], { cwd })).json() as MessagePage)).toEqual(['hello']);
    expect((await cli(['participants', 'room:general'], { cwd })).code).toBe(0);
  });

  it('CLI-13 dms.enabled false blocks DMs', async () => {
    writeConfig(cwd, url, { dms: { enabled: false } });
    expect((await cli(['send', 'dm:@beta', 'x'], { cwd })).stderr).toContain(
      'DMs are switched off for this agent',
    );
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
    expect(result.stderr).toMatch(
      /^moltnet: not_found: .*nowhere.*\n {2}see what there is: moltnet conversations --all\n$/,
    );
  });

  it('CLI-15 of several attachments one is chosen by flags', async () => {
    const file = path.join(cwd, '.moltnet/config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { attachments: object[] };
    config.attachments.push({ ...config.attachments[0], member_id: 'beta', agent_name: 'Beta' });
    writeFileSync(file, JSON.stringify(config));
    expect((await cli(['send', 'room:general', 'x'], { cwd })).stderr).toContain(
      'has several attachments: alpha on local, beta on local\n  add --member',
    );
    expect((await cli(['send', 'room:general', 'x', '--member', 'beta'], { cwd })).code).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from.id).toBe('beta');
  });

  it('CLI-15 an agent can be named without a configuration', async () => {
    const elsewhere = await temporaryFolder();
    expect(
      (
        await cli(
          ['send', 'room:general', 'x', '--base-url', `${url}/`, '--member', 'beta', '--network', 'local'],
          { cwd: elsewhere },
        )
      ).code,
    ).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from).toMatchObject({
      type: 'agent',
      id: 'beta',
    });
  });

  it('CLI-15 NODE-35 more servers of its network are named by --other-url, with the network and the agent', async () => {
    const at = ['--base-url', 'http://127.0.0.1:1', '--other-url', `${url}/`, '--member', 'beta'];
    const say = (...more: string[]) => cli(['send', 'room:general', 'x', ...at, ...more], { cwd });
    expect(await say()).toMatchObject({ code: 2, stderr: expect.stringContaining('--other-url') });
    expect((await say('--network', 'local', '--as', 'anna')).code).toBe(2);
    expect((await say('--network', 'local', '--other-url', 'nonsense')).code).toBe(2);
    const elsewhere = await temporaryFolder();
    const { code } = await cli(['send', 'room:general', 'x', ...at, '--network', 'local'], {
      cwd: elsewhere,
    });
    expect(code).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from.id).toBe('beta');
  });
});
