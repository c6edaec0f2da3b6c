import { expect, it, onTestFinished, vi } from 'vitest';
import { openLab, type Lab } from '../../test/support/network-lab.ts';
import { Tail } from '../log/tail.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import { openStore } from '../store/open.ts';
import { endPauses } from './pauses.ts';

const NOW = Date.UTC(2026, 10, 21, 10);
const at = (ms: number): string => new Date(NOW + ms).toISOString();

/** With timers and a clock that the test moves. */
async function pauseLab(): Promise<Lab & { live(): () => void }> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: NOW });
  onTestFinished(() => void vi.useRealTimers());
  const store = await openStore({ kind: 'memory', networkId: 'local' });
  let tail: Tail | undefined;
  const lab = await openLab({ store, onCommitted: (events) => tail?.publish(events) });
  tail = new Tail({ store });
  return Object.assign(lab, { live: () => endPauses({ network: lab.network, tail: tail! }) });
}
const pause = (lab: Lab, scope: PauseScope, until?: string) =>
  lab.execute('pause.set', { scope, paused: true, ...(until !== undefined && { until }) });
const scopes = (lab: Lab): string[] => lab.network.topology.pauses().map(({ scope }) => scope);

it('PAUSE-6 pauses end at their time, one after the other, and those without an end stay', async () => {
  const lab = await pauseLab();
  onTestFinished(lab.live());
  await pause(lab, 'room:general', at(5_000));
  await pause(lab, '*', at(2_000));
  await lab.register('alpha');
  await pause(lab, 'agent:alpha');
  await vi.advanceTimersByTimeAsync(1_999);
  expect(scopes(lab)).toEqual(['*', 'agent:alpha', 'room:general']);
  await vi.advanceTimersByTimeAsync(1);
  expect(scopes(lab)).toEqual(['agent:alpha', 'room:general']);
  expect(JSON.parse(lab.events.at(-1)!.payload)).toEqual({
    scope: '*',
    at: at(2_000),
    by: 'until',
    paused: false,
    since: at(0),
  });
  // Put off, it ends later.
  await pause(lab, 'room:general', at(9_000));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(scopes(lab)).toContain('room:general');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(scopes(lab)).toEqual(['agent:alpha']);
});

it('PAUSE-6 what ended while the server was away ends when it starts, and nothing when it has stopped', async () => {
  const lab = await pauseLab();
  await pause(lab, '*', at(1_000));
  await pause(lab, 'room:general', at(40 * 86_400_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(scopes(lab)).toEqual(['*', 'room:general']);
  const end = lab.live();
  await vi.advanceTimersByTimeAsync(1);
  expect(scopes(lab)).toEqual(['room:general']);
  // Longer than a timer lasts.
  await vi.advanceTimersByTimeAsync(39 * 86_400_000);
  expect(scopes(lab)).toEqual(['room:general']);
  end();
  await vi.advanceTimersByTimeAsync(9 * 86_400_000);
  expect(scopes(lab)).toEqual(['room:general']);
});
