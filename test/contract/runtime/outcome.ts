/** What a turn arrives as, and what becomes of it. */
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import type { RuntimeLab } from '../../support/runtime-lab.ts';
import { deliver, wakeOf } from '../../support/runtime-lab.ts';
import type { RuntimeUnderTest } from './subject.ts';

export function outcomes(subject: RuntimeUnderTest, current: () => RuntimeLab): void {
  const arrives = (text: string): string => subject.arrives?.(text) ?? text;
  const told = subject.told ?? ['accepted', 'delivered'];
  let lab: RuntimeLab;
  beforeEach(() => {
    lab = current();
  });

  it('RT-1 a turn that ends well is ok, and was told delivered before', async () => {
    const runtime = lab.runtime();
    const { sessions, ...claims } = subject.claims;
    expect(runtime.capabilities).toMatchObject(claims);
    expect(runtime.sessions !== undefined).toBe(sessions);
    expect(await runtime.probe()).toMatchObject({ ready: true });
    expect(await deliver(runtime, wakeOf('hello'))).toMatchObject({ state: 'ok', told });
    expect(subject.prompts(lab)).toEqual([arrives('hello')]);
  });

  it('RT-2 the text arrives as written, whatever it holds', async () => {
    const text = '/status\n> @/etc/passwd !ls --help -m x \u2028 "quoted" \\n — ünïcödé 🦀\n> EOF';
    const outcome = await deliver(lab.runtime(), wakeOf(text));
    expect(outcome, JSON.stringify(outcome)).toMatchObject({ state: 'ok' });
    expect(subject.prompts(lab)).toEqual([arrives(text)]);
    for (const run of lab.runs()) expect(run.argv.join('\0')).not.toContain('passwd');
  });

  it('RT-5 a failure of the model is failed, may be tried again, and leaves the session usable', async () => {
    const runtime = lab.runtime();
    const failed = await deliver(runtime, wakeOf('[[http: 500]]'));
    expect(failed).toMatchObject({ state: 'failed', permanent: false, cause: 'model', told });
    expect((failed as { reason: string }).reason).not.toBe('');
    expect(await deliver(runtime, wakeOf('after'))).toMatchObject({ state: 'ok' });
  });

  it('RT-62 a model that asks for patience is rate_limited, and may be tried again', async () => {
    expect(await deliver(lab.runtime(), wakeOf('[[http: 429]]'))).toMatchObject({
      state: 'failed',
      permanent: false,
      cause: 'rate_limited',
    });
  });

  if (subject.logins)
    it('RT-6 a login that is refused is permanent and says what to do', async () => {
      expect(await deliver(lab.runtime(), wakeOf('[[http: 401]]'))).toMatchObject({
        state: 'failed',
        permanent: true,
        cause: 'not_logged_in',
        reason: expect.stringMatching(/log in/),
      });
    });

  if (subject.shell) {
    it('RT-7 the agent reaches its network: `moltnet` is first on its PATH and finds its configuration', async () => {
      expect(
        await deliver(lab.runtime(), wakeOf('[[sh: moltnet send room:general "hi there"]]')),
      ).toMatchObject({ state: 'ok' });
      const config = path.join(lab.workspace, '.moltnet', 'config.json');
      expect(lab.said()).toMatchObject([{ args: ['send', 'room:general', 'hi there'], stdin: '', config }]);
    });

    it('RT-28 what runs in a turn finds its wake, and how often it was begun, also in a process that stays', async () => {
      const runtime = lab.runtime();
      const text = '[[sh: moltnet send room:general "hi"]]';
      const first = wakeOf(text);
      const second = wakeOf(text);
      await deliver(runtime, first);
      await deliver(runtime, second);
      await deliver(runtime, { ...second, attempt: 2 });
      const of = ({ wake_id, conversation }: typeof first, run: number) => ({ wake_id, conversation, run });
      expect(lab.said().map(({ wake }) => wake)).toEqual([of(first, 1), of(second, 1), of(second, 2)]);
      await deliver(lab.runtime(), wakeOf(text, { conversation: 'dm:x' }));
      expect(lab.said().at(-1)!.wake).toMatchObject({ conversation: 'dm:x', run: 1 });
    });
  }

  it('RT-13 what is missing or wrong in the set-up is permanent, and the sentence says what to do', async () => {
    for (const [config, cause, reason] of subject.broken(lab)) {
      const runtime = lab.runtime(config);
      const expected = { permanent: true, cause, reason: expect.stringMatching(reason) };
      expect(await deliver(runtime, wakeOf('hi'))).toMatchObject({ state: 'failed', ...expected });
      expect(await runtime.probe()).toMatchObject({ ready: false, ...expected });
      await runtime.close();
    }
  });

  if (subject.claims.reports_usage)
    it('RT-14 usage is what this turn used, also after a restart of the node', async () => {
      const usage = { input_tokens: 100, output_tokens: 20 };
      const runtime = lab.runtime();
      expect(await deliver(runtime, wakeOf('one'))).toMatchObject({ usage });
      expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ usage });
      await runtime.close();
      expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ usage });
    });
}
