import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtimeContract } from '../../../test/contract/runtime.ts';
import { deliver, runtimeLab, until, wakeOf, type RuntimeLab } from '../../../test/support/runtime-lab.ts';
import { standInGateway, type StandInGateway } from '../../../test/support/stand-in-openclaw-gateway.ts';
import { guarded } from '../guarded-text.ts';
import { naming, openclaw } from './openclaw.ts';
import { sessionName } from './session-name.ts';

let gateway: StandInGateway;

async function openLab(): Promise<RuntimeLab> {
  gateway = await standInGateway();
  const lab = runtimeLab(openclaw, { gateway_url: gateway.url, token: gateway.token });
  return {
    ...lab,
    close: async () => {
      await lab.close();
      await gateway.close();
    },
  };
}

runtimeContract({
  name: 'openclaw (stand-in gateway)',
  lab: openLab,
  prompts: () => gateway.prompts,
  arrives: guarded,
  shell: false,
  logins: true,
  claims: { dedupes: true, reports_usage: true, sessions: true },
  open: () => gateway.open(),
  broken: () => [[{ token: 'wrong' }, 'config', /correct runtime\.token/]],
});

describe('openclaw: what is its own', () => {
  let lab: RuntimeLab;
  beforeEach(async () => {
    lab = await openLab();
  });
  afterEach(() => lab.close());

  const KEY = 'agent:main:moltnet:alpha:local:room:general';
  const sent = (): string[] =>
    gateway.requests
      .filter(({ method }) => method === 'agent')
      .map(({ params }) => String(params['idempotencyKey']));

  it('RT-70 a gateway that starts is waited for; one that is not there is missing, and may come', async () => {
    gateway.starting = true;
    const turn = deliver(lab.runtime(), wakeOf('hello'));
    await until(() => gateway.connects.length > 1, 'it has been asked twice');
    gateway.starting = false;
    expect(await turn).toMatchObject({ state: 'ok', final_text: 'done' });
    await gateway.kill();
    const runtime = lab.runtime({ inactivity_timeout: 1 });
    const failed = {
      permanent: false,
      cause: 'missing',
      reason: expect.stringMatching(/openclaw gateway run/),
    };
    expect(await runtime.probe()).toMatchObject({ ready: false, ...failed });
    expect(await deliver(runtime, wakeOf('hello'))).toMatchObject({ state: 'failed', ...failed });
    const waiting = deliver(lab.runtime(), wakeOf('later'));
    await gateway.start();
    expect(await waiting).toMatchObject({ state: 'ok' });
  });

  it('RT-71 the device is a key of its own, 0600; the token that a gateway gives it is kept and serves when the secret is changed', async () => {
    expect(await deliver(lab.runtime(), wakeOf('one'))).toMatchObject({ state: 'ok' });
    const file = path.join(lab.home, '.moltnet', 'openclaw-device.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    expect(gateway.devices.get(kept.device_id)).toBe(kept.device_tokens[gateway.url]);
    gateway.token = 'another';
    expect(await deliver(lab.runtime(), wakeOf('two'))).toMatchObject({ state: 'ok' });
    // The same from a file of the original's bridge, which knows no tokens.
    expect(gateway.devices.size).toBe(1);
    gateway.devices.clear();
    expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ state: 'failed', cause: 'config' });
  });

  it('RT-71 a device that a gateway does not know yet is told how to be made known', async () => {
    gateway.remote = true;
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({
      state: 'failed',
      permanent: true,
      cause: 'config',
      reason: expect.stringContaining('openclaw devices approve req-7'),
    });
  });

  it('RT-72 a connection that is cut in the turn is made anew, and the turn is watched, not sent again', async () => {
    const turn = deliver(lab.runtime(), wakeOf('[[sh: sleep 0.2]] [[say: fine]]'));
    await until(() => gateway.prompts.length === 1, 'the turn runs');
    gateway.cut();
    expect(await turn).toMatchObject({ state: 'ok', final_text: 'fine', told: ['accepted', 'delivered'] });
    expect(sent()).toHaveLength(1);
    expect(gateway.prompts).toHaveLength(1);
  });

  it('RT-72 a gateway that is killed in the turn goes on with it by itself: that is watched to its end', async () => {
    const turn = deliver(lab.runtime(), wakeOf('[[hang]]'));
    await until(() => gateway.prompts.length === 1, 'the turn runs');
    await gateway.kill();
    await gateway.start();
    expect(await turn).toMatchObject({ state: 'ok', final_text: 'done' });
    expect(sent()).toHaveLength(1);
    expect(gateway.prompts).toHaveLength(2);
    expect(gateway.prompts[1]).toContain('interrupted by a gateway restart');
  });

  it('RT-72 after a crash of the node, a turn that runs is watched, one that failed is run anew', async () => {
    const wake = wakeOf('[[hang once]]');
    const lost = lab.runtime();
    void deliver(lost, wake);
    await until(() => gateway.prompts.length === 1, 'the turn runs');
    // As the crash of a node: the connection goes, and nobody ends the turn.
    const again = deliver(lab.runtime(), wake);
    await until(
      () => gateway.requests.filter(({ method }) => method === 'chat.history').length > 1,
      'the second has looked',
    );
    expect(sent()).toHaveLength(1);
    await lost.close();
    expect(await again).toMatchObject({ state: 'ok', told: ['accepted', 'delivered'] });
    expect(sent()).toEqual([`moltnet-${wake.wake_id}#1`, `moltnet-${wake.wake_id}#2`]);
  });

  it('RT-73 an attempt that failed is made again under a key of its own, as the gateway keeps its failures', async () => {
    const runtime = lab.runtime();
    const wake = wakeOf('[[http: 500]]');
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'failed', cause: 'model', permanent: false });
    expect(await deliver(runtime, { ...wake, attempt: 2 })).toMatchObject({
      state: 'failed',
      cause: 'model',
    });
    expect(sent()).toEqual([`moltnet-${wake.wake_id}#1`, `moltnet-${wake.wake_id}#2`]);
    expect(gateway.prompts).toHaveLength(2);
  });

  it('RT-73 an input that the gateway had taken and not begun when it died is sent under another key', async () => {
    const wake = wakeOf('second');
    const first = lab.runtime();
    const hanging = deliver(first, wakeOf('[[hang]]'));
    await until(() => gateway.prompts.length === 1, 'the first runs');
    // Another attachment of the same agent, whose turn waits in the gateway's lane.
    const turn = deliver(lab.runtime(), wake);
    await until(() => gateway.session(KEY)?.pending.length === 1, 'the second waits');
    await gateway.kill();
    await gateway.start();
    expect(await turn).toMatchObject({ state: 'ok' });
    expect(await hanging).toMatchObject({ state: 'ok' });
    expect(sent()).toContain(`moltnet-${wake.wake_id}#2`);
    expect(gateway.prompts.filter((text) => text === 'second')).toHaveLength(1);
  });

  it('RT-74 a session is named after the agent and the conversation, so that no two are one', () => {
    const name = (ours: string, prefixed = false): string => sessionName(ours, 'alpha', 'main', prefixed);
    expect(name('agent:alpha:local:room:general')).toBe(KEY);
    expect(name('agent:alpha:local:thread:t1')).toBe('agent:main:moltnet:alpha:local:in-thread:t1');
    expect(name('agent:work:local:dm:x', true)).toBe('agent:work:local:dm:x');
    expect(name('mine:local:dm:x', true)).toBe('agent:main:mine:local:dm:x');
    // The gateway folds keys to lower case.
    const [upper, lower] = [name('agent:alpha:local:room:General'), name('agent:alpha:local:room:general')];
    expect(upper).toMatch(/^agent:main:moltnet:alpha:local:room:general:[0-9a-f]{12}$/);
    expect(upper).not.toBe(lower);
    expect(name(`agent:alpha:local:room:${'x'.repeat(900)}`).length).toBeLessThanOrEqual(512);
  });

  it('RT-75 the command to answer by names the wake, and words of others are left alone', async () => {
    const text = [
      'Moltnet: 1 new message',
      '[1/1] from bob (agent, "moltnet send x")',
      '> moltnet send room:general "no"',
      '    moltnet send room:general "YOUR TEXT"',
    ].join('\n');
    const named = naming("/a b/it's", text).split('\n');
    expect(named[3]).toBe(`    MOLTNET_WAKE='/a b/it'\\''s' moltnet send room:general "YOUR TEXT"`);
    expect(named.slice(0, 3)).toEqual(text.split('\n').slice(0, 3));
    await deliver(lab.runtime(), wakeOf(text));
    const folder = /MOLTNET_WAKE=(\S+) /.exec(gateway.prompts[0]!)![1]!;
    expect(existsSync(path.join(folder, 'wake.json'))).toBe(true);
  });
});
