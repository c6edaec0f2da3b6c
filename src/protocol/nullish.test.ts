import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { SendMessageRequest } from './messages.ts';
import { unchangedBy } from './nullish.ts';

/** Values that are, or nearly are, messages: every field may be left out, be null, of a wrong type, or unknown. */
const text = fc.constantFrom('', 'a', 'text', '__proto__', 'ß');
const odd = fc.oneof(text, fc.constant(null), fc.boolean(), fc.integer(), fc.constant({}), fc.constant([]));
const field = fc.oneof({ weight: 40, arbitrary: text }, { weight: 1, arbitrary: odd });
const list = fc.oneof({ weight: 20, arbitrary: fc.array(field, { maxLength: 3 }) }, odd);
const objectOf = (names: string[], own: Record<string, fc.Arbitrary<unknown>> = {}) =>
  fc.oneof(
    {
      weight: 30,
      arbitrary: fc.record(
        { ...Object.fromEntries(names.map((name) => [name, field])), ...own },
        { requiredKeys: [] },
      ),
    },
    { weight: 1, arbitrary: odd },
  );
const part = objectOf(['kind', 'text', 'url', 'filename', 'media_type'], {
  data: fc.oneof(fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })), odd),
});
const message = objectOf(['id'], {
  origin: objectOf(['network_id', 'message_id']),
  target: objectOf(['kind', 'room_id', 'thread_id', 'dm_id'], { participant_ids: list }),
  from: objectOf(['type', 'id', 'name', 'unknown']),
  parts: fc.oneof({ weight: 30, arbitrary: fc.array(part, { maxLength: 2 }) }, odd),
  mentions: list,
});

it('HTTP-4 what is taken as it is would be parsed to the same', () => {
  const isUnchanged = unchangedBy(SendMessageRequest)!;
  let taken = 0;
  fc.assert(
    fc.property(message, (value) => {
      const data: unknown = JSON.parse(JSON.stringify(value));
      if (!isUnchanged(data)) return;
      taken++;
      const parsed = SendMessageRequest.safeParse(data);
      expect(parsed.success).toBe(true);
      expect(parsed.data).toEqual(data);
      expect(JSON.parse(JSON.stringify(parsed.data))).toEqual(data);
    }),
    { numRuns: 3_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

it('HTTP-4 the usual message is taken as it is; one with a null, an unknown field or a wrong type is parsed', () => {
  const isUnchanged = unchangedBy(SendMessageRequest)!;
  const usual = {
    id: 'm1',
    target: { kind: 'dm', participant_ids: ['a', 'b'] },
    from: { type: 'human', id: 'ada' },
    parts: [
      { kind: 'text', text: 'hi' },
      { kind: 'data', data: { deep: [{ null: null }] } },
    ],
    mentions: ['molt://n/agents/a'],
  };
  expect(isUnchanged(usual)).toBe(true);
  for (const other of [
    { ...usual, id: null },
    { ...usual, id: 7 },
    { ...usual, colour: 'red' },
    { ...usual, mentions: [null] },
    { ...usual, target: { ...usual.target, participant_ids: null } },
    { ...usual, from: { ...usual.from, age: 3 } },
    { ...usual, parts: [{ kind: 'data', data: [1] }] },
    [usual],
    'text',
    null,
  ])
    expect(isUnchanged(other), JSON.stringify(other)).toBe(false);
});

it('HTTP-4 a schema that changes or bounds what it is given is never skipped', () => {
  for (const schema of [
    z.string().min(1),
    z.string().trim(),
    z.coerce.string(),
    z.string().default('x'),
    z.string().transform((value) => value + '!'),
    z.looseObject({ a: z.string() }),
    z.object({ a: z.number() }),
    z.object({ a: z.string() }).refine((value) => value.a !== ''),
    z.array(z.string()).max(1),
    z.record(z.string().min(1), z.string()),
  ])
    expect(unchangedBy(schema)).toBeUndefined();
});
