/**
 * A stand-in for any service behind the runtime `webhook`: it verifies what is signed, takes a key once, answers at
 * once, or takes the wake and is asked, or calls back. Its model plays the directives of test/contract/runtime.ts.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StandInWebhook {
  url: string;
  secret: string;
  prompts: string[];
  /** Method, path and key of every request. */
  asked: string[];
  /** Takes wakes with 202. */
  later: boolean;
  /** Takes wakes with 202, names no address to ask at, and calls back when it is done. */
  calls: boolean;
  /** What was answered to its callbacks. */
  called: CallbackAnswer[];
  /** The body of the newest wake. */
  wake: Record<string, unknown>;
  /** Says where to ask, in place of its own address. */
  status_url: string | undefined;
  /** Cuts so many requests after it has taken them. */
  cut: number;
  cancelled: string[];
  /** Those that hang have ended well. */
  finish(): void;
  open(): number;
  close(): Promise<void>;
}

export interface CallbackAnswer {
  status: number;
  body: { accepted?: boolean; code?: string; error?: string };
}

/** Sends a callback as the service does; `more` makes it another than that. Rejects when nothing was answered. */
export async function callBack(
  url: string,
  said: unknown,
  more: { secret?: string; at?: number; headers?: Record<string, string>; method?: string } = {},
): Promise<CallbackAnswer> {
  const body = typeof said === 'string' ? said : JSON.stringify(said);
  const timestamp = String(more.at ?? Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', more.secret ?? 'shared')
    .update(`${timestamp}.${body}`)
    .digest('hex');
  const answer = await fetch(url, {
    method: more.method ?? 'POST',
    headers: { 'moltnet-timestamp': timestamp, 'moltnet-signature': `v1=${signature}`, ...more.headers },
    ...(more.method === 'GET' ? {} : { body }),
  });
  return { status: answer.status, body: (await answer.json()) as CallbackAnswer['body'] };
}

/** Seconds that a timestamp may be off. */
const WINDOW_S = 300;

export async function standInWebhook(): Promise<StandInWebhook> {
  const outcomes = new Map<string, Promise<Record<string, unknown>>>();
  const hanging = new Map<string, () => void>();
  let open = 0;
  const it: StandInWebhook = {
    url: '',
    secret: 'shared',
    prompts: [],
    asked: [],
    later: false,
    calls: false,
    called: [],
    wake: {},
    status_url: undefined,
    cut: 0,
    cancelled: [],
    finish: () => hanging.forEach((resolve) => resolve()),
    open: () => open,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  function genuine(request: IncomingMessage, what: string): boolean {
    const timestamp = String(request.headers['moltnet-timestamp']);
    const expected = `v1=${createHmac('sha256', it.secret).update(`${timestamp}.${what}`).digest('hex')}`;
    const given = String(request.headers['moltnet-signature']);
    return (
      given.length === expected.length &&
      timingSafeEqual(Buffer.from(given), Buffer.from(expected)) &&
      Math.abs(Date.now() / 1000 - Number(timestamp)) < WINDOW_S
    );
  }

  async function play(key: string, text: string): Promise<Record<string, unknown>> {
    it.prompts.push(text);
    if (text.includes('[[hang]]')) await new Promise<void>((resolve) => hanging.set(key, resolve));
    const http = /\[\[http: (\d+)\]\]/.exec(text)?.[1];
    const usage = { input_tokens: 100, output_tokens: 20 };
    const cause = { 401: 'not_logged_in', 429: 'rate_limited' }[http ?? ''] ?? 'model';
    return http === undefined
      ? { outcome: 'ok', final_text: 'done', usage }
      : {
          outcome: 'failed',
          cause,
          permanent: http === '401',
          reason: `the model answered ${http}; log in`,
          usage,
        };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    open++;
    response.on('close', () => open--);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const key = String(request.headers['idempotency-key']);
    const json = (status: number, value: unknown, headers = {}): void =>
      void response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    it.asked.push(`${request.method} ${request.url} ${key}`);
    if (!genuine(request, request.method === 'POST' ? body : `${request.method} ${request.url}`))
      return json(401, { error: 'bad signature' });
    if (request.method === 'DELETE') {
      it.cancelled.push(key);
      hanging.get(key)?.();
      return json(200, {});
    }
    if (request.method === 'GET') {
      const done = await Promise.race([outcomes.get(key), Promise.resolve(undefined)]);
      return done ? json(200, done) : json(202, {}, { 'retry-after': '0.05' });
    }
    it.wake = JSON.parse(body) as Record<string, unknown>;
    const outcome = outcomes.get(key) ?? play(key, String(it.wake['text']));
    outcomes.set(key, outcome);
    if (it.cut-- > 0) return void response.destroy();
    if (it.calls) {
      json(202, {});
      const { wake_id, attempt, callback_url } = it.wake;
      const said = { type: 'moltnet.outcome.v1', wake_id, attempt, ...(await outcome) };
      // A node that is away is told when it posts the wake again.
      await callBack(String(callback_url), said).then(
        (answer) => it.called.push(answer),
        () => {},
      );
      return;
    }
    if (it.later)
      return json(
        202,
        { status_url: it.status_url ?? `/outcomes/${encodeURIComponent(key)}` },
        { 'retry-after': '0.05' },
      );
    response.on('close', () => hanging.get(key)?.());
    json(200, await outcome);
  }

  const server = createServer(
    (request, response) => void serve(request, response).catch(() => response.destroy()),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  it.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/wakes?for=alpha`;
  return it;
}
