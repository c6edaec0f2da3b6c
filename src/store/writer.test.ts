import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { openFile, openMemory } from '../../test/support/store-open.ts';
import { messageOf, upTo } from '../../test/support/store-writes.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { StorageError, type LogEvent, type Store, type Writes } from './store.ts';
import { Writer, type Decision, type Draft, type Rules } from './writer.ts';

/** Writes one message of that id; `refuse:` refuses, `fault:` throws, `read:` answers without writing. */
type Command = string;

class RecordingRules implements Rules<Command, string> {
  readonly batches: Command[][] = [];
  readonly seqs: (readonly number[])[][] = [];
  /** Called before each draft; a test holds the writer here. */
  gate: Promise<void> | undefined;

  draft(commands: readonly Command[]): Draft<Command, string> | Promise<Draft<Command, string>> {
    return this.gate ? this.gate.then(() => this.#over(commands)) : this.#over(commands);
  }

  #over(commands: readonly Command[]): Draft<Command, string> {
    this.batches.push([...commands]);
    return {
      decide: (command): Decision<string> => {
        if (command.startsWith('refuse:')) return { refusal: new MoltnetError('forbidden', command) };
        if (command.startsWith('fault:')) throw new Error(command);
        const event = { ...messageOf(command, 'room:general'), id: command };
        const writes: Writes = { events: command.startsWith('read:') ? [] : [event], rows: [] };
        return { writes, answer: `answer to ${command}` };
      },
      committed: (seqs) => void this.seqs.push([...seqs]),
    };
  }
}

function writerOf(store: Store, more: { onCommitted?: (events: LogEvent[]) => void } = {}) {
  const rules = new RecordingRules();
  const published: LogEvent[] = [];
  const writer = new Writer<Command, string>({
    store,
    rules,
    onCommitted: (events) => {
      published.push(...events);
      more.onCommitted?.(events);
    },
  });
  onTestFinished(() => writer.close().catch(() => {}));
  return { writer, rules, published };
}

/** A gate to hold the writer at, and the way to open it. */
function gate(): { shut: Promise<void>; open: () => void } {
  let open = (): void => {};
  const shut = new Promise<void>((resolve) => (open = resolve));
  return { shut, open };
}

/** How each one ended: its answer, or the code or message of its refusal. */
const outcomes = (promises: Promise<string>[]): Promise<string[]> =>
  Promise.all(
    promises.map((promise) =>
      promise.catch((error: unknown) => (error instanceof MoltnetError ? error.code : String(error))),
    ),
  );

it('STO-4 an answer is given only after the commit, and after its events were published', async () => {
  const store = await openFile();
  const order: string[] = [];
  const slow: Store = Object.assign(Object.create(store) as Store, {
    commit: async (writes: readonly Writes[]) => {
      const seqs = await store.commit(writes);
      order.push(`committed ${store.head}`);
      return seqs;
    },
  });
  const { writer, rules } = writerOf(slow, {
    onCommitted: (events) => order.push(`published ${events.length}`),
  });
  await Promise.all(['a', 'b'].map((id) => writer.submit(id).then((answer) => order.push(answer))));
  expect(order).toEqual(['committed 2', 'published 2', 'answer to a', 'answer to b']);
  expect(rules.seqs).toEqual([[[1], [2]]]);
  expect((await store.events({ all: true }, 0, 10)).map(({ id }) => id)).toEqual(['a', 'b']);
});

it('STO-4 what waits while a batch is written is the next one, however much it is, up to the limit', async () => {
  const { writer, rules, published } = writerOf(await openMemory());
  const { shut, open } = gate();
  rules.gate = shut;
  const first = writer.submit('first');
  await turn();
  const max = limits.batch.value;
  const rest = upTo(3 * max).map((i) => writer.submit(`c${i}`));
  open();
  await Promise.all([first, ...rest]);
  expect(rules.batches.map((batch) => batch.length)).toEqual([1, max, max, max]);
  expect(published.map(({ seq }) => seq)).toEqual(upTo(3 * max + 1).map((i) => i + 1));
  expect(rules.batches.flat()).toEqual(['first', ...upTo(3 * max).map((i) => `c${i}`)]);
});

it('STO-4 a batch is at most half of what is under way, unless that is little', async () => {
  const batches = async (waiting: number): Promise<number[]> => {
    const { writer, rules } = writerOf(await openMemory());
    const { shut, open } = gate();
    rules.gate = shut;
    const first = writer.submit('first');
    await turn();
    const rest = upTo(waiting).map((i) => writer.submit(`c${i}`));
    open();
    await Promise.all([first, ...rest]);
    return rules.batches.map((batch) => batch.length);
  };
  expect(await batches(16)).toEqual([1, 16]);
  expect(await batches(63)).toEqual([1, 32, 31]);
});

it('STO-4 the next batch is on its way to the disk before the one before it is published and answered', async () => {
  const store = await openFile();
  const order: string[] = [];
  const told: Store = Object.assign(Object.create(store) as Store, {
    commit: (writes: readonly Writes[]) => {
      order.push(`commit of ${writes.length}`);
      return store.commit(writes);
    },
  });
  const { writer } = writerOf(told, { onCommitted: (events) => order.push(`published ${events.length}`) });
  const first = writer.submit('first').then(() => order.push('answer'));
  await turn();
  await Promise.all([first, writer.submit('a'), writer.submit('b')]);
  expect(order).toEqual(['commit of 1', 'commit of 2', 'published 1', 'answer', 'published 2']);
});

it('STO-4 a few that wait go to the disk after many are answered, together with those that follow', async () => {
  const store = await openFile();
  const order: string[] = [];
  const told: Store = Object.assign(Object.create(store) as Store, {
    commit: (writes: readonly Writes[]) => {
      order.push(`commit of ${writes.length}`);
      return store.commit(writes);
    },
  });
  const { writer } = writerOf(told, { onCommitted: (events) => order.push(`published ${events.length}`) });
  const many = upTo(16).map((i) => writer.submit(`c${i}`));
  await turn();
  const few = upTo(4).map((i) => writer.submit(`few${i}`));
  const following = many[0]!.then(() => writer.submit('following'));
  await Promise.all([...many, ...few, following]);
  expect(order).toEqual(['commit of 16', 'published 16', 'commit of 5', 'published 5']);
});

it('STO-4 what arrives in one turn of the event loop is one batch', async () => {
  const { writer, rules } = writerOf(await openMemory());
  const arriving = upTo(3).map(
    (i) =>
      new Promise<string>((resolve, reject) => {
        // Each in a callback of its own, as requests on several connections come.
        setImmediate(() => void writer.submit(`c${i}`).then(resolve, reject));
      }),
  );
  await Promise.all(arriving);
  expect(rules.batches.map((batch) => batch.length)).toEqual([3]);
});

it('STO-5 a command whose id is taken harms no neighbour of its batch', async () => {
  const store = await openFile();
  await store.commit([{ events: [messageOf('taken', 'room:general')], rows: [] }]);
  const { writer, published } = writerOf(store);
  expect(await outcomes(['a', 'taken', 'b', 'b', 'c'].map((id) => writer.submit(id)))).toEqual([
    'answer to a',
    'conflict',
    'answer to b',
    'conflict',
    'answer to c',
  ]);
  expect(published.map(({ seq, id }) => [seq, id])).toEqual([
    [2, 'a'],
    [3, 'b'],
    [4, 'c'],
  ]);
});

it('STO-5 a command that the rules fail on harms no neighbour of its batch', async () => {
  const { writer, rules, published } = writerOf(await openMemory());
  expect(await outcomes(['a', 'fault:x', 'refuse:y', 'b', 'read:z'].map((id) => writer.submit(id)))).toEqual([
    'answer to a',
    'Error: fault:x',
    'forbidden',
    'answer to b',
    'answer to read:z',
  ]);
  expect(rules.batches[0]).toHaveLength(5);
  expect(published.map(({ id }) => id)).toEqual(['a', 'b']);
});

it('STO-5 refusals and answers without writes need no commit', async () => {
  const store = await openMemory();
  const { writer, published } = writerOf(store);
  expect(await outcomes([writer.submit('refuse:a'), writer.submit('read:b')])).toEqual([
    'forbidden',
    'answer to read:b',
  ]);
  expect(store.head).toBe(0);
  expect(published).toEqual([]);
});

it('STO-6 commands are decided, stored and answered in the order in which they came', async () => {
  const store = await openFile();
  const { writer, published } = writerOf(store);
  const answered: string[] = [];
  const submitted: Promise<void>[] = [];
  for (const i of upTo(60)) {
    for (const k of upTo(5))
      submitted.push(writer.submit(`c${i}-${k}`).then((answer) => void answered.push(answer)));
    if (i % 7 === 0) await submitted.at(-1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(submitted);
  const ids = upTo(300).map((i) => `c${Math.floor(i / 5)}-${i % 5}`);
  expect(answered).toEqual(ids.map((id) => `answer to ${id}`));
  expect(published.map(({ id }) => id)).toEqual(ids);
  expect(published.map(({ seq }) => seq)).toEqual(upTo(300).map((i) => i + 1));
});

it('STO-7 more than may wait is refused with overloaded, and what waits is not touched', async () => {
  const { writer, rules, published } = writerOf(await openMemory());
  const { shut, open } = gate();
  rules.gate = shut;
  const max = limits.writer_queue.value;
  const waiting = upTo(max).map((i) => writer.submit(`c${i}`));
  expect(writer.waiting).toBe(max);
  expect(await outcomes(upTo(3).map((i) => writer.submit(`over${i}`)))).toEqual([
    'overloaded',
    'overloaded',
    'overloaded',
  ]);
  open();
  await Promise.all(waiting);
  expect(published).toHaveLength(max);
  expect(await writer.submit('again')).toBe('answer to again');
});

it('STO-8 close answers all that were accepted, and refuses what comes then with stopping', async () => {
  const store = await openFile();
  const { writer, published } = writerOf(store);
  const accepted = upTo(1_200).map((i) => writer.submit(`c${i}`));
  const closing = writer.close();
  expect(await outcomes([writer.submit('late')])).toEqual(['stopping']);
  await closing;
  expect(published).toHaveLength(1_200);
  expect((await outcomes(accepted)).every((outcome) => outcome.startsWith('answer'))).toBe(true);
  await writer.close();
});

it('STO-14 storage that fails refuses the whole batch at once with storage_unavailable, and the writer goes on', async () => {
  const store = await openMemory();
  let failing = true;
  let commits = 0;
  const unreliable: Store = Object.assign(Object.create(store) as Store, {
    commit: (writes: readonly Writes[]) => {
      commits++;
      return failing ? Promise.reject(new StorageError('disk full')) : store.commit(writes);
    },
  });
  const { writer, published } = writerOf(unreliable);
  expect(await outcomes(['a', 'b', 'c'].map((id) => writer.submit(id)))).toEqual(
    upTo(3).map(() => 'storage_unavailable'),
  );
  expect(commits).toBe(1);
  failing = false;
  expect(await writer.submit('a')).toBe('answer to a');
  expect(published.map(({ seq, id }) => [seq, id])).toEqual([[1, 'a']]);
});

it('STO-30 a fault after the commit answers what is on disk, and stops the writer', async () => {
  const store = await openMemory();
  const { writer } = writerOf(store, {
    onCommitted: () => {
      throw new Error('the tail is broken');
    },
  });
  const faults: unknown[] = [];
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (error) => faults.push(error));
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection');
    for (const listener of others) process.on('unhandledRejection', listener);
  });
  const ended = await outcomes(upTo(100).map((i) => writer.submit(`c${i}`)));
  // The first batch, and the one that was on its way when the fault came: both are stored.
  const stored = ended.filter((outcome) => outcome.startsWith('answer to'));
  expect(stored).toEqual(upTo(store.head).map((i) => `answer to c${i}`));
  expect(stored).toHaveLength(50 + 50);
  expect(ended.slice(store.head)).toEqual(upTo(100 - store.head).map(() => 'stopping'));
  expect(await outcomes([writer.submit('late')])).toEqual(['stopping']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(faults.map(String)).toEqual(['Error: the tail is broken']);
});

it('STO-2 what is published is what the log holds', async () => {
  const store = await openFile();
  const published: LogEvent[] = [];
  const rules: Rules<number, void> = {
    draft: async () => ({
      decide: (i) => ({
        writes: {
          events: [messageOf(`m${i}`, i % 2 === 0 ? 'room:general' : 'dm:d', { mentions: ['beta'] })],
          rows: [],
        },
        answer: undefined,
      }),
      committed: () => {},
    }),
  };
  const writer = new Writer<number, void>({
    store,
    rules,
    onCommitted: (events) => published.push(...events),
  });
  await Promise.all(upTo(50).map((i) => writer.submit(i)));
  await writer.close();
  expect(published).toEqual(await store.events({ all: true }, 0, 100));
});
