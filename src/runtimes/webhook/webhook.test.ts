import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtimeContract } from '../../../test/contract/runtime.ts';
import { deliver, runtimeLab, until, wakeOf, type RuntimeLab } from '../../../test/support/runtime-lab.ts';
import { standInWebhook, type StandInWebhook } from '../../../test/support/stand-in-webhook.ts';
import { webhook } from './webhook.ts';

let hook: StandInWebhook;
const openLab = (later: boolean) => async (): Promise<RuntimeLab> => {
  hook = await standInWebhook();
  hook.later = later;
  const lab = runtimeLab(webhook, { url: hook.url, secret: hook.secret });
  return {
    ...lab,
    close: async () => {
      await lab.close();
      await hook.close();
    },
  };
};

runtimeContract({
  name: 'webhook that is asked for the outcome (stand-in)',
  lab: openLab(true),
  prompts: () => hook.prompts,
  shell: false,
  logins: true,
  claims: { dedupes: false, reports_usage: true, sessions: false },
  told: ['accepted', 'delivered'],
  open: () => hook.open(),
  broken: () => [[{ secret: '' }, 'config', /secret of the webhook is missing/]],
});

describe('webhook: what is its own', () => {
  let lab: RuntimeLab;
  beforeEach(async () => {
    lab = await openLab(false)();
  });
  afterEach(() => lab.close());

  it('RT-103 an answer is the outcome, with its text and usage; an empty one is a turn that ended well', async () => {
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({
      state: 'ok',
      final_text: 'done',
      usage: { input_tokens: 100, output_tokens: 20 },
      told: ['accepted', 'delivered'],
    });
    expect(await deliver(lab.runtime(), wakeOf('[[http: 429]]'))).toMatchObject({
      cause: 'rate_limited',
      permanent: false,
    });
  });

  it('RT-104 a wrong secret is told as one', async () => {
    expect(await deliver(lab.runtime({ secret: 'other' }), wakeOf('hello'))).toMatchObject({
      state: 'failed',
      permanent: true,
      cause: 'config',
      reason: expect.stringMatching(/runtime\.secret/),
    });
    expect(hook.prompts).toEqual([]);
  });

  it('RT-104 a request whose answer was lost is made again with the same key, another attempt with another', async () => {
    hook.cut = 1;
    const wake = wakeOf('once');
    expect(await deliver(lab.runtime(), wake)).toMatchObject({ state: 'ok' });
    expect(hook.prompts).toEqual(['once']);
    await deliver(lab.runtime(), { ...wake, attempt: 2 });
    const keys = hook.asked.map((one) => one.split(' ').at(-1));
    expect(keys).toEqual([`${wake.wake_id}#1`, `${wake.wake_id}#1`, `${wake.wake_id}#2`]);
  });

  it('RT-105 a turn that is cancelled is told so at the address of its outcome', async () => {
    hook.later = true;
    const cancel = new AbortController();
    const wake = wakeOf('[[hang]]');
    const turn = deliver(lab.runtime(), wake, cancel.signal);
    await until(() => hook.prompts.length === 1, 'it runs');
    cancel.abort();
    expect(await turn).toMatchObject({ state: 'cancelled' });
    expect(hook.cancelled).toEqual([`${wake.wake_id}#1`]);
  });

  it('RT-105 an address of another origin gets no signature', async () => {
    hook.later = true;
    hook.status_url = 'http://127.0.0.1:1/outcome';
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({
      state: 'failed',
      permanent: true,
      cause: 'config',
      reason: expect.stringMatching(/no address of its own/),
    });
  });
});
