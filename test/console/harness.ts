/** What the console's browser tests share: the build, one Chromium per file, windows that report what went wrong. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import type { Message, Part } from '../../src/protocol/messages.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { launchBrowser } from '../support/browser.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = path.join(root, 'dist/console/index.html');

/** Registers one Chromium for the file; returns the function that opens windows in it. */
export function useBrowser(): (
  server: Pick<RunningServer, 'url'>,
  at?: string,
  options?: BrowserContextOptions,
) => Promise<ConsoleWindow> {
  let browser: Browser;
  beforeAll(async () => {
    await buildConsole();
    browser = await launchBrowser();
  }, 120_000);
  afterAll(() => browser?.close());
  return async (server, at = '/console/rooms/general', options = {}) => {
    // Another build may have cleared the folder since.
    await buildConsole();
    return openWindow(browser, server, at, options);
  };
}

export interface ConsoleWindow {
  page: Page;
  feed: Locator;
  writing: Locator;
  /** Errors of the page and of its policy, and requests to anything but the server. */
  wrong: string[];
  /** The message that shows this text. */
  message(text: string): Locator;
  /** Waits until the message is shown, exactly once. */
  shows(text: string): Promise<void>;
  write(text: string): Promise<void>;
}

/** A window of its own (storage and all) on the console; it is closed when the test ends, and must not have complained. */
async function openWindow(
  browser: Browser,
  server: Pick<RunningServer, 'url'>,
  at: string,
  options: BrowserContextOptions,
): Promise<ConsoleWindow> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    ...options,
  });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const wrong: string[] = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    // A server that is away, or refuses, is told of in the page.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      wrong.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:'))
      wrong.push(`asked for ${request.url().slice(0, 200)}`);
  });
  await page.goto(server.url + at);
  const feed = page.getByRole('feed');
  const message = (text: string) => feed.getByRole('article').filter({ hasText: text });
  const writing = page.getByRole('combobox');
  return {
    page,
    feed,
    writing,
    wrong,
    message,
    async shows(text) {
      await message(text).first().waitFor();
      expect(await message(text).count()).toBe(1);
    },
    async write(text) {
      await writing.fill(text);
      await writing.press('Enter');
    },
  };
}

/** Builds the console when it was not built since its last change. Test files that run side by side build it once. */
async function buildConsole(): Promise<void> {
  const lock = path.join(root, 'node_modules/.console-build');
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      // A lock that outlived its process is stale after a minute.
      if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 60_000)
        rmSync(lock, { recursive: true, force: true });
      await pause(100);
    }
  }
  try {
    if (fresh()) return;
    execFileSync(
      process.execPath,
      ['node_modules/vite/bin/vite.js', 'build', 'console', '--logLevel', 'error'],
      { cwd: root, stdio: 'inherit' },
    );
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function fresh(): boolean {
  if (!existsSync(built)) return false;
  const at = statSync(built).mtimeMs;
  const folder = path.join(root, 'console');
  return readdirSync(folder, { recursive: true, withFileTypes: true }).every(
    (entry) =>
      !entry.isFile() ||
      entry.name.endsWith('.test.ts') ||
      statSync(path.join(entry.parentPath, entry.name)).mtimeMs < at,
  );
}

/** `expect.poll` with the patience of a machine that has other work. */
export const eventually = <T>(fact: () => T, options: { timeout?: number; interval?: number } = {}) =>
  expect.poll(fact, { timeout: 10_000, interval: 30, ...options });

let sent = 0;
/** Sends a message by HTTP, as an agent unless said otherwise; resolves with its id. */
export async function post(
  server: Pick<RunningServer, 'url'>,
  text: string | Part[],
  more: { from?: string; type?: string; target?: Record<string, string | string[]>; id?: string } = {},
): Promise<string> {
  const id = more.id ?? `m_${process.pid}_${++sent}`;
  const response = await fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id,
      target: more.target ?? { kind: 'room', room_id: 'general' },
      from: { type: more.type ?? 'agent', id: more.from ?? 'alpha' },
      parts: typeof text === 'string' ? [{ kind: 'text', text }] : text,
    }),
  });
  expect(response.status, await response.clone().text()).toBe(202);
  return id;
}

/** The newest page of a conversation, as the server has it. */
export async function history(
  server: Pick<RunningServer, 'url'>,
  conversation = 'rooms/general',
): Promise<Message[]> {
  const response = await fetch(`${server.url}/v1/${conversation}/messages?limit=500`);
  return ((await response.json()) as { messages: Message[] }).messages;
}

/** All of a room's messages, oldest first. */
export async function wholeHistory(
  server: Pick<RunningServer, 'url'>,
  conversation = 'rooms/general',
): Promise<Message[]> {
  const all: Message[] = [];
  for (let before = ''; ; before = all[0]!.id) {
    const cursor = before === '' ? '' : `&before=${before}`;
    const response = await fetch(`${server.url}/v1/${conversation}/messages?limit=500${cursor}`);
    const { messages, page } = (await response.json()) as {
      messages: Message[];
      page: { next_before?: string };
    };
    all.unshift(...messages);
    if (page.next_before === undefined) return all;
  }
}

export const textOf = (message: Message): string => message.parts.map((part) => part.text ?? '').join('');

/** A room `general` in which anybody may write, as the server makes it by itself. */
export const GENERAL = {
  id: 'general',
  members: [],
  visibility: 'public',
  write_policy: 'registered_agents',
};
