import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { faults } from '../../test/support/faults.ts';
import { openFile, openMemory } from '../../test/support/store-open.ts';
import { messageOf, upTo } from '../../test/support/store-writes.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { ConstraintError, StateMovedError, StorageError } from './errors.ts';
import type { LogEvent } from './log-rows.ts';
import type { Store } from './store.ts';
import type { Writes } from './writes.ts';
import { Writer, type Decision, type Draft, type Rules } from './writer.ts';

/** Writes one message of that id; `refuse:` refuses, `fault:` throws, `read:` answers without writing. */
type Command = string;

class RecordingRules implements Rules<Command, string> {
  readonly batches: Command[][] = [];
  readonly seqs: (readonly number[])[][] = [];
  /** For each batch, the first command of the one that it was decided over. */
  readonly over: (Command | undefined)[] = [];
  caughtUp = 0;
  readonly #first = new Map<Draft<Command, string>, Command>();
  /** Called before each draft; a test holds the writer here. */
  gate: Promise<void> | undefined;

  draft(
    commands: readonly Command[],
    over: Draft<Command, string> | undefined,
  ): Draft<Command, string> | Promise<Draft<Command, string>> {
    return this.gate ? this.gate.then(() => this.#open(commands, over)) : this.#open(commands, over);
  }

  async catchUp(): Promise<void> {
    this.caughtUp++;
  }

  #open(commands: readonly Command[], over: Draft<Command, string> | undefined): Draft<Command, string> {
    this.batches.push([...commands]);
    this.over.push(over && this.#first.get(over));
    const draft = this.#draft();
    this.#first.set(draft, commands[0]!);
    return draft;
  }

  #draft(): Draft<Command, string> {
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

it('STO-4 what asks for it is told as soon as the batch is on disk, before its events are published', async () => {
  const order: string[] = [];
  const { writer } = writerOf(await openFile(), {
    onCommitted: (events) => order.push(`published ${events.length}`),
  });
  const told = (answer: string): void => void order.push(`told ${answer}`);
  await Promise.all(
    ['a', 'b'].map((id) => writer.submit(id, told).then((answer) => order.push(`then ${answer}`))),
  );
  expect(order).toEqual([
    'told answer to a',
    'told answer to b',
    'published 2',
    'then answer to a',
    'then answer to b',
  ]);
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

it('STO-72 what lets others go first comes behind all that wait, in its own order, and a few of it with every batch', async () => {
  const { writer, rules } = writerOf(await openMemory());
  const { shut, open } = gate();
  rules.gate = shut;
  const all = [writer.submit('first')];
  await turn();
  for (const i of upTo(70)) all.push(writer.submit(`save${i}`, undefined, true));
  for (const i of upTo(40)) all.push(writer.submit(`c${i}`));
  expect(writer.waiting).toBe(110);
  open();
  await Promise.all(all);
  const [, next, after] = rules.batches;
  const messages = (batch: string[] = []): string[] => batch.filter((id) => id.startsWith('c'));
  expect(next!.slice(0, 21)).toEqual(upTo(21).map((i) => `c${i}`));
  expect([next!.length, messages(next).length]).toEqual([21 + 32, 21]);
  expect(messages(after)).toEqual(upTo(19).map((i) => `c${21 + i}`));
  const saves = rules.batches.flat().filter((id) => id.startsWith('save'));
  expect(saves).toEqual(upTo(70).map((i) => `save${i}`));
});

it('STO-72 what lets others go first is not handed to the storage behind a batch that is being written', async () => {
  const store = await openFile();
  const { shut, open } = gate();
  const commit = store.commit.bind(store);
  const held: typeof commit = async (...args) => {
    await shut;
    return commit(...args);
  };
  const { writer, rules } = writerOf(Object.assign(store, { commit: held }));
  const first = writer.submit('first');
  await turn();
  const saves = upTo(20).map((i) => writer.submit(`save${i}`, undefined, true));
  for (let i = 0; i < 3; i++) await turn();
  expect(rules.batches).toEqual([['first']]);
  const message = writer.submit('message');
  open();
  await Promise.all([first, ...saves, message]);
  expect(rules.batches[1]!.slice(0, 2)).toEqual(['message', 'save0']);
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

/** A store whose commits each wait until the test says what becomes of them, in order. */
function heldStore(real: Store): { store: Store; asked: () => Promise<(error?: Error) => void> } {
  const asked: ((error?: Error) => void)[] = [];
  const waiting: ((answer: (error?: Error) => void) => void)[] = [];
  let before: Promise<unknown> = Promise.resolve();
  let failed: number | undefined;
  const store: Store = Object.assign(Object.create(real) as Store, {
    commit: (writes: readonly Writes[], run?: number) => {
      const { promise, resolve } = Promise.withResolvers<Error | undefined>();
      const next = waiting.shift();
      if (next) next(resolve);
      else asked.push(resolve);
      const done = before.then(async () => {
        if (run !== undefined && run === failed) throw new StateMovedError('a commit before it failed');
        const error = await promise;
        if (!error) return real.commit(writes, run);
        failed = run;
        throw error;
      });
      before = done.catch(() => {});
      return done;
    },
  });
  return {
    store,
    asked: () =>
      new Promise((resolve) => (asked.length > 0 ? resolve(asked.shift()!) : waiting.push(resolve))),
  };
}

/** A batch that is being written, and one that was decided over it. */
async function stacked() {
  const { store, asked } = heldStore(await openFile());
  const { writer, rules, published } = writerOf(store);
  const first = ['a', 'b'].map((id) => writer.submit(id));
  const finish = await asked();
  const second = upTo(16).map((i) => writer.submit(`c${i}`));
  const finishSecond = await asked();
  expect(rules.batches.map((batch) => batch.length)).toEqual([2, 16]);
  expect(rules.over).toEqual([undefined, 'a']);
  return { store, asked, writer, rules, published, first, second, finish, finishSecond };
}
const accepted = (from: number, to: number) => upTo(to - from).map((i) => `answer to c${from + i}`);

it('STO-4 a batch of enough commands is decided over the one that is being written, and waits for it', async () => {
  const { asked, writer, rules, published, first, second, finish, finishSecond } = await stacked();
  const third = upTo(16).map((i) => writer.submit(`d${i}`));
  finishSecond();
  await turn();
  // Two are under way, and nothing of either can be seen.
  expect([rules.batches.length, rules.seqs, published]).toEqual([2, [], []]);
  finish();
  expect(await outcomes(first)).toEqual(['answer to a', 'answer to b']);
  (await asked())();
  expect(await outcomes(second)).toEqual(accepted(0, 16));
  expect(await outcomes(third)).toEqual(upTo(16).map((i) => `answer to d${i}`));
  expect(rules.over).toEqual([undefined, 'a', 'c0']);
  expect(published.map(({ seq }) => seq)).toEqual(upTo(34).map((i) => i + 1));
});

it('STO-4 a few commands wait until the batch that is being written is on disk', async () => {
  const { store, asked } = heldStore(await openFile());
  const { writer, rules } = writerOf(store);
  const first = writer.submit('a');
  const finish = await asked();
  const few = upTo(15).map((i) => writer.submit(`c${i}`));
  await turn();
  await turn();
  expect(rules.batches).toEqual([['a']]);
  finish();
  (await asked())();
  await Promise.all([first, ...few]);
  expect(rules.over).toEqual([undefined, undefined]);
});

it('STO-4 while another server commits too, all that waits is one batch, and those who were just answered are waited for', async () => {
  const { store, asked } = heldStore(await openFile());
  const { writer, rules } = writerOf(Object.assign(store, { contended: true }));
  const first = upTo(20).map((i) => writer.submit(`a${i}`));
  const finish = await asked();
  const meanwhile = upTo(18).map((i) => writer.submit(`b${i}`));
  await turn();
  await turn();
  expect(rules.batches.map((batch) => batch.length)).toEqual([20]);
  const back = first.map((each, i) => each.then(() => writer.submit(`c${i}`)));
  finish();
  (await asked())();
  await Promise.all(meanwhile);
  expect(rules.batches[1]!.length).toBe(38);
  // Who does not come back is not waited for in vain.
  const finishLast = asked();
  const last = writer.submit('d');
  (await finishLast)();
  await Promise.all([last, ...back]);
  expect(rules.batches.slice(2)).toEqual([['d']]);
});

it('STO-41 what was decided over a batch that the storage did not take is decided again, over the state', async () => {
  const { asked, rules, published, first, second, finish } = await stacked();
  finish(new StorageError('disk full'));
  expect(await outcomes(first)).toEqual(['storage_unavailable', 'storage_unavailable']);
  (await asked())();
  expect(await outcomes(second)).toEqual(accepted(0, 16));
  expect(rules.over).toEqual([undefined, 'a', undefined]);
  expect(rules.batches[2]).toEqual(rules.batches[1]);
  expect(rules.seqs).toEqual([upTo(16).map((i) => [i + 1])]);
  expect(published.map(({ id }) => id)).toEqual(upTo(16).map((i) => `c${i}`));
});

it('STO-41 STO-5 STO-6 after a batch with a taken id its commands come once more, then one by one', async () => {
  const { asked, rules, published, first, second, finish } = await stacked();
  finish(new ConstraintError('taken'));
  const ended = outcomes(first);
  // As a whole, now that it can be seen by whom it was taken; then the first is guilty.
  for (const _ of upTo(2)) (await asked())(new ConstraintError('taken'));
  for (const _ of upTo(16)) (await asked())();
  expect(await ended).toEqual(['conflict', 'answer to b']);
  expect(await outcomes(second)).toEqual(accepted(0, 16));
  const alone = upTo(14).map((i) => `c${i}`);
  expect(rules.batches.slice(2)).toEqual([
    ['a', 'b', ...alone],
    ...['a', 'b', ...alone].map((one) => [one]),
    ['c14', 'c15'],
  ]);
  expect(rules.over.slice(2, 5)).toEqual([undefined, undefined, undefined]);
  expect(published.map(({ id }) => id)).toEqual(['b', ...upTo(16).map((i) => `c${i}`)]);
});

it('STO-5 what is decided otherwise once it can be seen who took the id makes nobody wait alone', async () => {
  const { asked, rules, first, second, finish } = await stacked();
  finish(new ConstraintError('taken'));
  for (const _ of upTo(2)) (await asked())();
  expect(await outcomes([...first, ...second])).toEqual(['answer to a', 'answer to b', ...accepted(0, 16)]);
  expect(rules.batches.map((batch) => batch.length)).toEqual([2, 16, 16, 2]);
});

it('STO-41 a batch that fails over one that does not is the only one to fail', async () => {
  const { published, first, second, finish, finishSecond } = await stacked();
  finish();
  finishSecond(new StorageError('disk full'));
  expect(await outcomes(first)).toEqual(['answer to a', 'answer to b']);
  expect(await outcomes(second)).toEqual(upTo(16).map(() => 'storage_unavailable'));
  expect(published.map(({ seq }) => seq)).toEqual([1, 2]);
});

it('STO-41 what was decided over a batch that failed and may have been stored itself is refused, not decided again', async () => {
  const lost = Promise.withResolvers<number[][]>();
  const store: Store = Object.assign(Object.create(await openMemory()) as Store, {
    commit: () => lost.promise,
  });
  const { writer, rules, published } = writerOf(store);
  const first = writer.submit('a');
  await eventually(() => rules.batches.length === 1);
  const second = upTo(16).map((i) => writer.submit(`c${i}`));
  await eventually(() => rules.batches.length === 2);
  lost.reject(new StorageError('away, and it may have been stored'));
  expect(await outcomes([first, ...second])).toEqual(upTo(17).map(() => 'storage_unavailable'));
  expect(rules.over).toEqual([undefined, 'a']);
  expect(published).toEqual([]);
});

it('STO-41 a batch whose state another process moved is decided again after the rules have caught up, with what was over it', async () => {
  const { asked, rules, published, first, second, finish } = await stacked();
  finish(new StateMovedError('another process'));
  (await asked())(new StateMovedError('and again'));
  (await asked())();
  (await asked())();
  expect(await outcomes(first)).toEqual(['answer to a', 'answer to b']);
  expect(await outcomes(second)).toEqual(accepted(0, 16));
  expect(rules.caughtUp).toBe(2);
  expect(rules.batches.slice(2, 4).map((batch) => batch.slice(0, 3))).toEqual([
    ['a', 'b', 'c0'],
    ['a', 'b', 'c0'],
  ]);
  expect(published.map(({ seq }) => seq)).toEqual(upTo(18).map((i) => i + 1));
});

it('STO-41 state that never stands still ends in a refusal', async () => {
  const real = await openMemory();
  const restless: Store = Object.assign(Object.create(real) as Store, {
    commit: () => Promise.reject(new StateMovedError('another process')),
  });
  const { writer, rules } = writerOf(restless);
  expect(await outcomes(['a', 'b'].map((id) => writer.submit(id)))).toEqual(
    upTo(2).map(() => 'storage_unavailable'),
  );
  expect(rules.caughtUp).toBe(16);
});

it('STO-41 a fault of the rules in what was decided over a batch is told after that one', async () => {
  const { store, asked } = heldStore(await openFile());
  const { writer, published } = writerOf(store);
  const first = writer.submit('a');
  const finish = await asked();
  const second = outcomes(upTo(16).map((i) => writer.submit(i === 3 ? 'fault:x' : `c${i}`)));
  await turn();
  finish();
  expect(await first).toBe('answer to a');
  for (const _ of upTo(15)) (await asked())();
  expect(await second).toEqual([...accepted(0, 3), 'Error: fault:x', ...accepted(4, 16)]);
  expect(published).toHaveLength(16);
});

it('STO-30 storage that takes what was decided over a batch that it refused stops the writer, and all are answered', async () => {
  const real = await openFile();
  let commits = 0;
  const wrong: Store = Object.assign(Object.create(real) as Store, {
    commit: async (writes: readonly Writes[]) => {
      if (commits++ > 0) return real.commit(writes);
      await turn();
      await turn();
      throw new StorageError('disk full');
    },
  });
  const { writer } = writerOf(wrong);
  const found = faults();
  const first = writer.submit('a');
  await turn();
  const second = upTo(16).map((i) => writer.submit(`c${i}`));
  expect(await outcomes([first, ...second])).toEqual(['storage_unavailable', ...accepted(0, 16)]);
  expect(await outcomes([writer.submit('late')])).toEqual(['stopping']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(found).toEqual(['Error: the storage took what was decided over a batch that it refused']);
});

it('STO-30 a fault after the commit answers what is on disk, and stops the writer', async () => {
  const store = await openMemory();
  const { writer } = writerOf(store, {
    onCommitted: () => {
      throw new Error('the tail is broken');
    },
  });
  const found = faults();
  const ended = await outcomes(upTo(100).map((i) => writer.submit(`c${i}`)));
  // The first batch, and the one that was on its way when the fault came: both are stored.
  const stored = ended.filter((outcome) => outcome.startsWith('answer to'));
  expect(stored).toEqual(upTo(store.head).map((i) => `answer to c${i}`));
  expect(stored).toHaveLength(50 + 50);
  expect(ended.slice(store.head)).toEqual(upTo(100 - store.head).map(() => 'stopping'));
  expect(await outcomes([writer.submit('late')])).toEqual(['stopping']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(found).toEqual(['Error: the tail is broken']);
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
