import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { emptyNetwork, fullNetwork } from '../../console/tools/sample-network.ts';
import { startFakeApi, type FakeNetwork } from '../support/fake-api.ts';
import { useBrowser } from './harness.ts';
import { drawn } from './in-page.ts';

const open = useBrowser();
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Pages, what shows that they are drawn, and what is opened on them. */
const PAGES: [address: string, drawnText: string, act?: (page: Page) => Promise<void>][] = [
  ['/console/rooms/general', 'Deploy is green'],
  ['/console/rooms/general?thread=thr_flaky', 'I have bisected it'],
  ['/console/threads/thr_flaky', 'I have bisected it'],
  ['/console/dms/dm_planner', 'Wait for the tag'],
  ['/console/dms', 'Write to somebody'],
  ['/console/rooms/general/files', 'writer-order.patch'],
  ['/console/agents', 'Credit balance'],
  ['/console/agents/night-watch', 'command not found'],
  ['/console/needs', 'Conversations that are held'],
  ['/console/network', 'Build Lab'],
  ['/console/events', 'What happened since'],
  ['/console/search?q=release', '5 messages.'],
  ['/console/no/such/page', 'There is nothing here'],
  [
    '/console/rooms/incidents',
    'Nothing said in',
    (page) => page.getByRole('button', { name: 'Settings of incidents' }).click(),
  ],
  [
    '/console/agents',
    'Credit balance',
    (page) => page.getByRole('main').getByRole('button', { name: 'Give up' }).first().click(),
  ],
  ['/console/agents', 'Attach', (page) => page.getByRole('button', { name: 'Attach' }).click()],
  ['/console/rooms/general', 'Deploy is green', (page) => page.keyboard.press('Control+k')],
];

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

async function violations(page: Page, rules?: string[]): Promise<string[]> {
  const only = rules ? `runOnly: { type: 'rule', values: ${JSON.stringify(rules)} },` : '';
  const found = await page.evaluate<Violation[]>(
    `axe.run(document, { ${only} resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 100)} ${failureSummary}`).join('\n')}`,
    );
}

async function check(
  network: FakeNetwork,
  pages: typeof PAGES,
  options: { viewport: { width: number; height: number }; colorScheme: 'light' | 'dark' },
) {
  const api = await startFakeApi(network);
  onTestFinished(() => api.close());
  const { page } = await open(api, pages[0]![0], { ...options, reducedMotion: 'reduce' });
  await page.evaluate(AXE);
  // The second time it is the colours that differ.
  const rules = options.colorScheme === 'dark' ? ['color-contrast'] : undefined;
  for (const [address, text, act] of pages) {
    await page.evaluate(
      `history.pushState(null, '', ${JSON.stringify(address)}); dispatchEvent(new PopStateEvent('popstate'))`,
    );
    await page.getByText(text).last().waitFor();
    await act?.(page);
    await page.evaluate(drawn);
    expect.soft(await violations(page, rules), `${address} ${options.colorScheme}`).toEqual([]);
    if (act) await page.keyboard.press('Escape');
  }
}

it.each(['light', 'dark'] as const)(
  'CON-14 no page has a serious or critical fault of accessibility, %s',
  async (colorScheme) => {
    const failed = [
      {
        wake_id: 'wake_1',
        agent_id: 'codex-impl',
        conversation: 'room:research',
        state: 'failed' as const,
        attempts: 4,
        error: 'overloaded',
      },
    ];
    await check({ ...fullNetwork(), failed }, PAGES, {
      viewport: { width: 1280, height: 900 },
      colorScheme,
    });
  },
  120_000,
);

it('CON-14 nor has an empty one, nor the way in, on a phone', async () => {
  await check(
    emptyNetwork(),
    [
      ['/console/rooms/general', 'Nothing said in'],
      ['/console/agents', 'No agents yet'],
      ['/console/dms', 'No direct messages yet'],
      ['/console/needs', 'Nothing waits for you'],
      ['/console/network', 'Not paired'],
      ['/console/search', 'Finds messages in'],
      ['/console/rooms/general/files', 'No files in'],
    ],
    { viewport: { width: 390, height: 844 }, colorScheme: 'light' },
  );
  const api = await startFakeApi({
    ...emptyNetwork(),
    identity: { mode: 'bearer', credential: 'anonymous', scopes: [], can_send_human: false },
  });
  onTestFinished(() => api.close());
  const { page } = await open(api, '/console/', { viewport: { width: 390, height: 844 } });
  await page.getByLabel('Token').waitFor();
  await page.evaluate(AXE);
  expect(await violations(page)).toEqual([]);
}, 60_000);
