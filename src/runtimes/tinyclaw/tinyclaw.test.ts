import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtimeContract } from '../../../test/contract/runtime.ts';
import { deliver, runtimeLab, until, wakeOf, type RuntimeLab } from '../../../test/support/runtime-lab.ts';
import { standInTinyAgi, type StandInTinyAgi } from '../../../test/support/stand-in-tinyagi.ts';
import { withoutFiles } from './tinyclaw-text.ts';
import { tinyclaw } from './tinyclaw.ts';

let tiny: StandInTinyAgi;
async function openLab(): Promise<RuntimeLab> {
  tiny = await standInTinyAgi();
  const lab = runtimeLab(tinyclaw, {
    inbound_url: `${tiny.url}/api/message`,
    outbound_url: `${tiny.url}/api/responses/pending?channel=moltnet`,
    ack_url: `${tiny.url}/api/responses`,
    channel: 'moltnet',
  });
  return {
    ...lab,
    close: async () => {
      await lab.close();
      await tiny.close();
    },
  };
}

runtimeContract({
  name: 'tinyclaw (stand-in TinyAGI)',
  lab: openLab,
  prompts: () => tiny.prompts,
  arrives: withoutFiles,
  shell: false,
  logins: true,
  claims: { dedupes: true, reports_usage: false, sessions: false },
  open: () => 0,
  // Nothing of its set-up can be asked for without a turn.
  broken: () => [],
});

describe('tinyclaw: what is its own', () => {
  let lab: RuntimeLab;
  beforeEach(async () => {
    lab = await openLab();
  });
  afterEach(() => lab.close());

  it('RT-90 what it answers is drained, its final text is without tool lines and signatures', async () => {
    const wake = wakeOf('[[sh: x]] [[say: fine]]');
    expect(await deliver(lab.runtime(), wake)).toMatchObject({ state: 'ok', final_text: 'fine' });
    expect(tiny.pending).toEqual([]);
    expect(tiny.acked).toHaveLength(2);
    expect(tiny.taken).toMatchObject([
      { messageId: `${wake.wake_id}#1`, channel: 'moltnet', agent: 'alpha', senderId: 'room%3Ageneral' },
    ]);
  });

  it('RT-91 a message that it has already is taken, and its end waited for; also without the event stream', async () => {
    for (const events of [true, false]) {
      tiny.events = events;
      const wake = wakeOf('[[say: once]]');
      expect(await deliver(lab.runtime(), wake)).toMatchObject({ state: 'ok', final_text: 'once' });
      expect(await deliver(lab.runtime(), wake)).toMatchObject({ state: 'ok' });
      expect(tiny.prompts.filter((text) => text === wake.text)).toHaveLength(1);
      tiny.prompts.length = 0;
    }
  });

  it('RT-91 one that it died with runs again by itself, and is waited for', async () => {
    const turn = deliver(lab.runtime(), wakeOf('[[hang]]'));
    await until(() => tiny.prompts.length === 1, 'it runs');
    await tiny.restart();
    await until(() => tiny.prompts.length === 2, 'it runs again');
    tiny.release();
    expect(await turn).toMatchObject({ state: 'ok', final_text: 'done' });
    expect(tiny.taken).toHaveLength(1);
  });

  it('RT-92 all conversations of an agent are one there: turns run one at a time', async () => {
    const runtime = lab.runtime();
    const first = deliver(runtime, wakeOf('[[hang]]'));
    await until(() => tiny.prompts.length === 1, 'the first runs');
    const second = deliver(runtime, wakeOf('second', { conversation: 'dm:x' }));
    await new Promise(setImmediate);
    expect(tiny.taken).toHaveLength(1);
    tiny.release();
    expect(await first).toMatchObject({ state: 'ok' });
    expect(await second).toMatchObject({ state: 'ok' });
  });

  it('RT-13 a TinyAGI that is away is missing, and may come; the same id is sent again', async () => {
    await tiny.stop();
    const missing = { permanent: false, cause: 'missing' };
    expect(await lab.runtime().probe()).toMatchObject({ ready: false, ...missing });
    const turn = deliver(lab.runtime(), wakeOf('hello'));
    await tiny.restart();
    expect(await turn).toMatchObject({ state: 'ok' });
  });
});
