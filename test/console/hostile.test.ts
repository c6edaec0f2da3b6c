import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, post, useBrowser } from './harness.ts';
import { addresses, drawn, inside, overflow, pwned, scrollBy, toEnd, widerThanItself } from './in-page.ts';

const open = useBrowser();

/** Texts that want to run something, load something, or leave their place. */
const HOSTILE = [
  '<script>window.pwned = 1</script>',
  '<img src=x onerror="window.pwned = 1">',
  '<svg onload="window.pwned=1"><circle r=9></svg>',
  '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  '<style>body{display:none}</style><base href="https://evil.example/"><form action="https://evil.example/"><input autofocus onfocus="window.pwned=1"></form>',
  '[click](javascript:window.pwned=1) [click2](JaVaScRiPt:window.pwned=1) [d](data:text/html,<script>1</script>) [v](vbscript:x)',
  '[e](java&#115;cript:window.pwned=1) <javascript:window.pwned=1>',
  '![pixel](https://tracker.example/pixel.png) ![x](https://tracker.example/"onerror="window.pwned=1)',
  '<a href="https://evil.example" onclick="window.pwned=1">raw link</a>',
  '`<img src=x onerror=window.pwned=1>` and ```<script>window.pwned=1</script>```',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;">',
  '<div id="root"></div><a id="api" name="client"></a>',
  '\u202Egnp.exe\u202C \u2066isolate \u200F\u061C right to left',
  '@'.repeat(5_000),
  '[['.repeat(4_000),
  '> '.repeat(2_000) + 'deep',
  '*'.repeat(8_000),
  '@beta '.repeat(10_000),
  '@beta '.repeat(1_700),
  '- a\n'.repeat(2_900),
  '*a* '.repeat(2_900),
  '<@molt://local/agents/beta> '.repeat(400),
  '# '.repeat(3_000),
  '|a'.repeat(4_000) + '\n' + '|-'.repeat(4_000),
  '<@molt://local/agents/"><img src=x onerror=window.pwned=1>>',
];

it('CON-4 text of others runs nothing, loads nothing and stays in its place', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, 'here I am', { from: 'beta' });
  for (const [index, text] of HOSTILE.entries()) await post(server, `(${index}) ${text}`);
  const { page, feed, shows, wrong } = await open(server, undefined, {
    viewport: { width: 1280, height: 3_000 },
  });
  await page.getByRole('combobox').waitFor();
  for (const index of HOSTILE.keys()) {
    const message = feed.getByRole('article').filter({ hasText: `(${index})` });
    // Rows that are far away are not in the page: scroll up from the end until this one is.
    await feed.evaluate(toEnd);
    const inView = async () => {
      await page.evaluate(drawn);
      if ((await message.count()) > 0) return true;
      await feed.evaluate(scrollBy(-1_500));
      return false;
    };
    await eventually(inView).toBe(true);
    const found = await message.first().evaluate(inside);
    expect(found.active, HOSTILE[index]).toBe(0);
    expect(found.elements, HOSTILE[index]?.slice(0, 40)).toBeLessThan(1_200);
    expect(found.handlers, HOSTILE[index]).toEqual([]);
    expect(found.names, HOSTILE[index]).toBe(0);
    for (const [protocol, target, rel] of found.links) {
      expect(['http:', 'https:', 'mailto:']).toContain(protocol);
      expect([target, rel]).toEqual(['_blank', 'noopener noreferrer nofollow']);
    }
  }
  // Still alive, nothing executed, nothing asked for elsewhere, no complaint of the policy.
  await post(server, 'and life goes on');
  await feed.evaluate(toEnd);
  await shows('and life goes on');
  expect(await page.evaluate(pwned)).toBe('no');
  expect(wrong).toEqual([]);
});

it('CON-4 names, files, data and huge words of others keep to their place', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, feed, wrong } = await open(server);
  await page.getByText('Nothing said').waitFor();
  const response = await fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id: 'odd-name',
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'human', id: 'mallory', name: `\u202Eada\u2066${'W'.repeat(100)}` },
      parts: [
        { kind: 'text', text: 'x'.repeat(3_000) },
        {
          kind: 'image',
          url: 'https://tracker.example/p.png?<script>',
          filename: '\u202Egnp.exe<img src=x onerror=window.pwned=1>',
          media_type: 'image/png',
        },
        { kind: 'url', url: 'http://[::1]/x' },
        { kind: 'file', url: 'molt://local/artifacts/x', filename: `${'long'.repeat(50)}.txt` },
        {
          kind: 'data',
          data: {
            '<script>window.pwned=1</script>': '<img onerror=x>',
            __proto__x: { deep: ['y'.repeat(9_000)] },
          },
        },
      ],
    }),
  });
  expect(response.status, await response.text()).toBe(202);
  const message = feed
    .getByRole('article')
    .filter({ hasText: 'mallory' })
    .or(feed.getByRole('article').last());
  await message.getByText('Data').waitFor();
  await message.getByText('Data').click();
  await message.getByText('window.pwned=1</script>').waitFor();
  expect(await message.locator('img, script').count()).toBe(0);
  expect(await message.getByRole('link').evaluateAll(addresses)).toEqual([
    'https://tracker.example/p.png?%3Cscript%3E',
    'http://[::1]/x',
  ]);
  // No turned text in the sender's line, and nothing wider than the page.
  expect(await message.locator('bdi').first().innerText()).toBe(`ada${'W'.repeat(100)} (@mallory)`);
  expect(await page.evaluate(overflow)).toBe(0);
  expect(await feed.evaluate(widerThanItself)).toBe(0);
  expect(await page.evaluate(pwned)).toBe('no');
  expect(wrong).toEqual([]);
});

it('CON-4 hostile names of rooms, agents, files and networks do nothing on any page', async () => {
  const evil = '\u202E<img src=x onerror="window.pwned=1">\u2066' + 'W'.repeat(60);
  const server = await startTestServer({ rooms: [GENERAL] });
  const send = (path: string, body: object) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await send('/v1/agents/register', { requested_agent_id: 'mallory', name: evil.slice(0, 100) });
  await send('/v1/rooms', {
    id: 'evil',
    name: evil.slice(0, 100),
    visibility: 'public',
    write_policy: 'registered_agents',
  });
  await post(
    server,
    [
      { kind: 'text', text: `zebra @operator ${evil}`, data: undefined },
      { kind: 'file', filename: evil, url: 'molt://local/artifacts/x', data: undefined },
      { kind: 'image', filename: 'x', url: 'https://evil.example/p.png', data: undefined },
    ],
    { from: 'mallory', target: { kind: 'room', room_id: 'evil' } },
  );
  await post(server, `psst ${evil}`, {
    from: 'mallory',
    target: { kind: 'dm', participant_ids: ['operator', 'mallory'] },
  });
  const { page, wrong } = await open(server, '/console/rooms/evil', {
    viewport: { width: 390, height: 800 },
  });
  await page.getByText('zebra').first().waitFor();
  const pages: [path: string, text: RegExp][] = [
    ['/console/rooms/evil/files', /File/],
    ['/console/agents', /@mallory/],
    ['/console/agents/mallory', /Turns/],
    ['/console/dms', /Write to somebody/],
    ['/console/search?q=zebra', /1 message/],
    ['/console/events', /What happened/],
    ['/console/network', /Storm guard/],
  ];
  for (const [path, text] of pages) {
    await page.goto(server.url + path);
    await page.getByRole('main').getByText(text).first().waitFor();
    expect(await page.evaluate(pwned), path).toBe('no');
    expect(await page.locator('img, iframe, object, embed').count(), path).toBe(0);
    expect(await page.evaluate(overflow), path).toBeLessThanOrEqual(0);
    const links = await page.getByRole('link').evaluateAll(addresses);
    expect(
      links.every((link) => /^https?:|^mailto:/.test(link)),
      path,
    ).toBe(true);
    expect(await page.title()).not.toMatch(/\u202E/);
  }
  expect(wrong).toEqual([]);
});
