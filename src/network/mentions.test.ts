import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab, text } from '../../test/support/network-lab.ts';
import { limits } from '../protocol/limits.ts';
import { candidatesOf, resolveMentions, type Mentionable } from './mentions.ts';

const among = (...ids: string[]): Mentionable => ({
  has: (id) => ids.includes(id),
  remote: (id) => ids.filter((other) => other.includes(':') && other.slice(other.indexOf(':') + 1) === id),
});
const LAB = among(
  'alpha',
  'beta',
  'beta.dev',
  'x-ray',
  'net_b:gamma',
  'net_c:gamma',
  'net_b:delta',
  'net_b:alpha',
  'a_b',
);
const alias = (name: string) => (name === 'Lab' ? 'local' : undefined);
const read = (body: string, who = LAB) =>
  resolveMentions(candidatesOf(body), who, 'local', alias, 256).map((fqid) =>
    fqid.replace('molt://', '').replace('/agents/', ':'),
  );

describe('mentions in a text', () => {
  const table: [string, string[]][] = [
    ['@beta hi', ['local:beta']],
    ['hi (@beta), "@x-ray" *@beta.dev*', ['local:beta', 'local:x-ray', 'local:beta.dev']],
    ['ask @beta.', ['local:beta']],
    ['ask @beta...', ['local:beta']],
    ['@beta- or @beta: or @beta, or @beta! or @beta’s', ['local:beta']],
    ['@beta.dev. is another', ['local:beta.dev']],
    ['_@x-ray_', []],
    ['**@x-ray** and @x-ray_', ['local:x-ray']],
    ['mail joe@beta or joe.doe@beta.dev, é@beta, 1@beta, _@beta', []],
    ['zwei:@beta/@x-ray', ['local:beta', 'local:x-ray']],
    ['@@beta', ['local:beta']],
    ['@local:beta @Lab:x-ray @net_b:gamma', ['local:beta', 'local:x-ray', 'net_b:gamma']],
    ['@net_b:gamma: look', ['net_b:gamma']],
    ['@gamma is one of two, @delta is one', ['net_b:delta']],
    ['@alpha is here and there', []],
    ['@local:alpha is here', ['local:alpha']],
    ['@molt://local/agents/beta, and @molt://net_b/agents/delta.', ['local:beta', 'net_b:delta']],
    ['<@molt://local/agents/beta> <@x-ray> <@net_b:gamma>', ['local:beta', 'local:x-ray', 'net_b:gamma']],
    ['`@beta` in code counts', ['local:beta']],
    ['@nobody @BETA @ @. @- <@> <@ beta>', []],
    ['@beta @local:beta <@molt://local/agents/beta> @beta', ['local:beta']],
    ['nothing', []],
    ['', []],
  ];
  it.each(table)('MSG-16 %j', (body, mentions) => expect(read(body)).toEqual(mentions));

  it('MSG-16 who ends in a mark takes no sentence away from who does not', () => {
    const both = ['local:beta.', 'local:beta'];
    const who = among('beta', 'beta.', 'alpha');
    for (const said of ['ask @beta.', 'ask @beta...', '<@beta.>']) expect(read(said, who)).toEqual(both);
    for (const said of ['ask @beta', '@beta!', '@beta,']) expect(read(said, who)).toEqual(['local:beta']);
    expect(read('ask @beta.', among('beta.'))).toEqual(['local:beta.']);
  });

  const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}$/);
  const body = fc
    .array(
      fc.oneof(
        id.map((name) => `@${name}`),
        id.map((name) => `<@${name}>`),
        fc.string({ unit: 'binary' }),
        fc.constantFrom(' ', '.', ':', '@', '<', '>', '\n', 'molt://'),
      ),
      { maxLength: 20 },
    )
    .map((words) => words.join(''));

  it('MSG-16 finds each named once, in the order of the text, and only those that can be found', () => {
    fc.assert(
      fc.property(fc.uniqueArray(id, { maxLength: 6 }), body, (ids, value) => {
        const found = read(value, among(...ids));
        expect(new Set(found).size).toBe(found.length);
        const positions = found.map((mention) => value.indexOf(`@${mention.slice('local:'.length)}`));
        // `@x` may first stand where it is no mention (after a letter): then its position says nothing about order.
        expect(positions.every((position) => position >= 0)).toBe(true);
        for (const mention of found) expect(ids).toContain(mention.slice('local:'.length));
      }),
    );
  });

  it('MSG-16 whoever is written as a word of its own is found, with any sentence mark after', () => {
    fc.assert(
      fc.property(
        id,
        fc.constantFrom('', '.', '...', ',', '!', '?', ':', ')', '"', ' .'),
        fc.constantFrom('', ' ', '(', '\n', '> ', '"'),
        (name, after, before) => {
          expect(read(`${before}@${name}${after} rest`, among(name))).toEqual([`local:${name}`]);
          expect(read(`x@${name}${after}`, among(name))).toEqual([]);
        },
      ),
    );
  });

  it('MSG-16 takes no time that grows faster than the text', () => {
    const size = 128 * 1024;
    // Each of these is quadratic for a careless expression, and then takes longer than this test is given.
    for (const part of ['-', '.', '@', '<@', '@molt://', '@a:', '-a', '@a-', ')', '@-'])
      read(part.repeat(size / part.length));
    for (const tail of ['a', ' ', '@']) read(`@a${'-'.repeat(size)}${tail}`);
  }, 5_000);
});

describe('who can be mentioned', () => {
  it('MSG-17 in mode none: members and every registered agent, in any room', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'private', members: ['declared', 'net_b:gamma'] });
    await lab.register('alpha');
    await lab.register('gone');
    await lab.execute('agent.remove', { agent_id: 'gone' });
    for (const room of ['private', 'general']) {
      await lab.send('human:ana', `room:${room}`, {
        id: `m-${room}`,
        parts: text('@alpha @declared @gamma @gone @stranger'),
      });
    }
    expect((await lab.message('m-private')).mentions).toEqual([
      'molt://local/agents/alpha',
      'molt://local/agents/declared',
      'molt://net_b/agents/gamma',
    ]);
    expect((await lab.message('m-general')).mentions).toEqual(['molt://local/agents/alpha']);
    expect(
      (await lab.store.mentionsAfter('alpha', undefined, 0, 10)).map((mention) => mention.conversation),
    ).toEqual(['room:private', 'room:general']);
  });

  it('MSG-17 with credentials: every registered agent only where every agent may take part', async () => {
    const identity = bearer('op', ['admin', 'write', 'attach']);
    const lab = await openLab({ settings: { auth_mode: 'bearer', agent_registration: 'token' }, identity });
    await lab.createRoom({ id: 'closed', members: ['beta'] });
    await lab.createRoom({ id: 'open', visibility: 'public' });
    await lab.createRoom({ id: 'registered', write_policy: 'registered_agents' });
    await lab.register('alpha');
    for (const room of ['closed', 'open', 'registered'])
      await lab.send('human:ana', `room:${room}`, { id: room, parts: text('@alpha @beta') });
    expect((await lab.message('closed')).mentions).toEqual(['molt://local/agents/beta']);
    expect((await lab.message('open')).mentions).toEqual(['molt://local/agents/alpha']);
    expect((await lab.message('registered')).mentions).toEqual(['molt://local/agents/alpha']);
  });

  it('MSG-17 in a DM: its participants', async () => {
    const lab = await openLab();
    await lab.register('beta');
    await lab.send('agent:alpha', 'dm:d1@alpha,gamma,net_b:delta', {
      id: 'm1',
      parts: text('@beta @gamma @delta'),
    });
    expect((await lab.message('m1')).mentions).toEqual([
      'molt://local/agents/gamma',
      'molt://net_b/agents/delta',
    ]);
  });

  it('MSG-18 the request’s own come first; the unknown are dropped; too many are refused', async () => {
    const lab = await openLab();
    const ids = Array.from({ length: 200 }, (_, i) => `a${i}`);
    await lab.createRoom({ id: 'big', members: ids });
    await lab.execute('room.members', {
      room_id: 'big',
      request: { add: Array.from({ length: 57 }, (_, i) => `b${i}`), remove: undefined },
    });
    await lab.send('human:ana', 'room:big', {
      id: 'm1',
      mentions: [' a2 ', 'nobody', '', 'a2', 'molt://local/agents/a1', 'not an id'],
      parts: text('@a3 @a1'),
    });
    expect((await lab.message('m1')).mentions).toEqual(
      ['a2', 'a1', 'a3'].map((agent) => `molt://local/agents/${agent}`),
    );
    const all = [...ids, ...Array.from({ length: 57 }, (_, i) => `b${i}`)].map((agent) => `@${agent}`);
    const mark = lab.events.length;
    expect(
      await codeOf(lab.send('human:ana', 'room:big', all.slice(0, limits.mentions.value + 1).join(' '))),
    ).toBe('too_many_mentions');
    expect(lab.events.length).toBe(mark);
    expect(
      await codeOf(lab.send('human:ana', 'room:big', all.slice(0, limits.mentions.value).join(' '))),
    ).toBe('accepted');
  });
});
