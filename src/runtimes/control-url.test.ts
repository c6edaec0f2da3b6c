import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliver, runtimeLab, wakeOf, type RuntimeLab } from '../../test/support/runtime-lab.ts';
import { pi } from './control-url.ts';

let server: Server;
let lab: RuntimeLab;
let asked: { authorization: string | undefined; body: Record<string, unknown> }[];
let answer: { status: number; body: string; headers?: Record<string, string> };
beforeEach(async () => {
  asked = [];
  answer = { status: 200, body: '{"from":"alpha","message":"fine"}' };
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      asked.push({ authorization: request.headers.authorization, body: JSON.parse(text) });
      if (answer.status !== 0) response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const control_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/control`;
  lab = runtimeLab(pi, { control_url, token: 't' });
});
afterEach(async () => {
  await lab.close();
  server.closeAllConnections();
  server.close();
});

describe('a control URL', () => {
  it('RT-102 is posted the wake, and its answer is the end and the final text', async () => {
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({
      state: 'ok',
      final_text: 'fine',
      told: ['accepted', 'delivered'],
    });
    expect(asked).toEqual([
      {
        authorization: 'Bearer t',
        body: { context_id: 'moltnet:local:room:general', from: 'Moltnet', message: 'hello', to: 'alpha' },
      },
    ]);
    answer = { status: 204, body: '' };
    const silent = await deliver(lab.runtime(), wakeOf('hello'));
    expect(silent).toMatchObject({ state: 'ok' });
    expect(silent).not.toHaveProperty('final_text');
  });

  it.each([
    [401, {}, { permanent: true, cause: 'config', reason: expect.stringMatching(/runtime\.token/) }],
    [404, {}, { permanent: true, cause: 'config', reason: expect.stringMatching(/runtime\.control_url/) }],
    [302, { location: 'http://127.0.0.1:1/' }, { permanent: true, cause: 'config' }],
    [429, { 'retry-after': '7' }, { permanent: false, cause: 'rate_limited', retry_after_s: 7 }],
    [500, {}, { permanent: false, cause: 'crashed' }],
  ])('RT-102 %i is a failure that says what to do', async (status, headers, expected) => {
    answer = { status, body: 'no', headers };
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({ state: 'failed', ...expected });
  });

  it('RT-102 no answer, and one that is no JSON, are failures that may pass', async () => {
    answer = { status: 200, body: 'hello' };
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({
      permanent: false,
      cause: 'crashed',
    });
    answer.status = 0;
    expect(await deliver(lab.runtime({ turn_timeout: 1 }), wakeOf('hello'))).toMatchObject({
      permanent: false,
      cause: 'timeout',
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({
      permanent: false,
      cause: 'missing',
    });
  });
});
