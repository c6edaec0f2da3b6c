/** Which session a wake is in, and that it is in it once. */
import { beforeEach, expect, it } from 'vitest';
import type { RuntimeLab } from '../../support/runtime-lab.ts';
import { deliver, wakeOf } from '../../support/runtime-lab.ts';
import type { RuntimeUnderTest } from './subject.ts';
import { KEY, sessionId } from './subject.ts';

export function sessions(subject: RuntimeUnderTest, current: () => RuntimeLab): void {
  const arrives = (text: string): string => subject.arrives?.(text) ?? text;
  let lab: RuntimeLab;
  beforeEach(() => {
    lab = current();
  });

  if (subject.claims.sessions)
    it('RT-3 a conversation keeps its session, also over a restart of the node; another has another', async () => {
      const first = lab.runtime();
      await deliver(first, wakeOf('one'));
      const id = await sessionId(first);
      expect(id).toMatch(/./);
      await deliver(first, wakeOf('two'));
      await first.close();
      const second = lab.runtime();
      expect(await deliver(second, wakeOf('three'))).toMatchObject({ state: 'ok' });
      expect(await deliver(second, wakeOf('apart', { conversation: 'dm:x' }))).toMatchObject({
        state: 'ok',
      });
      expect(await sessionId(second)).toBe(id);
      expect(await sessionId(second, 'agent:alpha:local:dm:x')).not.toBe(id);
    });

  if (subject.claims.sessions)
    it('RT-61 a session that was reset begins anew, and no other', async () => {
      const runtime = lab.runtime();
      const sessions = runtime.sessions!;
      await deliver(runtime, wakeOf('one'));
      await deliver(runtime, wakeOf('apart', { conversation: 'dm:x' }));
      const before = await sessionId(runtime);
      const apart = await sessionId(runtime, 'agent:alpha:local:dm:x');
      expect(await sessions.reset(KEY)).toBe(true);
      expect(await sessions.reset('agent:alpha:local:room:nowhere')).toBe(false);
      expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ state: 'ok' });
      expect(await sessionId(runtime)).not.toBe(before);
      expect(await sessionId(runtime, 'agent:alpha:local:dm:x')).toBe(apart);
    });

  it('RT-12 turns of one session never run at once; the order is the order of delivery', async () => {
    const runtime = lab.runtime();
    const outcomes = await Promise.all(['one', 'two', 'three'].map((text) => deliver(runtime, wakeOf(text))));
    expect(outcomes.map((o) => o.state)).toEqual(['ok', 'ok', 'ok']);
    expect(subject.prompts(lab)).toEqual(['one', 'two', 'three'].map(arrives));
    expect(lab.runs().filter((run) => run.two)).toEqual([]);
  });

  if (subject.claims.dedupes)
    it('RT-63 a wake that is delivered again is not run again, also after a restart', async () => {
      const runtime = lab.runtime();
      const wake = wakeOf('once');
      for (let i = 0; i < 2; i++) expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
      await runtime.close();
      const again = lab.runtime();
      expect(await deliver(again, wake)).toMatchObject({ state: 'ok' });
      expect(subject.prompts(lab)).toHaveLength(1);
      expect(await deliver(again, wakeOf('another'))).toMatchObject({ state: 'ok' });
      expect(subject.prompts(lab)).toHaveLength(2);
    });
}
