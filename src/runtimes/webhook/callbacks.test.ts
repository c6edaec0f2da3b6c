import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { runtimeContract } from '../../../test/contract/runtime.ts';
import { freePort } from '../../../test/support/process.ts';
import {
  deliver,
  killedHost,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../../test/support/runtime-lab.ts';
import { callBack, standInWebhook, type StandInWebhook } from '../../../test/support/stand-in-webhook.ts';
import { limits } from '../../protocol/limits.ts';
import { webhook } from './webhook.ts';

let hook: StandInWebhook;
let port: number;
const openLab = async (): Promise<RuntimeLab> => {
  hook = await standInWebhook();
  hook.calls = true;
  port = await freePort();
  const lab = runtimeLab(webhook, { url: hook.url, secret: hook.secret, callback_port: port });
  return {
    ...lab,
    close: async () => {
      await lab.close();
      await hook.close();
    },
  };
};

runtimeContract({
  name: 'webhook that calls back (stand-in)',
  lab: openLab,
  prompts: () => hook.prompts,
  shell: false,
  logins: true,
  claims: { dedupes: false, reports_usage: true, sessions: false },
  told: ['accepted', 'delivered'],
  open: () => hook.open(),
  broken: () => [
    [{ secret: '' }, 'config', /secret of the webhook is missing/],
    [{ callback_host: '192.0.2.1' }, 'config', /callback_host/],
  ],
});

let lab: RuntimeLab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

const at = (): string => `http://127.0.0.1:${port}/`;
const said = (more: object = {}): object => ({
  type: 'moltnet.outcome.v1',
  wake_id: hook.wake['wake_id'],
  attempt: hook.wake['attempt'],
  outcome: 'ok',
  ...more,
});
/** A wake that is out, and its turn. */
const out = async (runtime = lab.runtime(), wake = wakeOf('[[hang]]')) => {
  const before = hook.prompts.length;
  const turn = deliver(runtime, wake);
  await until(() => hook.prompts.length > before, 'the service has it');
  return { runtime, turn, wake };
};
const refused = (status: number, code: string) => ({
  status,
  body: { code, error: expect.any(String), request_id: expect.any(String) },
});

it('RT-140 the node listens only when it is asked to, on the loopback, and the wake names the address', async () => {
  hook.calls = false;
  await deliver(lab.runtime({ callback_port: undefined }), wakeOf('hello'));
  expect(hook.wake).not.toHaveProperty('callback_url');
  await expect(callBack(at(), said())).rejects.toThrow(/fetch failed/);
  const runtime = lab.runtime();
  await deliver(runtime, wakeOf('hello'));
  expect(hook.wake).toMatchObject({ callback_url: at() });
  await deliver(lab.runtime({ callback_url: 'https://node.example/back?for=alpha' }), wakeOf('hello'));
  expect(hook.wake).toMatchObject({ callback_url: 'https://node.example/back?for=alpha' });
});

it('RT-141 the outcome of a callback ends the turn, also one that comes before the 202, and at any path', async () => {
  const { runtime, turn } = await out();
  const usage = { input_tokens: 1, output_tokens: 2 };
  const answer = await callBack(`${at()}any/path`, said({ final_text: 'seen', usage }));
  expect(answer).toEqual({ status: 200, body: { accepted: true } });
  expect(await turn).toEqual({
    state: 'ok',
    final_text: 'seen',
    usage,
    told: ['accepted', 'delivered'],
  });
  hook.calls = false;
  const early = await out(runtime);
  await callBack(at(), said({ outcome: 'failed', reason: 'no\nmodel', cause: 'model', retry_after_s: 9 }));
  expect(await early.turn).toEqual({
    state: 'failed',
    permanent: false,
    reason: 'no model',
    cause: 'model',
    retry_after_s: 9,
    told: ['accepted', 'delivered'],
  });
  await until(() => hook.open() === 0, 'the request was given up');
});

it('RT-141 an address to ask at may be named beside it: what tells the outcome first counts', async () => {
  hook.calls = false;
  hook.later = true;
  const { runtime, turn } = await out();
  await until(() => hook.asked.some((one) => one.startsWith('GET')), 'it is asked');
  await callBack(at(), said({ final_text: 'called' }));
  expect(await turn).toMatchObject({ state: 'ok', final_text: 'called' });
  expect(hook.cancelled).toEqual([]);
  expect(await deliver(runtime, wakeOf('hello'))).toMatchObject({ state: 'ok', final_text: 'done' });
  expect(await callBack(at(), said())).toMatchObject(refused(409, 'wake_ended'));
});

it('RT-141 a callback that says that it works is a sign of life; one that is sent again is none', async () => {
  const working = said({ outcome: undefined, working: true });
  const { runtime, turn } = await out(lab.runtime({ inactivity_timeout: 2 }));
  const now = Math.floor(Date.now() / 1000);
  const works = (later: number) =>
    callBack(at(), { ...working, wake_id: hook.wake['wake_id'], attempt: 1 }, { at: now + later });
  // Always the same one.
  await until(async () => (await works(0)).status !== 200, 'the turn has ended all the same');
  expect(await turn).toMatchObject({ state: 'failed', cause: 'timeout' });
  expect(await works(1)).toMatchObject(refused(409, 'wake_ended'));
  const next = await out(runtime);
  const began = performance.now();
  await until(async () => {
    const passed = performance.now() - began;
    expect(await works(1 + Math.ceil(passed / 100))).toMatchObject({ status: 200 });
    return passed > 2500;
  }, 'it is kept over its limit');
  await callBack(at(), said());
  expect(await next.turn).toMatchObject({ state: 'ok' });
});

it('RT-142 what is not signed with the secret is refused, and so is what is old, or no outcome', async () => {
  const { turn } = await out();
  const now = Math.floor(Date.now() / 1000);
  const unsigned = refused(401, 'callback_unsigned');
  const stale = refused(401, 'callback_stale');
  const cases: [unknown, Parameters<typeof callBack>[2], object][] = [
    [said(), { secret: 'other' }, unsigned],
    [said(), { secret: '' }, unsigned],
    [said(), { headers: { 'moltnet-signature': '' } }, unsigned],
    [said(), { headers: { 'moltnet-signature': `v1=${'0'.repeat(64)}` } }, unsigned],
    [said(), { headers: { 'moltnet-timestamp': String(now - 1) } }, unsigned],
    [said(), { at: now - limits.callback_age.value - 5 }, stale],
    [said(), { at: now + limits.callback_age.value + 5 }, stale],
    [said(), { at: Number.NaN }, stale],
    ['{"type":', {}, refused(400, 'bad_request')],
    ['[]', {}, refused(400, 'bad_request')],
    ['', {}, refused(400, 'bad_request')],
    // The wake itself, which is signed with the same secret.
    [hook.wake, {}, refused(422, 'unprocessable_entity')],
    [said({ type: 'moltnet.wake.v1' }), {}, refused(422, 'unprocessable_entity')],
    [said({ outcome: 'done' }), {}, refused(422, 'unprocessable_entity')],
    [said({ outcome: undefined }), {}, refused(422, 'unprocessable_entity')],
    [said({ attempt: '1' }), {}, refused(422, 'unprocessable_entity')],
    [said({ wake_id: 7 }), {}, refused(422, 'unprocessable_entity')],
    [said({ final_text: 'x'.repeat(limits.callback_body.value) }), {}, refused(400, 'body_too_large')],
    [said(), { method: 'GET' }, refused(405, 'method_not_allowed')],
    [said(), { method: 'PUT' }, refused(405, 'method_not_allowed')],
  ];
  for (const [body, more, answer] of cases) expect(await callBack(at(), body, more)).toEqual(answer);
  await callBack(at(), said({ final_text: 'only now' }));
  expect(await turn).toMatchObject({ state: 'ok', final_text: 'only now' });
});

it('RT-143 a callback that comes twice is answered alike; another outcome, or one of a turn that ended, is refused', async () => {
  const { runtime, turn } = await out();
  const first = said({ final_text: 'one' });
  const both = await Promise.all([callBack(at(), first), callBack(at(), first)]);
  expect(both.map(({ status }) => status)).toEqual([200, 200]);
  expect(await turn).toMatchObject({ final_text: 'one' });
  expect(await callBack(at(), first)).toMatchObject({ status: 200 });
  expect(await callBack(at(), said({ final_text: 'two' }))).toMatchObject(refused(409, 'wake_ended'));
  const next = await out(runtime);
  expect(await callBack(at(), first)).toMatchObject({ status: 200 });
  await callBack(at(), said());
  expect(await next.turn).toMatchObject({ state: 'ok' });
  const limited = await out(lab.runtime({ inactivity_timeout: 1 }));
  expect(await limited.turn).toMatchObject({ cause: 'timeout' });
  expect(await callBack(at(), said())).toMatchObject(refused(409, 'wake_ended'));
});

it('RT-144 a wake that is not out, another attempt, and the wake of another are the same to who calls back', async () => {
  const beta = lab.runtime({ secret: 'of beta', home_path: path.join(lab.folder, 'beta') });
  await beta.probe();
  const { turn } = await out();
  const none = refused(409, 'wake_not_out');
  expect(await callBack(at(), said({ wake_id: 'wake_nowhere' }))).toEqual(none);
  expect(await callBack(at(), said({ wake_id: '../../../etc/passwd' }))).toEqual(none);
  expect(await callBack(at(), said({ attempt: 2 }))).toEqual(none);
  expect(await callBack(at(), said(), { secret: 'of beta' })).toEqual(none);
  await callBack(at(), said({ final_text: 'its own' }));
  expect(await turn).toMatchObject({ final_text: 'its own' });
});

it('RT-145 after kill -9 a callback is taken before the wake is there again, which then ends with it and is not posted', async () => {
  const wake = wakeOf('[[hang]]');
  await killedHost(lab, wake, () => until(() => hook.prompts.length === 1, 'it runs'));
  const runtime = lab.runtime();
  await runtime.probe();
  expect(await callBack(at(), said({ final_text: 'meanwhile' }))).toMatchObject({ status: 200 });
  expect(await deliver(runtime, wake)).toEqual({
    state: 'ok',
    final_text: 'meanwhile',
    told: ['accepted', 'delivered'],
  });
  expect(hook.asked).toHaveLength(1);
});

it('RT-145 an outcome that was answered with 200 is there after kill -9; without one the wake is posted again, under its key', async () => {
  const wake = wakeOf('[[hang]]');
  await killedHost(
    lab,
    wake,
    async () => {
      await until(() => hook.prompts.length === 1, 'it runs');
      expect(await callBack(at(), said({ final_text: 'kept' }))).toMatchObject({ status: 200 });
    },
    { hold: true },
  );
  expect(await deliver(lab.runtime(), wake)).toMatchObject({ state: 'ok', final_text: 'kept' });
  expect(hook.asked).toHaveLength(1);
  const other = wakeOf('[[hang]]');
  await killedHost(lab, other, () => until(() => hook.prompts.length === 2, 'it runs'));
  hook.finish();
  expect(await deliver(lab.runtime(), other)).toMatchObject({ state: 'ok', final_text: 'done' });
  expect(hook.prompts).toHaveLength(2);
  expect(hook.asked.slice(1).map((one) => one.split(' ').at(-1))).toEqual(
    Array(2).fill(`${other.wake_id}#1`),
  );
});

it('RT-145 a turn that was cancelled, because the node stops, is still out', async () => {
  const cancel = new AbortController();
  const wake = wakeOf('[[hang]]');
  const runtime = lab.runtime();
  const turn = deliver(runtime, wake, cancel.signal);
  await until(() => hook.prompts.length === 1, 'it runs');
  cancel.abort();
  expect(await turn).toMatchObject({ state: 'cancelled' });
  expect(await callBack(at(), said({ final_text: 'late' }))).toMatchObject({ status: 200 });
  expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok', final_text: 'late' });
});

it('RT-146 what cannot be kept is not taken: the service is to send it again', async () => {
  const { turn } = await out();
  const folder = path.join(lab.home, '.moltnet', 'callbacks');
  // It can be read, and is not written to.
  renameSync(folder, `${folder}.aside`);
  symlinkSync(`${folder}.aside`, folder);
  expect(await callBack(at(), said())).toEqual(refused(503, 'service_unavailable'));
  rmSync(folder);
  renameSync(`${folder}.aside`, folder);
  expect(await callBack(at(), said({ final_text: 'again' }))).toMatchObject({ status: 200 });
  expect(await turn).toMatchObject({ state: 'ok', final_text: 'again' });
});

it('RT-146 half requests, endless ones and too many connections hold nothing up', async () => {
  const { turn } = await out();
  const head = 'POST / HTTP/1.1\r\nHost: x\r\n';
  const answers = [
    'GARBAGE\r\n\r\n',
    `${head}Transfer-Encoding: chunked\r\n\r\n`,
    `${head}Content-Length: 9999999999\r\n\r\n`,
  ];
  const sockets = answers.map((text) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.write(text);
    socket.on('error', () => {});
    return socket;
  });
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  for (let n = 0; n < 5; n++) sockets[1]!.write(chunk);
  const told = await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<string>((resolve) => {
          let text = '';
          socket.on('data', (data) => (text += String(data)));
          socket.on('close', () => resolve(text));
        }),
    ),
  );
  expect(told.map((text) => text.split('\r\n')[0])).toEqual(Array(3).fill('HTTP/1.1 400 Bad Request'));
  expect(told[1]).toContain('body_too_large');
  const many = Array.from({ length: 80 }, () => createConnection(port, '127.0.0.1'));
  onTestFinished(() => many.forEach((socket) => socket.destroy()));
  for (const socket of many) socket.on('error', () => {});
  await until(() => many.filter((socket) => socket.closed).length >= 16, 'what is too many is closed');
  many.forEach((socket) => socket.destroy());
  await until(
    () =>
      callBack(at(), said()).then(
        ({ status }) => status === 200,
        () => false,
      ),
    'there is room again',
  );
  expect(await turn).toMatchObject({ state: 'ok' });
});

it('RT-147 attachments share an address, and one that another program has is told before a turn is lost', async () => {
  const beta = lab.runtime({ home_path: path.join(lab.folder, 'beta') });
  const one = await out();
  const two = await out(beta);
  await one.runtime.close();
  expect(await one.turn).toMatchObject({ state: 'cancelled' });
  await callBack(at(), said());
  expect(await two.turn).toMatchObject({ state: 'ok' });
  await beta.close();
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
  const third = lab.runtime();
  expect(await third.probe()).toMatchObject({
    ready: false,
    permanent: false,
    cause: 'config',
    reason: expect.stringMatching(/another program listens at .*runtime\.callback_port/),
  });
  await new Promise((resolve) => taken.close(resolve));
  expect(await third.probe()).toMatchObject({ ready: true });
});
