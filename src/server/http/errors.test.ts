import { createServer, type Server } from 'node:http';
import { expect, it } from 'vitest';
import { testConfig } from '../../../test/support/server.ts';
import { anyone } from '../../network/identity.ts';
import { errors, MoltnetError, type ErrorCode } from '../../protocol/errors.ts';
import { StorageError } from '../../store/errors.ts';
import type { ServerContext } from '../context.ts';
import { createRates } from '../auth/rates.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { buildApp } from './app.ts';
import { envelope, refusalOf, retryAfter } from './errors.ts';
import { originRules } from './origin.ts';

it('HTTP-2 every code of the table keeps its status and message', () => {
  for (const code of Object.keys(errors) as ErrorCode[]) {
    const refusal = refusalOf(new MoltnetError(code, 'said why'));
    expect([refusal.status, refusal.code]).toEqual([errors[code].status, code]);
    if (code !== 'internal_error') expect(refusal.message).toBe('said why');
  }
});

it('HTTP-2 a fault says nothing of the inside', () => {
  const fault = new TypeError("Cannot read properties of undefined (reading 'secret')");
  for (const thrown of [
    fault,
    'secret',
    { statusCode: 500, message: 'secret' },
    undefined,
    new MoltnetError('internal_error', 'secret'),
  ]) {
    const refusal = refusalOf(thrown);
    expect(envelope(refusal, 'r')).toBe(
      '{"code":"internal_error","error":"internal server error","request_id":"r"}',
    );
    expect(refusal.fault).toBe(thrown);
  }
});

it('HTTP-2 what may pass by itself says when to try again', () => {
  expect([
    retryAfter(refusalOf(new MoltnetError('overloaded'))),
    retryAfter(refusalOf(new MoltnetError('stopping'))),
    retryAfter(refusalOf(new MoltnetError('not_found'))),
    retryAfter(refusalOf(new MoltnetError('internal_error'))),
  ]).toEqual([1, 1, undefined, undefined]);
});

it('HTTP-2 a storage that does not answer a read is unavailable, and says nothing of the inside', () => {
  const refusal = refusalOf(new StorageError('the database db.example.org:5432/x as y cannot be reached'));
  expect(refusal).toMatchObject({
    status: 503,
    code: 'service_unavailable',
    message: 'the storage does not answer',
  });
  expect(retryAfter(refusal)).toBe(1);
});

/** The routes over a storage that has failed and a network that has a fault: neither can be brought about in a healthy one. */
async function appOverBrokenParts() {
  const config = testConfig();
  const lines: object[] = [];
  const log = createLog('silent');
  log.error = (fields: object) => void lines.push(fields);
  const context: Partial<ServerContext> = {
    config,
    version: 'test',
    log,
    identify: () => anyone,
    rates: createRates(config),
    credentials: { sessionOf: () => undefined } as unknown as ServerContext['credentials'],
    stopping: false,
    origins: originRules(config, { host: '127.0.0.1', port: 1 }),
    metrics: createMetrics({
      attachments: () => 0,
      streams: () => 0,
      writerQueue: () => 0,
      head: () => 0,
      relayWaiting: () => 0,
      otherServers: () => 0,
    }),
    store: {
      ping: () => Promise.reject(new StorageError('disk I/O error in /secret/moltnet.db')),
    } as unknown as ServerContext['store'],
    network: {
      settings: {},
      topology: {},
      execute: () => Promise.reject(new TypeError('secret')),
      guardStates: () => {
        throw new TypeError('secret');
      },
    } as unknown as ServerContext['network'],
  };
  const server: Server = createServer();
  return { app: await buildApp(context as ServerContext, server), lines };
}

it('HTTP-8 health is 503 when the storage fails, and says so to the log and the metrics only', async () => {
  const { app } = await appOverBrokenParts();
  for (const url of ['/healthz', '/readyz']) {
    const answer = await app.inject({ url, headers: { 'x-request-id': 'r' } });
    expect([answer.statusCode, answer.body]).toEqual([
      503,
      '{"code":"service_unavailable","error":"the storage does not answer","request_id":"r"}',
    ]);
  }
  expect((await app.inject({ url: '/metrics' })).body).toContain('moltnet_store_health 0');
  await app.close();
});

it('HTTP-2 a fault in a route is 500 with its request id, and the log has it', async () => {
  const { app, lines } = await appOverBrokenParts();
  for (const request of [{ url: '/v1/guard' }, { method: 'POST', url: '/v1/messages', body: {} }] as const) {
    const answer = await app.inject({ ...request, headers: { 'x-request-id': 'r' } });
    expect([answer.statusCode, answer.body]).toEqual([
      500,
      '{"code":"internal_error","error":"internal server error","request_id":"r"}',
    ]);
  }
  expect(lines).toMatchObject([
    { request_id: 'r', status: 500, err: expect.any(TypeError) },
    { request_id: 'r', path: '/v1/messages' },
  ]);
  await app.close();
});
