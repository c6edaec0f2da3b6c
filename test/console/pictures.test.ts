import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, post, useBrowser } from './harness.ts';
import { boxOf, elements, overflow, pwned } from './in-page.ts';

const open = useBrowser();

/** A grey PNG. */
function png(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  const rows = deflateSync(Buffer.alloc((width + 1) * height, 90));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}
function crc32(data: Buffer): number {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xed_b8_83_20 : 0);
  }
  return ~crc >>> 0;
}

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60" onload="top.pwned=1">
  <script>top.pwned = 1; parent.postMessage({ picture: [9000, 9000] }, '*')</script><rect width="90" height="60"/></svg>`;

/** Somebody else's web server, which notes who asks. */
async function elsewhere(): Promise<{
  url: string;
  asked: { url: string; headers: IncomingHttpHeaders }[];
}> {
  const asked: { url: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer(({ url = '', headers }, response) => {
    asked.push({ url, headers });
    response.setHeader('set-cookie', 'seen=1; SameSite=None; Secure');
    if (url.startsWith('/chart.png')) response.setHeader('content-type', 'image/png').end(png(1_200, 300));
    else if (url.startsWith('/thin.png')) response.setHeader('content-type', 'image/png').end(png(1, 3_000));
    else if (url.startsWith('/evil.svg')) response.setHeader('content-type', 'image/svg+xml').end(SVG);
    else response.writeHead(404).end('<script>top.pwned = 1</script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://localhost:${(server.address() as AddressInfo).port}`, asked };
}

it('CON-32 pictures of others are loaded by a click only, in their frame, and learn nothing', async () => {
  const other = await elsewhere();
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, [
    { kind: 'image', url: `${other.url}/chart.png?secret=1`, filename: 'latency.png' },
    { kind: 'url', url: `${other.url}/evil.svg` },
    { kind: 'image', url: 'molt://local/artifacts/x', filename: 'molt.png' },
    { kind: 'file', url: `${other.url}/gone.png`, filename: 'gone.png' },
  ]);
  await post(
    server,
    '![script](javascript:window.pwned=1) ![data](data:image/svg+xml,<svg/onload=top.pwned=1>)',
  );
  await post(
    server,
    `Look: ![the thin one](${other.url}/thin.png) and\n\n![alone](${other.url}/chart.png?2)`,
  );
  const { page, feed, wrong } = await open(server);
  const show = (name: string) => feed.getByRole('button', { name: `Show: ${name}`, exact: true });
  await show('alone').waitFor();
  // Named, with the place they lie at; what has no address that may be opened cannot be shown.
  expect(await feed.getByRole('button', { name: /^Show: / }).count()).toBe(5);
  await feed
    .getByText(`Image · ${new URL(other.url).host}`)
    .first()
    .waitFor();
  expect(await feed.getByText('the thin one').count()).toBe(2);
  expect(await feed.getByText('alone').count()).toBe(1);
  expect([other.asked, wrong]).toEqual([[], []]);

  await show('latency.png').click();
  const picture = feed.getByTitle('Picture: latency.png');
  await eventually(() => picture.evaluate(boxOf)).toEqual([480, 120]);
  expect(other.asked).toEqual([expect.objectContaining({ url: '/chart.png?secret=1' })]);
  const { headers } = other.asked[0]!;
  expect([headers.referer, headers.cookie, headers.origin]).toEqual([undefined, undefined, undefined]);

  await show(new URL(`${other.url}/evil.svg`).host + '/evil.svg').click();
  await eventually(() => feed.getByTitle(/evil\.svg/).evaluate(boxOf)).toEqual([90, 60]);
  await show('the thin one').click();
  await eventually(() => feed.getByTitle('Picture: the thin one').evaluate(boxOf)).toEqual([24, 360]);
  await show('gone.png').click();
  await feed.getByText(/could not be loaded/).waitFor();

  // What else is said to the window changes nothing, and the page itself can still load nothing from elsewhere.
  await page.evaluate(`postMessage({ picture: [9e9, 9e9] }, '*')`);
  const tried = other.asked.length;
  await page.evaluate(
    `new Promise((resolve) => { const image = new Image(); image.onload = image.onerror = resolve; image.src = ${JSON.stringify(other.url)} + '/chart.png?page'; })`,
  );
  expect(other.asked.length).toBe(tried);
  expect(await picture.evaluate(boxOf)).toEqual([480, 120]);
  expect(await page.evaluate(pwned)).toBe('no');
  expect(await page.evaluate(overflow)).toBe(0);
  expect(Number(await page.evaluate(elements))).toBeLessThan(3_000);

  await feed.getByRole('button', { name: 'Hide: latency.png' }).click();
  await picture.waitFor({ state: 'detached' });
  // A link of others to the frame alone shows nothing under our name.
  const alone = await page.context().newPage();
  await alone.goto(`${server.url}/console/picture#${encodeURIComponent(`${other.url}/chart.png?top`)}`);
  expect(await alone.locator('img').count()).toBe(0);
  expect(other.asked.some(({ url }) => url.includes('top') || url.includes('page'))).toBe(false);
  // All that was asked for elsewhere is what was clicked, and the policy complained of the page's own try only.
  const complaints = wrong.filter((text) => !text.startsWith(`asked for ${other.url}`));
  expect(complaints).toEqual([expect.stringContaining('img-src')]);
});

it('CON-32 a picture in the list of files, and one whose row was away, need no second click', async () => {
  const other = await elsewhere();
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, [{ kind: 'image', url: `${other.url}/chart.png`, filename: 'latency.png' }]);
  const { page, feed } = await open(server, '/console/rooms/general/files');
  const main = page.getByRole('main');
  await main.getByRole('button', { name: 'Show: latency.png' }).click();
  await eventually(() => main.getByTitle('Picture: latency.png').evaluate(boxOf)).toEqual([480, 120]);
  await main.getByTitle('Go to the message').click();
  await eventually(() => feed.getByTitle('Picture: latency.png').evaluate(boxOf)).toEqual([480, 120]);
  await page.reload();
  await feed.getByRole('button', { name: 'Show: latency.png' }).waitFor();
});
