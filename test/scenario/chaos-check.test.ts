/** The checker of the chaos runs sees every kind of violation: each is done here to a record that keeps all promises. */
import { describe, expect, it } from 'vitest';
import { check } from '../support/chaos/check.ts';
import { spentOn } from '../support/chaos/spent.ts';
import type {
  ChaosRecord,
  Fact,
  StoredConversation,
  StoredMessage,
  StoredReceipt,
} from '../support/chaos/record.ts';

type Editable<T> =
  T extends ReadonlyMap<infer K, infer V>
    ? Map<K, Editable<V>>
    : T extends readonly (infer E)[]
      ? Editable<E>[]
      : T extends object
        ? { -readonly [K in keyof T]: Editable<T[K]> }
        : T;
type Draft = Editable<ChaosRecord>;

const ann = { type: 'human', id: 'ann' };
const says = (
  id: string,
  from: StoredMessage['from'],
  text = id,
  mentions: string[] = [],
): Editable<StoredMessage> => ({
  id,
  from,
  mentions,
  text,
});
const took = (
  agent_id: string,
  state: StoredReceipt['state'],
  wake_id: string,
  answer_id?: string,
): StoredReceipt => ({
  agent_id,
  state,
  wake_id,
  ...(answer_id === undefined ? {} : { answer_id }),
});
const run = (
  agent: string,
  wake: string,
  conversation: string,
  shown: string[],
  hidden = 0,
  life = 1,
): Fact => ({
  t: 'run',
  agent,
  wake,
  conversation,
  shown,
  hidden,
  life,
  pid: 1,
});
const codex = { type: 'agent', id: 'cx' };

/**
 * Ann says three things in a room in which cx is woken by everything and cl by mentions; cx answers the first, its node
 * is killed during the second, and its runtime fails once over the third. cl is mentioned in the second, and follows a thread.
 */
function good(): Draft {
  const room: StoredConversation = {
    room: 'r',
    messages: [
      says('m1', ann),
      says('a1', codex, 'cx/w1/0'),
      says('n1', { type: 'system', id: 'moltnet' }),
      says('m2', ann, 'm2', ['cl']),
      { ...says('k1', ann), intent: 'ack' },
      says('m3', ann),
    ],
  };
  const thread: StoredConversation = {
    room: 'r',
    messages: [says('t1', ann), says('t2', { type: 'agent', id: 'cl' }, 'cl/w9/0'), says('t3', ann)],
  };
  const record: ChaosRecord = {
    agents: [
      { id: 'cx', node: 'node-0', dedupes: false, rooms: { r: 'all' } },
      { id: 'cl', node: 'node-1', dedupes: true, rooms: { r: 'mentions' } },
    ],
    conversations: new Map([
      ['room:r', room],
      ['thread:t', thread],
      ['dm:d', { participants: ['ann', 'cl'], messages: [says('d1', ann)] }],
    ]),
    facts: [
      ...['m1', 'm2', 'k1', 'm3', 't1', 't3', 'd1'].map((id): Fact => ({ t: 'accepted', id, by: 'ann' })),
      run('cx', 'w1', 'room:r', ['m1']),
      { t: 'said', agent: 'cx', wake: 'w1', id: 'a1', key: 'cx/w1/0', target: 'room:r' },
      { t: 'done', agent: 'cx', wake: 'w1' },
      run('cx', 'w2', 'room:r', ['m2']),
      { t: 'done', agent: 'cx', wake: 'w2' },
      { t: 'kill', what: 'node', name: 'node-0' },
      run('cx', 'w2', 'room:r', ['m2'], 0, 2),
      run('cx', 'w3', 'room:r', ['m3']),
      { t: 'retry', agent: 'cx', wake: 'w3' },
      run('cx', 'w3', 'room:r', ['m3']),
      run('cx', 'w4', 'thread:t', ['t2', 't3'], 1),
      run('cl', 'w5', 'room:r', ['m2']),
      { t: 'done', agent: 'cl', wake: 'w5' },
      { t: 'kill', what: 'node', name: 'node-1' },
      run('cl', 'w6', 'thread:t', ['t3']),
      run('cl', 'w7', 'dm:d', ['d1']),
    ],
    receipts: new Map([
      ['m1', [took('cx', 'answered', 'w1', 'a1'), { agent_id: 'cl', state: 'ignored' }]],
      ['m2', [took('cx', 'silent', 'w2'), took('cl', 'silent', 'w5')]],
      ['m3', [took('cx', 'failed', 'w3')]],
      ['t1', [took('cx', 'silent', 'w4')]],
      ['t2', [took('cx', 'silent', 'w4')]],
      ['t3', [took('cx', 'silent', 'w4'), took('cl', 'silent', 'w6')]],
      ['d1', [took('cl', 'silent', 'w7')]],
    ]),
    readers: [
      { name: 'all', saw: ['m1', 'a1', 'd1', 'n1', 't1', 't2', 'm2', 'k1', 'm3', 't3'], broken: [] },
      { name: 'one', rooms: ['r'], saw: ['t1', 'm1', 't2', 'a1', 'm2', 'k1', 't3', 'm3'], broken: [] },
    ],
  };
  // The room was held once, so that its messages may come later than those of the thread.
  return structuredClone(record) as Draft;
}

const messages = (draft: Draft, key: string): Editable<StoredMessage>[] =>
  draft.conversations.get(key)!.messages;
const dropFact = (draft: Draft, wake: string, t: Fact['t'], n = 0): void => {
  const of = draft.facts.filter((fact) => fact.t === t && 'wake' in fact && fact.wake === wake);
  draft.facts.splice(draft.facts.indexOf(of[n]!), 1);
};
const receipt = (draft: Draft, id: string, n = 0): Editable<StoredReceipt> => draft.receipts.get(id)![n]!;
const swap = (list: unknown[], a: number): void => void list.splice(a, 2, list[a + 1], list[a]);

it('RCPT-1 a run that keeps all promises has no violation', () => {
  expect(check(good())).toEqual([]);
});

describe.each<[string, (draft: Draft) => void, RegExp]>([
  ['an accepted message is lost', (d) => messages(d, 'dm:d').pop(), /^lost: d1/],
  ['what an agent was told is sent is lost', (d) => messages(d, 'room:r').splice(1, 1), /^lost: a1/],
  [
    'a message stands twice',
    (d) => messages(d, 'dm:d').push(messages(d, 'dm:d')[0]!),
    /^history: d1 stands 2/,
  ],
  [
    'a message was sent by nobody',
    (d) => messages(d, 'dm:d').push(says('x', ann)),
    /^history: x .* by nobody/,
  ],
  [
    'an agent says something twice',
    (d) => messages(d, 'room:r').push(says('a2', codex, 'cx/w1/0')),
    /^double: "cx\/w1\/0" was said a1 in room:r and a2/,
  ],
  ['a reader misses one', (d) => d.readers[1]!.saw.pop(), /^reader one: m3 of room:r never came/],
  ['a reader is sent one twice', (d) => d.readers[0]!.saw.push('m1'), /^reader all: m1 came twice/],
  [
    'a reader is sent what there is not',
    (d) => d.readers[0]!.saw.push('x'),
    /^reader all: x is in no history/,
  ],
  [
    'a reader is sent what is not its',
    (d) => d.readers[1]!.saw.push('d1'),
    /^reader one: d1 of dm:d is not its/,
  ],
  ['a conversation comes out of order', (d) => swap(d.readers[0]!.saw, 0), /^reader all: m1 .* out of order/],
  [
    'two readers see two orders',
    (d) => {
      messages(d, 'room:r').splice(2, 1);
      d.readers[0]!.saw.splice(3, 1);
    },
    /^reader one: m1 came in another order/,
  ],
  ['a rule of the wire is broken', (d) => d.readers[1]!.broken.push('0.1.5'), /^reader one: 0\.1\.5/],
  ['a receipt is missing', (d) => d.receipts.get('m3')!.pop(), /^receipt: m3 in room:r for cx: none/],
  ['a receipt is not final', (d) => (receipt(d, 'm3').state = 'started'), /^receipt: m3 .*: started/],
  ['a message is passed over', (d) => (receipt(d, 'm3').state = 'ignored'), /^receipt: m3 .*: ignored/],
  [
    'there are two receipts',
    (d) => d.receipts.get('m3')!.push(receipt(d, 'm3')),
    /^receipt: m3 .*: 2 of them/,
  ],
  [
    'a message was taken by whom it is not for',
    (d) => (receipt(d, 'm1', 1).state = 'silent'),
    /^receipt: m1 in room:r for cl: silent, and it was not for it/,
  ],
  [
    'a receipt names a wake that never ran',
    (d) => (receipt(d, 'm3').wake_id = 'w0'),
    /^receipt: m3 .* never run/,
  ],
  [
    'an answer is told as silence',
    (d) => (receipt(d, 'm1').state = 'silent'),
    /^receipt: m1 .* answered there/,
  ],
  [
    'an answer is not there',
    (d) => (receipt(d, 'm1').answer_id = 'm2'),
    /^receipt: m1 .* answer is not there/,
  ],
  [
    'a turn never came',
    (d) => dropFact(d, 'w3', 'run') ?? dropFact(d, 'w3', 'run'),
    /^turns of cx in room:r: m3 was never seen/,
  ],
  [
    'a message is passed over by the turns',
    (d) => dropFact(d, 'w2', 'run') ?? dropFact(d, 'w2', 'run'),
    /^turns of cx in room:r: w3 saw m3 where m2/,
  ],
  [
    'turns come out of order',
    (d) => d.facts.splice(10, 0, run('cx', 'w3', 'room:r', ['m3'])),
    /^turns of cx in room:r: w3 saw m3 where m2/,
  ],
  [
    'a message is shown in two wakes',
    (d) => d.facts.push(run('cx', 'w8', 'room:r', ['m3'])),
    /^turns of cx in room:r: w8 saw m3 where/,
  ],
  [
    'a wake is run again over something else',
    (d) => d.facts.push({ t: 'kill', what: 'node', name: 'node-0' }, run('cx', 'w3', 'room:r', ['m2', 'm3'])),
    /^turns of cx in room:r: w3 was run again over other/,
  ],
  [
    'a turn saw what is not for its agent',
    (d) => d.facts.push(run('cl', 'w8', 'room:r', ['m3'])),
    /^turns of cl .* w8 saw m3/,
  ],
  [
    'a turn ran nowhere',
    (d) => d.facts.push(run('cx', 'w8', 'room:x', ['m3'])),
    /^turns of cx: w8 ran in room:x/,
  ],
  [
    'a wake is run again for no reason',
    (d) => d.facts.push(run('cx', 'w1', 'room:r', ['m1'])),
    /^runs of cx: w1 was run 2 times, 1 are explained/,
  ],
  [
    'a wake is run twice for one failure',
    (d) => d.facts.push(run('cx', 'w3', 'room:r', ['m3'])),
    /^runs of cx: w3 .* 3 times/,
  ],
  [
    'a runtime that dedupes runs a wake that had ended',
    (d) => d.facts.push(run('cl', 'w5', 'room:r', ['m2'], 0, 2)),
    /^runs of cl: w5 was run again after it had ended/,
  ],
  [
    'something was seen on the spot',
    (d) => d.facts.push({ t: 'trouble', at: 'cx w1', text: '409' }),
    /^trouble at cx w1: 409/,
  ],
])('it sees that %s', (_, spoil, told) => {
  it('RCPT-1 and tells which', () => {
    const draft = good();
    spoil(draft);
    expect(check(draft)).toContainEqual(expect.stringMatching(told));
  });
});

it('what a settling was spent on: turns, waits between tries, and what was open while nothing ran', () => {
  const busy = (agent: string, what: 'turn' | 'backoff', from: number, to: number): Fact => ({
    t: 'busy',
    agent,
    what,
    from,
    to,
  });
  const look = (at: number, open: Record<string, string[]>) => ({
    at,
    open: new Map(Object.entries(open).map(([agent, ids]) => [agent, new Set(ids)])),
  });
  const facts = [
    // Begun before the first look, and one beside the other.
    busy('cx', 'turn', 5_000, 12_000),
    busy('cx', 'turn', 11_000, 14_000),
    busy('cx', 'backoff', 13_000, 15_000),
    busy('cl', 'turn', 10_000, 10_500),
    busy('cl', 'backoff', 17_000, 18_000),
  ];
  const looks = [
    look(10_000, { cx: ['m1'], cl: ['m1'] }),
    look(13_000, { cx: ['m1'], cl: ['m1', 'm2'] }),
    look(16_000, { cl: ['m2'] }),
    // Another message: what was open before it came is not known.
    look(19_000, { cl: ['m3'] }),
    look(20_000, { cl: ['m3'] }),
  ];
  expect(spentOn(facts, looks, ['cx', 'cl'])).toEqual({
    busiest: { agent: 'cx', turns: 4, backoff: 1 },
    idle: { agent: 'cl', longest: 5.5 },
  });
  expect(spentOn([], [], ['cx'])).toEqual({
    busiest: { agent: '', turns: 0, backoff: 0 },
    idle: { agent: '', longest: 0 },
  });
});
