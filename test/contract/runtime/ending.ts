/** How a turn is ended from outside: limits, cancel, close. */
import { beforeEach, expect, it } from 'vitest';
import type { RuntimeLab } from '../../support/runtime-lab.ts';
import { deliver, until, wakeOf } from '../../support/runtime-lab.ts';
import type { RuntimeUnderTest } from './subject.ts';
import { open } from './subject.ts';

export function endings(subject: RuntimeUnderTest, current: () => RuntimeLab): void {
  const told = subject.told ?? ['accepted', 'delivered'];
  let lab: RuntimeLab;
  beforeEach(() => {
    lab = current();
  });

  it('RT-9 a turn without a sign of life is ended at runtime.inactivity_timeout, a long one at turn_timeout', async () => {
    for (const limit of ['inactivity_timeout', 'turn_timeout']) {
      const runtime = lab.runtime({ [limit]: 1 });
      expect(await deliver(runtime, wakeOf('[[hang]]'))).toMatchObject({
        state: 'failed',
        permanent: false,
        cause: 'timeout',
        reason: expect.stringContaining(limit),
      });
      await runtime.close();
    }
  });

  it('RT-10 a cancelled turn ends as cancelled, and the session goes on afterwards', async () => {
    const runtime = lab.runtime();
    const cancel = new AbortController();
    const running = deliver(runtime, wakeOf('[[hang]]'), cancel.signal);
    await until(() => subject.prompts(lab).length === 1, 'the turn runs');
    cancel.abort();
    expect(await running).toMatchObject({ state: 'cancelled' });
    expect(await deliver(runtime, wakeOf('after'))).toMatchObject({ state: 'ok' });
    const late = await deliver(runtime, wakeOf('never'), AbortSignal.abort());
    expect(late).toMatchObject({ state: 'cancelled', told: [] });
  });

  it('RT-10 a turn that waits for its session is cancelled at once, and the one that runs goes on', async () => {
    const runtime = lab.runtime();
    const [first, second] = [new AbortController(), new AbortController()];
    const heard: string[] = [];
    const events = {
      accepted: () => void heard.push('accepted'),
      delivered: () => void heard.push('delivered'),
    };
    const running = runtime.deliver(wakeOf('[[hang]]'), events, first.signal);
    const waiting = deliver(runtime, wakeOf('never'), second.signal);
    await until(
      () => subject.prompts(lab).length === 1 && heard.length === told.length,
      'the turn runs, and that was told',
    );
    second.abort();
    expect(await waiting).toMatchObject({ state: 'cancelled', told: [] });
    first.abort();
    expect(await running).toMatchObject({ state: 'cancelled' });
    expect(heard).toEqual(told);
    expect(subject.prompts(lab).join()).not.toContain('never');
  });

  it('RT-11 close ends what runs and what waits, leaves nothing behind, and can be called again', async () => {
    const runtime = lab.runtime();
    const running = deliver(runtime, wakeOf('[[hang]]'));
    const waiting = deliver(runtime, wakeOf('waits for the session'));
    await until(() => subject.prompts(lab).length === 1, 'the turn runs');
    await Promise.all([runtime.close(), runtime.close()]);
    expect(await running).toMatchObject({ state: 'cancelled' });
    expect(await waiting).toMatchObject({ state: 'cancelled', told: [] });
    expect(open(subject, lab)).toBe(0);
    expect(await deliver(runtime, wakeOf('too late'))).toMatchObject({ state: 'cancelled' });
  });
}
