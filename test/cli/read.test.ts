/** `moltnet read`, `conversations` and `participants`, against a real server. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MessagePage } from '../../src/protocol/pages.ts';
import type { SearchPage } from '../../src/protocol/search.ts';
import { cli } from '../support/cli-io.ts';
import { cliLab, texts, type CliLab } from '../support/cli-lab.ts';

let { client, cwd, say } = {} as CliLab;
beforeEach(async () => {
  ({ client, cwd, say } = await cliLab());
});

describe('read', () => {
  const read = async (...words: string[]): Promise<string[]> =>
    texts((await cli(['read', 'room:general', ...words], { cwd })).json() as MessagePage);

  it('CLI-4 shows the newest 20, oldest first; limit, before and after', async () => {
    for (let i = 1; i <= 25; i++) await say(`m${i}`, 'general', `id-${i}`);
    expect(await read()).toEqual(Array.from({ length: 20 }, (_, i) => `m${i + 6}`));
    expect(await read('--limit', '2')).toEqual(['m24', 'm25']);
    expect(await read('--limit=2', '--before', 'id-24')).toEqual(['m22', 'm23']);
    expect(await read('--limit=2', '--after=id-3')).toEqual(['m4', 'm5']);
    for (const words of [
      ['--limit', '0'],
      ['--limit', 'x'],
      ['--before', 'a', '--after', 'b'],
      ['--since-last', '--after', 'b'],
    ])
      expect((await cli(['read', 'room:general', ...words], { cwd })).code).toBe(2);
    expect((await cli(['read', 'room:general', '--before', 'id-99'], { cwd })).stderr).toMatch(
      /^moltnet: invalid_cursor: /,
    );
  });

  it('CLI-4 is readable for people, with message ids where an agent reads', async () => {
    await say('two\nlines', 'general', 'id-1');
    expect((await cli(['read', 'room:general'], { cwd, terminal: true })).stdout).toMatch(
      /^\d\d:\d\d:\d\d beta {2}two\n {4}lines\n$/,
    );
    expect((await cli(['read', 'room:general', '--plain'], { cwd })).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ beta \[id-1\] {2}two\n {4}lines\n$/,
    );
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
    expect(
      texts((await cli(['read', 'room:research', '--since-last'], { cwd })).json() as MessagePage),
    ).toEqual(['r']);
  });

  it('CLI-20 what could not be printed is shown again', async () => {
    await say('m1');
    await read('--since-last');
    await say('m2');
    const broken = Object.assign(new Error('closed'), { code: 'EPIPE' });
    const result = await cli(['read', 'room:general', '--since-last'], {
      cwd,
      out: () => Promise.reject(broken),
    });
    expect(result).toMatchObject({ code: 1, stderr: '' });
    expect(await read('--since-last')).toEqual(['m2']);
  });

  it('CLI-20 a place that the server does not know starts over and says so', async () => {
    await say('m1');
    await read('--since-last');
    const [file] = readdirSync(path.join(cwd, '.moltnet/read'));
    const cursor = path.join(cwd, '.moltnet/read', file!);
    writeFileSync(
      cursor,
      readFileSync(cursor, 'utf8').replace(/"message_id": "[^"]+"/, '"message_id": "gone"'),
    );
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
    await client.send({
      target: { kind: 'dm', dm_id: 'others', participant_ids: ['beta', 'gamma'] },
      from: { type: 'agent', id: 'beta' },
      parts: [{ kind: 'text', text: 'x' }],
    });
    const value = (await cli(['conversations'], { cwd })).json() as {
      rooms: { id: string }[];
      dms: { participant_ids: string[] }[];
    };
    expect(value).toMatchObject({ member_id: 'alpha', network_id: 'local' });
    expect(value.rooms.map(({ id }) => id)).toEqual(['general', 'research']);
    expect(value.dms.map((dm) => dm.participant_ids)).toEqual([['alpha', 'beta']]);
    expect((await cli(['conversations', '--all', '--plain'], { cwd })).stdout).toMatch(
      /^room:general\nroom:other\nroom:research\ndm:dm_[0-9a-f]{32} {2}beta\n$/,
    );
  });

  it('CLI-4 participants: the room as the server gives it, and who can be mentioned', async () => {
    const value = (await cli(['participants', 'room:general'], { cwd })).json();
    expect(value).toMatchObject({
      id: 'general',
      fqid: 'molt://local/rooms/general',
      agents: [{ id: 'alpha' }, { id: 'beta' }],
    });
    expect((await cli(['participants', 'room:general', '--plain'], { cwd })).stdout).toMatch(
      /^alpha {2}Alpha {2}away {2}not a member; can be mentioned\nbeta/,
    );
    await cli(['send', 'thread:t1', 'x', '--room', 'research'], { cwd });
    expect((await cli(['participants', 'thread:t1'], { cwd })).json()).toMatchObject({
      id: 'research',
      thread: { id: 't1' },
    });
    await cli(['send', 'dm:@beta', 'x'], { cwd });
    expect((await cli(['participants', 'dm:@beta'], { cwd })).json()).toMatchObject({
      participant_ids: ['alpha', 'beta'],
    });
  });
});

describe('search', () => {
  it('CLI-51 finds messages with every word, newest first, and says where they are', async () => {
    await say('the build is green', 'general', 'id-1');
    await say('the build is\nred', 'general', 'id-2');
    await say('nothing to see', 'general', 'id-3');
    const found = async (...words: string[]) =>
      ((await cli(['search', ...words], { cwd })).json() as SearchPage).results.map(
        ({ message }) => message.id,
      );
    expect(await found('build')).toEqual(['id-2', 'id-1']);
    expect(await found('build', 'green')).toEqual(['id-1']);
    expect(await found('build is')).toEqual(['id-2', 'id-1']);
    expect(await found('--in', 'room:general', '--since', '1h', '--limit=1')).toEqual(['id-3']);
    expect(await found('--from', '@nobody')).toEqual([]);
    const shown = await cli(['search', 'build', '--limit', '1'], { cwd, terminal: true });
    expect(shown.stdout).toMatch(
      /^\d\d:\d\d:\d\d room:general beta {2}the build is red\n\(older ones: --before id-2\)\n$/,
    );
    expect((await cli(['search', 'absent'], { cwd, terminal: true })).stdout).toBe('nothing found\n');
  });

  it('CLI-51 says what is missing', async () => {
    expect((await cli(['search'], { cwd })).stderr).toMatch(/^moltnet: nothing to look for/);
    expect((await cli(['search', 'x', '--limit', 'y'], { cwd })).code).toBe(2);
    expect((await cli(['search', 'x', '--since', 'soon'], { cwd })).stderr).toMatch(
      /since: "soon" is no time/,
    );
    expect((await cli(['search', 'x', '--in', 'nowhere'], { cwd })).code).toBe(2);
  });
});
