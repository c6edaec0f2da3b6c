/**
 * Whether a chaos run kept what Moltnet promises: a pure function over what was written down (record.ts). What is for
 * whom is decided here anew, from the history alone, so that a fault of the server's own rules is seen.
 */
import type { ChaosAgent, ChaosRecord, Fact, StoredConversation, StoredReceipt } from './record.ts';

export const FINAL: ReadonlySet<string> = new Set(['answered', 'silent', 'failed', 'expired', 'ignored']);

/** The violations, each a sentence that begins with what was broken; none when all is well. */
export function check(record: ChaosRecord): string[] {
  return [
    ...record.facts.flatMap((fact) => (fact.t === 'trouble' ? [`trouble at ${fact.at}: ${fact.text}`] : [])),
    ...checkHistory(record),
    ...checkReaders(record),
    ...checkReceipts(record),
    ...checkTurns(record),
    ...checkRuns(record),
  ];
}

/** Ids of the messages of a conversation that are for an agent, in order. */
export function messagesFor(agent: ChaosAgent, conversation: string, of: StoredConversation): string[] {
  const ids: string[] = [];
  let posted = false;
  const policy = of.room === undefined ? undefined : agent.rooms[of.room];
  for (const { id, from, mentions, intent } of of.messages) {
    const own = from.type === 'agent' && from.id === agent.id;
    const wakes =
      of.participants !== undefined
        ? of.participants.includes(agent.id)
        : policy === 'all' ||
          (policy === 'mentions' &&
            (mentions.includes(agent.id) || (posted && conversation.startsWith('thread:'))));
    if (wakes && !own && from.type !== 'system' && intent !== 'ack') ids.push(id);
    posted ||= own;
  }
  return ids;
}

type Of<T extends Fact['t']> = Extract<Fact, { t: T }>;
const of = <T extends Fact['t']>(facts: readonly Fact[], t: T): Of<T>[] =>
  facts.filter((fact): fact is Of<T> => fact.t === t);

/** What was accepted is in the history, once; what was never sent is not; what an agent says it says once. */
function checkHistory({ facts, conversations }: ChaosRecord): string[] {
  const wrong: string[] = [];
  const accepted = new Set([...of(facts, 'accepted'), ...of(facts, 'said')].map(({ id }) => id));
  const unknown = new Set(of(facts, 'unknown').map(({ id }) => id));
  const times = new Map<string, number>();
  const said = new Map<string, string[]>();
  for (const [key, { messages }] of conversations) {
    for (const { id, from, text } of messages) {
      times.set(id, (times.get(id) ?? 0) + 1);
      if (from.type === 'system') continue;
      // An agent that was killed before it was told may have sent it.
      if (from.type === 'agent') said.set(text, [...(said.get(text) ?? []), `${id} in ${key}`]);
      else if (!accepted.has(id) && !unknown.has(id))
        wrong.push(`history: ${id} in ${key} was sent by nobody`);
    }
  }
  for (const id of accepted) if (!times.has(id)) wrong.push(`lost: ${id} was accepted and is in no history`);
  for (const [id, count] of times) if (count > 1) wrong.push(`history: ${id} stands ${count} times`);
  for (const [text, places] of said)
    if (places.length > 1) wrong.push(`double: ${JSON.stringify(text)} was said ${places.join(' and ')}`);
  return wrong;
}

/**
 * Each reader saw every message of what it reads once, each conversation in its order, and all saw one order. Existing
 * clients have one cursor for everything: after a pause of a room they are sent older messages behind newer ones, and a
 * connection that breaks there makes them come again.
 */
function checkReaders({ facts, conversations, readers }: ChaosRecord): string[] {
  const wrong: string[] = [];
  const roomsPaused = of(facts, 'pause').some(({ scope }) => scope.startsWith('room:'));
  const placeOf = new Map<string, { key: string; room: string | undefined; index: number }>();
  for (const [key, { messages, room }] of conversations)
    for (const [index, { id }] of messages.entries()) placeOf.set(id, { key, room, index });
  let whole: ReadonlyMap<string, number> | undefined;
  for (const { name, rooms, saw, broken } of readers) {
    wrong.push(...broken.map((text) => `reader ${name}: ${text}`));
    const last = new Map<string, number>();
    const seen = new Set<string>();
    for (const id of saw) {
      const place = placeOf.get(id);
      if (!place) wrong.push(`reader ${name}: ${id} is in no history`);
      else if (rooms && (place.room === undefined || !rooms.includes(place.room)))
        wrong.push(`reader ${name}: ${id} of ${place.key} is not its to read`);
      else if (roomsPaused && rooms) seen.add(id);
      else if (seen.has(id)) wrong.push(`reader ${name}: ${id} came twice`);
      else if ((last.get(place.key) ?? -1) > place.index)
        wrong.push(`reader ${name}: ${id} of ${place.key} came out of order`);
      else last.set(place.key, place.index);
      seen.add(id);
    }
    for (const [key, { messages, room }] of conversations) {
      if (rooms && (room === undefined || !rooms.includes(room))) continue;
      for (const { id, from } of messages)
        if (from.type !== 'system' && !seen.has(id)) wrong.push(`reader ${name}: ${id} of ${key} never came`);
    }
    if (rooms === undefined) whole ??= new Map(saw.map((id, index) => [id, index]));
  }
  // What the guard held is sent later than what was said elsewhere meanwhile: its notice shows where that was.
  const held = new Set(
    [...conversations].flatMap(([key, { messages }]) =>
      messages.some(({ from }) => from.type === 'system') ? [key] : [],
    ),
  );
  for (const { name, saw } of readers) {
    let at = -1;
    if (roomsPaused) break;
    for (const id of saw) {
      const place = whole?.get(id);
      if (place === undefined || held.has(placeOf.get(id)?.key ?? '')) continue;
      if (place < at) wrong.push(`reader ${name}: ${id} came in another order than elsewhere`);
      at = Math.max(at, place);
    }
  }
  return wrong;
}

/** Every message for an agent has one receipt of that agent, final and true; no other has one that says it was taken. */
function checkReceipts({ facts, agents, conversations, receipts }: ChaosRecord): string[] {
  const wrong: string[] = [];
  const said = new Map<string, Set<string>>();
  for (const fact of of(facts, 'said'))
    said.set(fact.wake, (said.get(fact.wake) ?? new Set()).add(fact.target));
  const ran = new Set(of(facts, 'run').map(({ agent, wake }) => `${agent} ${wake}`));
  for (const [key, conversation] of conversations) {
    const from = new Map(conversation.messages.map((message) => [message.id, message.from]));
    for (const agent of agents) {
      const expected = new Set(messagesFor(agent, key, conversation));
      for (const { id } of conversation.messages) {
        const mine = (receipts.get(id) ?? []).filter(({ agent_id }) => agent_id === agent.id);
        const name = `receipt: ${id} in ${key} for ${agent.id}`;
        const receipt = mine[0];
        if (mine.length > 1) wrong.push(`${name}: ${mine.length} of them`);
        else if (!expected.has(id)) {
          if (receipt && receipt.state !== 'ignored')
            wrong.push(`${name}: ${describe(receipt)}, and it was not for it`);
        } else if (!receipt) wrong.push(`${name}: none`);
        else if (!['answered', 'silent', 'failed'].includes(receipt.state))
          wrong.push(`${name}: ${describe(receipt)}, which is not what became of it`);
        else if (receipt.wake_id === undefined) wrong.push(`${name}: ${describe(receipt)} without a wake`);
        else if (!ran.has(`${agent.id} ${receipt.wake_id}`))
          wrong.push(`${name}: ${describe(receipt)}, and that wake was never run`);
        else if (receipt.state === 'silent' && said.get(receipt.wake_id)?.has(key))
          wrong.push(`${name}: ${describe(receipt)}, and it answered there`);
        else if (
          receipt.state === 'answered' &&
          (receipt.answer_id === undefined || from.get(receipt.answer_id)?.id !== agent.id)
        )
          wrong.push(`${name}: ${describe(receipt)}, and the answer is not there`);
      }
    }
  }
  return wrong;
}

const describe = ({ state, reason, wake_id, answer_id }: StoredReceipt): string =>
  [state, reason && `(${reason})`, wake_id && `by ${wake_id}`, answer_id && `with ${answer_id}`]
    .filter(Boolean)
    .join(' ');

/** The turns of a conversation saw every message for the agent, in order, none twice but in a turn that was run again. */
function checkTurns({ facts, agents, conversations }: ChaosRecord): string[] {
  const wrong: string[] = [];
  for (const agent of agents) {
    const runs = of(facts, 'run').filter((run) => run.agent === agent.id);
    for (const [key, conversation] of conversations) {
      const expected = messagesFor(agent, key, conversation);
      const name = `turns of ${agent.id} in ${key}`;
      const shown = new Map<string, string>();
      let at = 0;
      for (const run of runs.filter((each) => each.conversation === key)) {
        const text = run.shown.join(' ');
        const before = shown.get(run.wake);
        if (before !== undefined) {
          if (before !== text) wrong.push(`${name}: ${run.wake} was run again over other messages`);
          continue;
        }
        shown.set(run.wake, text);
        const want = expected.slice(at + run.hidden, at + run.hidden + run.shown.length);
        if (want.join(' ') !== text)
          wrong.push(`${name}: ${run.wake} saw ${text || 'nothing'} where ${want.join(' ')} was to come`);
        const last = expected.indexOf(run.shown.at(-1) ?? '');
        at = last < 0 ? at + run.hidden + run.shown.length : last + 1;
      }
      for (const id of expected.slice(at)) wrong.push(`${name}: ${id} was never seen`);
    }
    for (const run of runs)
      if (!conversations.has(run.conversation))
        wrong.push(`turns of ${agent.id}: ${run.wake} ran in ${run.conversation}, which there is not`);
  }
  return wrong;
}

/**
 * How often a wake was run: once in each life of its node, and once more for each failure that its node saw; by a
 * runtime that dedupes never again after it had ended well.
 */
function checkRuns({ facts, agents }: ChaosRecord): string[] {
  const wrong: string[] = [];
  for (const { id, dedupes } of agents) {
    const wakes = new Map<string, { runs: number; lives: Set<number>; retries: number; done: boolean }>();
    for (const fact of facts) {
      if ((fact.t !== 'run' && fact.t !== 'done' && fact.t !== 'retry') || fact.agent !== id) continue;
      const wake = wakes.get(fact.wake) ?? { runs: 0, lives: new Set(), retries: 0, done: false };
      wakes.set(fact.wake, wake);
      if (fact.t === 'retry') {
        wake.retries++;
        // It was killed between its end and the word of it: it has failed.
        wake.done = false;
      } else if (fact.t === 'done') wake.done = true;
      else {
        wake.lives.add(fact.life);
        const most = wake.lives.size + wake.retries;
        if (dedupes && wake.done) wrong.push(`runs of ${id}: ${fact.wake} was run again after it had ended`);
        else if (++wake.runs > most)
          wrong.push(`runs of ${id}: ${fact.wake} was run ${wake.runs} times, ${most} are explained`);
      }
    }
  }
  return wrong;
}
