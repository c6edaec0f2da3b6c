import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf, openLab } from '../../test/support/network-lab.ts';
import {
  canonicalMemberId,
  dmIdOf,
  isHashedDmId,
  isId,
  isLocalAgentId,
  memberFqid,
  messageEventId,
  parseMemberId,
} from '../protocol/ids.ts';

const bare = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);
const network = fc.oneof(fc.constant('local'), bare);
const member = fc.tuple(network, bare);
const forms = ([net, id]: [string, string]) => [
  ...(net === 'local' ? [id] : []),
  `${net}:${id}`,
  `molt://${net}/agents/${id}`,
  ` ${net}:${id}\n`,
];

describe('ids', () => {
  it('ID-2 the three forms of a member are one', () => {
    fc.assert(
      fc.property(member, (one) => {
        const canonical = new Set(forms(one).map((form) => canonicalMemberId(form, 'local')));
        expect(canonical.size).toBe(1);
        const [id] = [...canonical] as [string];
        expect(canonicalMemberId(id, 'local')).toBe(id);
        expect(memberFqid(id, 'local')).toBe(`molt://${one[0]}/agents/${one[1]}`);
        expect(isLocalAgentId(id)).toBe(one[0] === 'local');
      }),
    );
  });

  it('ID-2 whatever is taken as a member id is one id of one network', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .array(fc.constantFrom('a', 'b', ':', '/', 'molt://', '/agents/', ' ', '.', 'local'))
            .map((words) => words.join('')),
        ),
        (value) => {
          const ref = parseMemberId(value);
          if (!ref) return;
          expect(isId(ref.id)).toBe(true);
          expect(ref.network === undefined || isId(ref.network)).toBe(true);
          // The one form names the same one again.
          const again = parseMemberId(canonicalMemberId(value, 'local'));
          expect(again?.network ?? 'local').toBe(ref.network ?? 'local');
          expect(again?.id).toBe(ref.id);
        },
      ),
    );
  });

  it('ID-4 a DM id is that of its participants, however they are ordered or written', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(member, { minLength: 2, maxLength: 5, selector: ([net, id]) => `${net}:${id}` }),
        fc.integer(),
        (members, seed) => {
          const spelled = members.map((one, i) => forms(one)[Math.abs(seed + i) % forms(one).length]!);
          const ids = spelled.map((form) => canonicalMemberId(form, 'local'));
          const id = dmIdOf(ids, 'local');
          expect(isHashedDmId(id)).toBe(true);
          expect(dmIdOf(ids.toReversed(), 'local')).toBe(id);
          expect(dmIdOf([...ids, ids[0]!], 'local')).toBe(id);
          expect(dmIdOf(ids.slice(1), 'local')).not.toBe(id);
        },
      ),
    );
  });

  it('ID-3 a message’s event has the id that every network gives it', () => {
    expect(messageEventId('m1')).toBe('evt_ca0df2c9-5aa1-44c1-90ff-2ff3c8f967fd');
    expect(messageEventId(' m1 ')).toBe(messageEventId('m1'));
  });

  it('ID-1 are trimmed before they are looked at, and never stored with space around them', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: ' ops ' });
    await lab.send('agent:alpha', 'room: ops', { id: ' m1' });
    expect(await codeOf(lab.execute('room.update', { room_id: 'ops ', request: { name: 'x' } }))).toBe(
      'accepted',
    );
    expect((await lab.message('m1')).target.room_id).toBe('ops');
    for (const id of ['-a', '.a', 'a b', 'ä', 'a/b', '', 'x'.repeat(129)])
      expect([id, await codeOf(lab.createRoom({ id }))]).toEqual([id, 'invalid_id']);
  });
});
