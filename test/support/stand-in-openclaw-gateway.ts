/**
 * A stand-in for OpenClaw's gateway, protocol 4, over a real WebSocket: as much of it as a supervisor meets, and as the
 * real one (2026.9.6) was seen to behave, crashes included. Its model plays the directives of test/contract/runtime.ts.
 * The real one is driven in test/runtimes.
 */
import { spawnSync } from 'node:child_process';
import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto';
import { WebSocketServer, type WebSocket } from 'ws';
import type { AddressInfo } from 'node:net';

type Json = Record<string, unknown>;

interface Run {
  id: string;
  key: string;
  message: string;
  status: 'queued' | 'running' | 'ok' | 'error';
  error?: string;
  reason?: string;
  text?: string;
  /** Answers the request that began it, a second time. */
  answer?: (body: Json) => void;
  ended: PromiseWithResolvers<void>;
  stop: AbortController;
}

interface Session {
  rows: Json[];
  pending: { id: string; runId: string; state: 'queued' | 'interrupted'; message: Json }[];
  status: string;
  abortedLastRun: boolean;
  active: string[];
}

export interface StandInGateway {
  url: string;
  token: string;
  /** What reached its model, in order. */
  prompts: string[];
  /** Every `connect` that it was asked. */
  connects: Json[];
  /** Every request but those, in order. */
  requests: { method: string; params: Json }[];
  /** Connections that are open. */
  open(): number;
  /** Answers `connect` with UNAVAILABLE from now on, until told otherwise. */
  starting: boolean;
  /** Wants a device that it knows, as it does of one that is not on its loopback. */
  remote: boolean;
  /** Devices it knows, by id, and their tokens. */
  devices: Map<string, string>;
  /** Dies at once, as by kill -9, and is there again after `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Cuts every connection; the turns go on. */
  cut(): void;
  session(key: string): Session | undefined;
  close(): Promise<void>;
}

/** Milliseconds between its retries of a model that fails. */
const RETRY_MS = 20;
const RECOVERED =
  '[System] Your previous turn was interrupted by a gateway restart. Continue from the transcript.';

export async function standInGateway(): Promise<StandInGateway> {
  // On disk in the real one.
  const sessions = new Map<string, Session>();
  // In memory in the real one: lost when it dies.
  let runs = new Map<string, Run>();
  let lanes = new Map<string, Promise<void>>();
  let server: WebSocketServer | undefined;
  let port = 0;

  const it: StandInGateway = {
    url: '',
    token: 'the-gateway-token',
    prompts: [],
    connects: [],
    requests: [],
    open: () => server?.clients.size ?? 0,
    starting: false,
    remote: false,
    devices: new Map(),
    kill: async () => {
      for (const run of runs.values()) {
        run.stop.abort('killed');
        const session = sessionOf(run.key);
        if (run.status === 'running') session.abortedLastRun = true;
        session.active = [];
        for (const item of session.pending) item.state = 'interrupted';
      }
      runs = new Map();
      lanes = new Map();
      const gone = server;
      server = undefined;
      for (const client of gone?.clients ?? []) client.terminate();
      await new Promise<void>((resolve) => (gone ? gone.close(() => resolve()) : resolve()));
    },
    start: async () => {
      server = new WebSocketServer({ host: '127.0.0.1', port });
      await new Promise<void>((resolve) => server!.once('listening', resolve));
      port = (server.address() as AddressInfo).port;
      it.url = `ws://127.0.0.1:${port}`;
      server.on('connection', (socket, request) => serve(socket, request.headers.origin));
      // It goes on by itself with what it was killed in.
      for (const [key, session] of sessions)
        if (session.status === 'running' && session.abortedLastRun) begin(key, randomUUID(), RECOVERED, true);
    },
    cut: () => {
      for (const client of server?.clients ?? []) client.terminate();
    },
    session: (key) => sessions.get(key),
    close: async () => {
      for (const run of runs.values()) run.stop.abort('closed');
      await it.kill();
    },
  };

  const sessionOf = (key: string): Session => {
    let session = sessions.get(key);
    if (!session)
      sessions.set(key, (session = { rows: [], pending: [], status: '', abortedLastRun: false, active: [] }));
    return session;
  };

  const broadcast = (event: string, payload: Json): void => {
    for (const client of server?.clients ?? [])
      client.send(JSON.stringify({ type: 'event', event, payload, seq: 1 }));
  };

  /** Puts a turn into its session's lane. */
  function begin(key: string, id: string, message: string, internal = false): Run {
    const run: Run = {
      id,
      key,
      message,
      status: 'queued',
      ended: Promise.withResolvers(),
      stop: new AbortController(),
    };
    runs.set(id, run);
    const session = sessionOf(key);
    session.pending.push({
      id: randomUUID(),
      runId: id,
      state: 'queued',
      message: { role: 'user', content: message },
    });
    const lane = (lanes.get(key) ?? Promise.resolve()).then(() => play(run, internal));
    lanes.set(key, lane);
    return run;
  }

  async function play(run: Run, internal: boolean): Promise<void> {
    const session = sessionOf(run.key);
    const dead = (): boolean => run.stop.signal.reason === 'killed';
    if (dead()) return;
    if (!run.stop.signal.aborted) {
      session.pending = session.pending.filter(({ runId }) => runId !== run.id);
      // A key that the transcript holds gets no second row.
      if (!session.rows.some((row) => row['idempotencyKey'] === `${run.id}:user`))
        session.rows.push({
          role: 'user',
          content: run.message,
          idempotencyKey: `${run.id}:user`,
          ...(internal ? { provenance: { kind: 'internal_system' } } : {}),
        });
      run.status = 'running';
      session.status = 'running';
      session.abortedLastRun = false;
      session.active = [run.id];
      lifecycle(run, { phase: 'start' });
      await model(run, session, internal);
    } else end(run, 'error', { error: 'This operation was aborted' });
    if (dead()) return;
    session.active = [];
    session.status = run.stop.signal.aborted ? 'killed' : run.status === 'ok' ? 'done' : 'failed';
    finish(run);
  }

  async function model(run: Run, session: Session, internal: boolean): Promise<void> {
    const asked = internal
      ? String(session.rows.findLast((row) => row['role'] === 'user' && !row['provenance'])?.['content'])
      : run.message;
    it.prompts.push(run.message);
    const http = /\[\[http: (\d+)\]\]/.exec(asked)?.[1];
    if (http === '401') return end(run, 'error', { error: FAILURES['401']! });
    if (http !== undefined) {
      for (let attempt = 2; attempt <= 3; attempt++) {
        broadcast('agent', {
          runId: run.id,
          sessionKey: run.key,
          stream: 'run_status',
          data: { phase: 'retrying', attempt, reason: http === '429' ? 'rate_limit' : 'server_error' },
        });
        await sleep(RETRY_MS);
      }
      return end(run, 'error', { error: FAILURES[http] ?? FAILURES['500']! });
    }
    const first = it.prompts.filter((text) => text === run.message).length === 1;
    if (!internal && (asked.includes('[[hang]]') || (asked.includes('[[hang once]]') && first)))
      await new Promise((resolve) => run.stop.signal.addEventListener('abort', resolve, { once: true }));
    for (const [, command] of asked.matchAll(/\[\[sh:([\s\S]*?)\]\]/g)) {
      broadcast('agent', { runId: run.id, sessionKey: run.key, stream: 'tool', data: { phase: 'start' } });
      spawnSync('sh', ['-c', command!], { encoding: 'utf8' });
    }
    if (run.stop.signal.aborted) return end(run, 'error', { error: 'This operation was aborted' });
    const text = /\[\[say: ([^\]]*)\]\]/.exec(asked)?.[1] ?? 'done';
    broadcast('agent', { runId: run.id, sessionKey: run.key, stream: 'assistant', data: { delta: text } });
    session.rows.push({
      role: 'assistant',
      content: [{ type: 'text', text }],
      stopReason: 'stop',
      usage: USAGE,
      __openclaw: { runId: run.id },
    });
    end(run, 'ok', { text });
  }

  function end(run: Run, status: 'ok' | 'error', more: { text?: string; error?: string }): void {
    if (run.stop.signal.reason === 'killed') return;
    Object.assign(run, { status, ...more });
    if (status === 'error' && !run.stop.signal.aborted)
      sessionOf(run.key).rows.push({
        role: 'custom',
        content: `This turn ended before a reply: ${more.error}`,
        __openclaw: { runId: run.id },
      });
  }

  /** Tells everybody, and whoever began it. */
  function finish(run: Run): void {
    lifecycle(run, { phase: run.status === 'ok' ? 'end' : 'error' });
    run.answer?.(resultOf(run));
    run.ended.resolve();
  }

  const lifecycle = (run: Run, data: Json): void =>
    broadcast('agent', { runId: run.id, sessionKey: run.key, stream: 'lifecycle', data });

  function serve(socket: WebSocket, origin: string | undefined): void {
    const nonce = randomUUID();
    const ts = Date.now();
    let known = false;
    const send = (frame: Json): void => socket.send(JSON.stringify(frame));
    send({ type: 'event', event: 'connect.challenge', payload: { nonce, ts } });
    socket.on('message', (data: Buffer) => {
      const { id, method, params } = JSON.parse(data.toString('utf8')) as {
        id: string;
        method: string;
        params: Json;
      };
      const ok = (payload: Json): void => send({ type: 'res', id, ok: true, payload });
      const no = (error: Json, payload?: Json): void =>
        send({ type: 'res', id, ok: false, error, ...(payload ? { payload } : {}) });
      if (method === 'connect') {
        it.connects.push(params);
        const refusal = refuse(params, nonce, ts, origin);
        if (refusal) {
          no(refusal);
          return socket.close(refusal['code'] === 'UNAVAILABLE' ? 1013 : 1008);
        }
        known = true;
        const device = (params['device'] as Json | undefined)?.['id'] as string;
        const deviceToken = it.devices.get(device) ?? randomUUID();
        it.devices.set(device, deviceToken);
        return ok({
          type: 'hello-ok',
          protocol: 4,
          server: { version: '2026.9.6-stand-in' },
          auth: { deviceToken },
        });
      }
      if (!known) return socket.close(1008);
      it.requests.push({ method, params });
      handle(method, params, ok, no);
    });
  }

  function refuse(params: Json, nonce: string, ts: number, origin: string | undefined): Json | undefined {
    const no = (code: string, message: string, more: Json = {}): Json => ({
      code: 'INVALID_REQUEST',
      message,
      details: { code, ...more },
    });
    if (origin !== undefined) return no('CONTROL_UI_ORIGIN_NOT_ALLOWED', 'origin not allowed');
    const client = params['client'] as Json;
    if (client['id'] !== 'gateway-client' || client['mode'] !== 'backend')
      return no('', 'invalid connect params');
    if (it.starting)
      return {
        code: 'UNAVAILABLE',
        message: 'gateway starting; retry shortly',
        retryable: true,
        retryAfterMs: 50,
        details: { reason: 'startup-sidecars' },
      };
    const token = (params['auth'] as Json | undefined)?.['token'] as string | undefined;
    const device = params['device'] as Record<string, string> & { signedAt: number };
    const raw = Buffer.from(device['publicKey']!, 'base64url');
    const text = `v3|${device['id']}|gateway-client|backend|operator|${(params['scopes'] as string[]).join(',')}|${device.signedAt}|${token ?? ''}|${nonce}|${String(client['platform'])}|`;
    const key = createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]),
      format: 'der',
      type: 'spki',
    });
    if (device['id'] !== createHash('sha256').update(raw).digest('hex'))
      return no('DEVICE_AUTH_DEVICE_ID_MISMATCH', 'device identity mismatch');
    if (device['nonce'] !== nonce || device.signedAt !== ts)
      return no('DEVICE_AUTH_NONCE_MISMATCH', 'device nonce mismatch');
    if (!verify(null, Buffer.from(text), key, Buffer.from(device['signature']!, 'base64url')))
      return no('DEVICE_AUTH_SIGNATURE_INVALID', 'device signature invalid');
    const paired = it.devices.get(device['id']!);
    if (token === undefined) return no('AUTH_TOKEN_MISSING', 'unauthorized: gateway token missing');
    if (token !== it.token && token !== paired)
      return no('AUTH_TOKEN_MISMATCH', 'unauthorized: gateway token mismatch');
    if (it.remote && paired === undefined)
      return {
        code: 'NOT_PAIRED',
        message: 'pairing required',
        details: { code: 'PAIRING_REQUIRED', requestId: 'req-7' },
      };
    return undefined;
  }

  function handle(
    method: string,
    params: Json,
    ok: (payload: Json) => void,
    no: (error: Json, payload?: Json) => void,
  ): void {
    const key = String(params['sessionKey']);
    switch (method) {
      case 'agent': {
        const id = String(params['idempotencyKey']);
        const before = runs.get(id);
        if (before?.status === 'ok') return ok(resultOf(before));
        if (before?.status === 'error')
          return no({ code: 'UNAVAILABLE', message: before.error }, resultOf(before));
        if (before) return ok({ runId: id, status: 'in_flight', sessionKey: key });
        if (params['agentId'] !== 'main')
          return no({
            code: 'INVALID_REQUEST',
            message: `Agent "${String(params['agentId'])}" no longer exists in configuration`,
          });
        if (sessionOf(key).pending.some(({ runId, state }) => runId === id && state === 'interrupted'))
          return no({
            code: 'UNAVAILABLE',
            message: 'Pending input ownership ended; submit a new turn to continue',
          });
        ok({ runId: id, status: 'accepted', sessionKey: key });
        const run = begin(key, id, String(params['message']));
        run.answer = (body) =>
          run.status === 'ok' ? ok(body) : no({ code: 'UNAVAILABLE', message: run.error }, body);
        return;
      }
      case 'agent.wait': {
        const run = runs.get(String(params['runId']));
        const answer = (): void => {
          const over = run !== undefined && (run.status === 'ok' || run.status === 'error');
          ok({
            runId: params['runId'],
            status: over ? run.status : 'timeout',
            ...(over && run.error ? { error: run.error } : {}),
            ...(over && run.text ? { terminalReply: { disposition: 'visible', text: run.text } } : {}),
          });
        };
        void Promise.race([run?.ended.promise, sleep(Number(params['timeoutMs']))].filter(Boolean)).then(
          answer,
        );
        return;
      }
      case 'chat.abort': {
        const run = runs.get(String(params['runId']));
        run?.stop.abort('aborted');
        return ok({ ok: true, aborted: run !== undefined });
      }
      case 'chat.history': {
        const session = sessionOf(key);
        return ok({
          sessionKey: key,
          messages: session.rows,
          pendingInputs: { items: session.pending, total: session.pending.length },
          inputReceipts: session.pending
            .filter(({ runId }) => (params['inputRunIds'] as string[]).includes(runId))
            .map(({ runId }) => ({ runId, state: 'pending' })),
          sessionInfo: {
            status: session.status,
            abortedLastRun: session.abortedLastRun,
            hasActiveRun: session.active.length > 0,
            activeRunIds: session.active,
          },
        });
      }
      default:
        no({ code: 'FORBIDDEN', message: 'missing scope: operator.admin' });
    }
  }

  await it.start();
  return it;
}

const FAILURES: Record<string, string> = {
  '401':
    '⚠️ mock/mock-model request failed (authentication failed, HTTP 401). Re-authenticate the provider and try again.',
  '429': '⚠️ API rate limit reached. Please try again later.',
  '500': '⚠️ Agent run failed (model: mock/mock-model).',
};
const USAGE = { input: 100, output: 20, cost: { total: 0 } };

const resultOf = (run: Run): Json => ({
  runId: run.id,
  status: run.status,
  ...(run.status === 'ok'
    ? {
        summary: 'completed',
        result: { payloads: [{ text: run.text }], meta: { agentMeta: { usage: USAGE } } },
      }
    : { summary: run.error }),
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms).unref());
