/**
 * Pictures of every page of the console, desktop and phone, dark and light, from a fake network:
 * `node console/tools/screenshots.ts <folder> [part of a name] [desktop-light|phone-dark|…]` after `npm run build`.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { launchBrowser } from '../../test/support/browser.ts';
import { startFakeApi, type FakeApi, type FakeNetwork } from '../../test/support/fake-api.ts';
import { emptyNetwork, fullNetwork, hugeNetwork } from './sample-network.ts';

const folder = path.resolve(process.argv[2] ?? 'screenshots');
const only = process.argv[3];
/** `desktop-light` and the like, for a quick look. */
const kind = process.argv[4];
mkdirSync(folder, { recursive: true });

interface Shot {
  name: string;
  /** One picture of this size, light, in place of the four. */
  size?: { width: number; height: number };
  network: () => FakeNetwork;
  path: string;
  /** What is done on the page before the picture. */
  act?: (page: Page, api: FakeApi) => Promise<void>;
}

const FAILED: FakeNetwork['failed'] = [
  {
    wake_id: 'wake_1',
    agent_id: 'codex-impl',
    conversation: 'room:research',
    state: 'failed',
    attempts: 4,
    classification: 'retry_exhausted',
    error: 'the model answered 529: overloaded',
  },
];
const feed = (page: Page) => page.getByRole('feed');
const shots: Shot[] = [
  // Those of the README: node console/tools/screenshots.ts docs readme-
  {
    name: 'readme-room',
    size: { width: 1200, height: 720 },
    network: () => ({ ...fullNetwork(), warnings: [] }),
    path: '/console/rooms/general?thread=thr_flaky',
    act: async (page) => void (await page.getByRole('complementary').getByText('bisected').waitFor()),
  },
  {
    name: 'readme-network',
    size: { width: 1200, height: 720 },
    network: () => ({ ...fullNetwork(), warnings: [] }),
    path: '/console/network',
    act: async (page) => void (await page.getByText('Build Lab').waitFor()),
  },
  {
    name: 'room',
    network: fullNetwork,
    path: '/console/rooms/general',
    act: async (page) =>
      void (await page.getByRole('main').getByRole('button', { name: 'Continue' }).waitFor()),
  },
  {
    name: 'room-older',
    network: fullNetwork,
    path: '/console/rooms/general',
    act: async (page) => {
      await feed(page).getByText('Deploy is green').waitFor();
      await feed(page).evaluate((element) => element.scrollTo(0, 0));
      await page.getByText('This is the beginning').waitFor();
    },
  },
  {
    name: 'composer',
    network: fullNetwork,
    path: '/console/rooms/research',
    act: async (page) => {
      await page
        .getByRole('combobox')
        .fill('Could you look at the **failing** test?\nThe log is attached. @');
      await page.getByRole('listbox').waitFor();
    },
  },
  {
    name: 'agents',
    network: fullNetwork,
    path: '/console/agents',
    act: async (page) => void (await page.getByText('runtime').first().waitFor()),
  },
  {
    name: 'thread',
    network: fullNetwork,
    path: '/console/rooms/general?thread=thr_flaky',
    act: async (page) => void (await page.getByRole('complementary').getByText('bisected').waitFor()),
  },
  {
    name: 'thread-page',
    network: fullNetwork,
    path: '/console/threads/thr_flaky',
    act: async (page) => void (await feed(page).getByText('bisected').waitFor()),
  },
  {
    name: 'new-thread',
    network: fullNetwork,
    path: '/console/rooms/research?reply=msg_sample_26',
    act: async (page) => void (await page.getByRole('complementary').getByText('opens the thread').waitFor()),
  },
  {
    name: 'dm',
    network: fullNetwork,
    path: '/console/dms/dm_planner',
    act: async (page) => void (await feed(page).getByText('Will do').waitFor()),
  },
  {
    name: 'dm-of-others',
    network: fullNetwork,
    path: '/console/dms/dm_two',
    act: async (page) => void (await feed(page).getByText('same file').waitFor()),
  },
  {
    name: 'dms',
    network: fullNetwork,
    path: '/console/dms',
    act: async (page) => void (await page.getByRole('main').getByText('3 messages').waitFor()),
  },
  {
    name: 'empty-dms',
    network: emptyNetwork,
    path: '/console/dms',
    act: async (page) => void (await page.getByText('No direct messages yet').waitFor()),
  },
  {
    name: 'link',
    network: fullNetwork,
    path: '/console/rooms/general?message=msg_sample_4',
    act: async (page) => void (await feed(page).getByText('Taking it').waitFor()),
  },
  {
    name: 'files',
    network: fullNetwork,
    path: '/console/rooms/general/files',
    act: async (page) => void (await page.getByText('writer-order.patch').waitFor()),
  },
  {
    name: 'needs',
    network: () => ({ ...fullNetwork(), failed: FAILED }),
    path: '/console/needs',
    act: async (page, api) => {
      await page.getByRole('main').getByText('Conversations that are held').waitFor();
      const message = { ...fullNetwork().messages.find(({ from }) => from.id === 'planner')! };
      api.emit('message.created', {
        message: {
          ...message,
          id: 'fresh',
          target: { kind: 'room', room_id: 'research' },
          parts: [{ kind: 'text', text: '@operator may I buy the third paper? It is 12 dollars.' }],
          created_at: new Date().toISOString(),
        },
      });
      await page.getByText('You were named').waitFor();
    },
  },
  {
    name: 'empty-needs',
    network: emptyNetwork,
    path: '/console/needs',
    act: async (page) => void (await page.getByText('Nothing waits for you').waitFor()),
  },
  {
    name: 'network',
    network: () => ({
      ...fullNetwork(),
      pauses: [
        { scope: 'agent:planner', at: new Date(Date.now() - 3_600_000).toISOString(), by: 'operator' },
      ],
    }),
    path: '/console/network',
    act: async (page) => void (await page.getByText('Build Lab').waitFor()),
  },
  {
    name: 'empty-network',
    network: emptyNetwork,
    path: '/console/network',
    act: async (page) => void (await page.getByText('Not paired').waitFor()),
  },
  {
    name: 'events',
    network: fullNetwork,
    path: '/console/events',
    act: async (page, api) => {
      await page.getByText('No such event yet').waitFor();
      const [message] = fullNetwork().messages;
      for (let i = 0; i < 3; i++) {
        api.emit('message.created', { message: { ...message, id: `event-${i}` } });
        api.emit('message.receipt', {
          receipt: {
            agent_id: 'planner',
            message_ids: [`event-${i}`],
            conversation: 'room:general',
            state: i === 2 ? 'failed' : 'answered',
            ...(i === 2 ? { error: 'exit 1: Credit balance is too low' } : {}),
            at: new Date().toISOString(),
          },
        });
        api.emit('agent.connected', { agent: { agent_id: 'scribe', network_id: 'local' } });
      }
      await page.getByText('message.receipt').first().waitFor();
      await page.getByText('Credit balance').click();
    },
  },
  {
    name: 'search',
    network: fullNetwork,
    path: '/console/search?q=release',
    act: async (page) => void (await page.getByRole('main').locator('mark').first().waitFor()),
  },
  {
    name: 'empty-search',
    network: emptyNetwork,
    path: '/console/search',
    act: async (page) => void (await page.getByText('Finds messages in').waitFor()),
  },
  {
    name: 'agent',
    network: () => ({ ...fullNetwork(), failed: FAILED }),
    path: '/console/agents/codex-impl',
    act: async (page) => void (await page.getByRole('main').getByText('Turns').waitFor()),
  },
  {
    name: 'agent-stuck',
    network: fullNetwork,
    path: '/console/agents/night-watch',
    act: async (page) => void (await page.getByText('command not found').waitFor()),
  },
  {
    name: 'jump',
    network: fullNetwork,
    path: '/console/rooms/general',
    act: async (page) => {
      await feed(page).getByText('Deploy is green').waitFor();
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: /A room, an agent/ }).fill('re');
      await page.getByRole('option').first().waitFor();
    },
  },
  {
    name: 'create-room',
    network: fullNetwork,
    path: '/console/rooms/general',
    act: async (page) => {
      await feed(page).getByText('Deploy is green').waitFor();
      if (await page.getByRole('button', { name: 'Rooms and agents' }).isVisible())
        await page.getByRole('button', { name: 'Rooms and agents' }).click();
      await page.getByRole('button', { name: 'New room' }).click();
      await page.getByRole('dialog').getByText('Who writes').waitFor();
    },
  },
  {
    name: 'room-settings',
    network: fullNetwork,
    path: '/console/rooms/incidents',
    act: async (page) => {
      await page.getByRole('button', { name: 'Settings of incidents' }).click();
      await page.getByRole('dialog').getByText('Who writes').waitFor();
    },
  },
  {
    name: 'add-agent',
    network: fullNetwork,
    path: '/console/agents',
    act: async (page) => {
      await page.getByRole('button', { name: 'Attach' }).click();
      await page.getByRole('dialog').getByLabel('Its id').fill('reviewer');
      await page.getByText('Waiting for reviewer').waitFor();
    },
  },
  {
    name: 'remove',
    network: fullNetwork,
    path: '/console/rooms/general',
    act: async (page) => {
      const message = feed(page).getByText('Deploy is green');
      await message.hover();
      await message.click();
      await feed(page)
        .getByRole('article')
        .filter({ hasText: 'Deploy is green' })
        .getByRole('button', { name: 'Remove content…' })
        .click();
    },
  },
  {
    name: 'parts',
    network: fullNetwork,
    path: '/console/rooms/general',
    act: async (page) => {
      await feed(page).getByText('Deploy is green').waitFor();
      await feed(page).evaluate((element) => element.scrollTo(0, 680));
      await feed(page).locator('summary').click();
      await page.getByText('failed_before').waitFor();
    },
  },
  {
    name: 'picture',
    network: fullNetwork,
    path: '/console/rooms/general?message=msg_sample_5',
    act: async (page) => {
      const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="240"><rect width="640" height="240" fill="#eef"/><path d="M20 200 140 90 260 150 380 60 500 120 620 40" fill="none" stroke="#4650bd" stroke-width="6"/></svg>`;
      await page.route('https://charts.example.org/**', (route) =>
        route.fulfill({ contentType: 'image/svg+xml', body: picture }),
      );
      await feed(page).getByRole('button', { name: 'Show: write-latency.png' }).click();
      await feed(page).getByTitle('Picture: write-latency.png').waitFor();
    },
  },
  {
    name: 'trouble',
    network: fullNetwork,
    path: '/console/rooms/research',
    act: async (page, api) => {
      await page.getByText('Three papers').waitFor();
      await page.route('**/v1/messages', (route) =>
        route.fulfill({ status: 403, body: JSON.stringify({ code: 'write_refused', error: 'x' }) }),
      );
      await page.getByRole('combobox').fill('Thank you, reading them now.');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText('Not sent').waitFor();
      await page.route('**/v1/events/stream*', (route) => route.abort());
      api.dropStreams();
      await page.getByRole('main').getByText('Connection lost').waitFor();
    },
  },
  {
    name: 'empty-room',
    network: emptyNetwork,
    path: '/console/rooms/general',
    act: async (page) => void (await page.getByText('Nothing said').waitFor()),
  },
  {
    name: 'empty-agents',
    network: emptyNetwork,
    path: '/console/agents',
    act: async (page) => void (await page.getByText('No agents yet').waitFor()),
  },
  {
    name: 'deliveries',
    network: () => ({
      ...fullNetwork(),
      pauses: [
        { scope: 'agent:planner', at: new Date(Date.now() - 3_600_000).toISOString(), by: 'operator' },
      ],
      failed: [
        {
          wake_id: 'wake_1',
          agent_id: 'scribe',
          conversation: 'room:research',
          state: 'failed',
          attempts: 4,
          classification: 'retry_exhausted',
          error: 'the model answered 529: overloaded',
        },
      ],
    }),
    path: '/console/agents',
    act: async (page) => void (await page.getByText('Could not be delivered').waitFor()),
  },
  {
    name: 'receipts',
    network: () => ({
      ...fullNetwork(),
      pauses: [{ scope: '*', at: new Date().toISOString(), by: 'operator' }],
      receipts: [
        {
          agent_id: 'planner',
          fqid: 'molt://local/agents/planner',
          state: 'answered',
          at: new Date().toISOString(),
        },
        { agent_id: 'codex-impl', fqid: 'molt://local/agents/codex-impl', state: 'held', reason: 'pause' },
        {
          agent_id: 'scribe',
          fqid: 'molt://local/agents/scribe',
          state: 'failed',
          attempts: 4,
          error: 'the model answered 529: overloaded',
          at: new Date().toISOString(),
        },
      ],
    }),
    path: '/console/rooms/general',
    act: async (page, api) => {
      await feed(page).getByText('Nothing open').last().waitFor();
      const at = new Date().toISOString();
      const last = (await feed(page)
        .getByRole('article')
        .last()
        .locator('[id^=m-]')
        .getAttribute('id'))!.slice(2);
      api.emit('message.receipt', {
        receipt: {
          agent_id: 'codex-impl',
          message_ids: [last],
          conversation: 'room:general',
          state: 'started',
          at,
        },
      });
      await page.getByText('working on it').first().waitFor();
      const message = feed(page).getByRole('article').filter({ hasText: 'Nothing open' }).last();
      await message.hover();
      await message.getByRole('button', { name: 'Delivery…' }).click();
      await page.getByRole('dialog').getByText('answered', { exact: true }).waitFor();
    },
  },
  {
    name: 'sign-in',
    network: () => ({
      ...fullNetwork(),
      identity: { mode: 'bearer', credential: 'anonymous', scopes: [], can_send_human: false },
    }),
    path: '/console/',
    act: async (page) => {
      await page.getByLabel('Token').fill('not a token of this server');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').waitFor();
    },
  },
  {
    name: 'signed-in',
    network: () => ({
      ...fullNetwork(),
      identity: {
        mode: 'bearer',
        credential: 'session',
        scopes: ['observe', 'write'],
        human: { id: 'anna', name: 'Anna Lee' },
        can_send_human: true,
      },
    }),
    path: '/console/rooms/general',
    act: async (page) => void (await feed(page).getByText('Deploy is green').waitFor()),
  },
  {
    name: 'reader',
    network: () => ({
      ...fullNetwork(),
      identity: { mode: 'open', credential: 'anonymous', scopes: ['observe'], can_send_human: false },
    }),
    path: '/console/rooms/general',
    act: async (page) => void (await feed(page).getByText('Deploy is green').waitFor()),
  },
  {
    name: 'no-rooms',
    network: () => ({ ...emptyNetwork(), rooms: [] }),
    path: '/console/',
    act: async (page) => void (await page.getByText('No rooms yet').waitFor()),
  },
  {
    name: 'huge',
    network: hugeNetwork,
    path: '/console/rooms/general',
    act: async (page) => {
      await feed(page).getByRole('article').first().waitFor();
      for (let i = 0; i < 12; i++) {
        await feed(page).evaluate((element) => element.scrollBy(0, -900));
        await page.waitForTimeout(60);
      }
      await page.getByTitle('Go to the newest message').waitFor();
    },
  },
];

const browser = await launchBrowser();
for (const shot of shots.filter((candidate) => !only || candidate.name.includes(only))) {
  const api = await startFakeApi(shot.network());
  for (const [device, viewport] of [
    ['desktop', { width: 1440, height: 900 }],
    ['phone', { width: 390, height: 844 }],
  ] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      if (kind && !`${device}-${colorScheme}`.includes(kind)) continue;
      if (shot.size && (device === 'phone' || colorScheme === 'dark')) continue;
      const context = await browser.newContext({
        viewport: shot.size ?? viewport,
        colorScheme,
        deviceScaleFactor: device === 'phone' ? 2 : 1,
        hasTouch: device === 'phone',
        locale: 'en-GB',
      });
      const page = await context.newPage();
      page.setDefaultTimeout(5_000);
      page.on('pageerror', (error) => console.log(`${shot.name}: ${error.message}`));
      page.on(
        'console',
        (message) => message.type() === 'error' && console.log(`${shot.name}: ${message.text()}`),
      );
      await page.goto(api.url + shot.path);
      try {
        await shot.act?.(page, api);
      } catch (error) {
        console.log(`${shot.name} ${device}: ${String(error).split('\n')[0]}`);
      }
      await page.waitForTimeout(250);
      await page.screenshot({
        path: path.join(
          folder,
          shot.size
            ? `${shot.name.replace('readme', 'console')}.png`
            : `${shot.name}-${device}-${colorScheme}.png`,
        ),
      });
      if (shot.name === 'room' && device === 'phone') {
        await page.getByRole('button', { name: 'Rooms and agents' }).click();
        await page.waitForTimeout(300);
        await page.screenshot({ path: path.join(folder, `menu-${device}-${colorScheme}.png`) });
      }
      await context.close();
    }
  }
  await api.close();
}
await browser.close();
