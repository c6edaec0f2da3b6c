/** Tricks of paths, headers, pages and proxies, and guesses: each by hand, in modes bearer and open. */
import { expect, it } from 'vitest';
import { DEFAULT_RATES } from '../../src/config/server-rates.ts';
import { exchange, SECRETS, startAuthLab, type Reply } from '../support/auth-lab.ts';
import { rawSend, requestText } from './hostile-client.ts';

it('AUTH-98 no trick of path, header or query reads a private room', async () => {
  for (const mode of ['bearer', 'open'] as const) {
    const lab = await startAuthLab(mode);
    const marked = (await lab.call('member', 'GET /v1/rooms/den/messages')).text;
    expect(marked).toContain('m-den');
    const paths = [
      '/v1/rooms/den/messages',
      '/v1/rooms/den/messages/',
      '/v1//rooms/den/messages',
      '//v1/rooms/den/messages',
      '/v1/rooms/./den/messages',
      '/v1/rooms/hall/../den/messages',
      '/v1/rooms/hall/%2e%2e/den/messages',
      '/v1/rooms/hall%2f..%2fden/messages',
      '/v1/rooms/den%2fmessages',
      '/v1/rooms/den%00/messages',
      '/v1/rooms/%64en/messages',
      '/v1/rooms/%20den%20/messages',
      '/%761/rooms/den/messages',
      '/V1/ROOMS/den/messages',
      '/v1/rooms/den/messages;x=y',
      '/v1\\rooms\\den\\messages',
      '/console/../v1/rooms/den/messages',
      '/healthz/../v1/rooms/den/messages',
      'http://127.0.0.1/v1/rooms/den/messages',
      'http://evil.test/v1/rooms/den/messages',
      `/v1/rooms/den/messages?access_token=${SECRETS.observe}`,
      `/v1/rooms/den/messages?moltnet_auth=${SECRETS.observe}`,
      '/v1/messages/m-den',
      '/v1/artifacts?room_id=hall&room_id=den',
      '/v1/artifacts?room_id=den',
      '/console/../../package.json',
      '/console/%2e%2e/%2e%2e/package.json',
      '/console/..%2f..%2fpackage.json',
      '/console/..%5c..%5cpackage.json',
      '/console//etc/passwd',
      '/console/assets/%2e%2e%2f%2e%2e%2fserver.js',
    ];
    const headers: (readonly [string, string])[][] = [
      [],
      [
        ['Authorization', 'Bearer wrong'],
        ['Authorization', `Bearer ${SECRETS.observe}`],
      ],
      [['Authorization', `bearer ${SECRETS.observe}`]],
      [['Authorization', `BEARER ${SECRETS.observe}`]],
      [['Authorization', `Basic ${Buffer.from(`x:${SECRETS.observe}`).toString('base64')}`]],
      [['Authorization', `Bearer\t${SECRETS.observe}`]],
      [['Authorization', SECRETS.observe]],
      [['Authorization', `Bearer ${SECRETS.observe}, Bearer ${SECRETS.observe}`]],
      [
        ['Authorization', 'Bearer '],
        ['Cookie', `moltnet_auth=${lab.secret('session')}`],
      ],
      [['Cookie', `moltnet_auth=${SECRETS.observe}`]],
      [['Cookie', `Moltnet_Auth=${lab.secret('session')}`]],
      [
        ['X-Original-URL', '/v1/rooms/den/messages'],
        ['X-Forwarded-For', '127.0.0.1'],
        ['X-Real-IP', '127.0.0.1'],
      ],
      [
        ['X-HTTP-Method-Override', 'GET'],
        ['X-Moltnet-Scopes', 'admin'],
      ],
      [['Authorization', `Bearer ${lab.secret('outsider')}`]],
      [['Authorization', `Bearer ${lab.secret('removed')}`]],
      [
        ['Authorization', `Bearer ${SECRETS.pair}`],
        ['X-Moltnet-Agent', 'member'],
      ],
    ];
    for (const at of paths)
      for (const set of headers) {
        const { status, text } = await rawSend(lab.port, requestText('GET', at, set));
        const where = `${mode} ${at} ${JSON.stringify(set)}: ${text.slice(0, 300)}`;
        expect(status, where).toBeGreaterThan(199);
        expect(status, where).toBeLessThan(500);
        // The question may stand in a refusal.
        if (status < 300) expect(text, where).not.toMatch(/m-den|"name": ?"moltnet"|root:/);
        expect(text, where).not.toContain('files.test/m-den');
      }
    // The same trick with the right to read works, so these are not refused for a reason of their own.
    const right = [['Authorization', `Bearer ${SECRETS.observe}`]] as const;
    for (const at of ['/v1/rooms/den/messages', '/v1/rooms/%64en/messages', '/v1/rooms/%20den%20/messages'])
      expect((await rawSend(lab.port, requestText('GET', at, right))).text, at).toContain('m-den');
  }
});

it('AUTH-98 requests that are read in two ways are not read at all', async () => {
  const lab = await startAuthLab('bearer');
  const body = '{"token":"x"}';
  const head = 'POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n';
  for (const bytes of [
    `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/rooms/den HTTP/1.1\r\n\r\n`,
    `${head}Content-Length: 13\r\nContent-Length: 14\r\n\r\n${body}`,
    `${head}Content-Length: +13\r\n\r\n${body}`,
    `${head}Transfer-Encoding: xchunked\r\n\r\n${body}`,
    `${head}X-Request-Id: a\nSet-Cookie: moltnet_auth=x\r\nContent-Length: 13\r\n\r\n${body}`,
    `${head}X-Request-Id: a\rSet-Cookie: moltnet_auth=x\r\nContent-Length: 13\r\n\r\n${body}`,
    `${head}X-Request-Id: a\u0000b\r\nContent-Length: 13\r\n\r\n${body}`,
    `${head}Host : evil.test\r\nContent-Length: 13\r\n\r\n${body}`,
    'GET /v1/network HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET /v1/network\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001',
  ]) {
    const { status, text } = await rawSend(lab.port, bytes);
    expect([400, 401], `${JSON.stringify(bytes)}: ${text}`).toContain(status);
    expect(text.match(/HTTP\/1\.1 \d/g), bytes).toHaveLength(1);
    expect(text.toLowerCase(), bytes).not.toContain('set-cookie');
  }
});

it('AUTH-98 a web page of another origin does nothing with the cookie of a browser', async () => {
  for (const mode of ['bearer', 'open'] as const) {
    const lab = await startAuthLab(mode);
    const cookie = lab.credential('session');
    const message = {
      from: { type: 'human', id: 'walker' },
      target: { kind: 'dm', dm_id: 'dm-of-page', participant_ids: ['walker', 'far'] },
      parts: [{ kind: 'text', text: 'hi' }],
    };
    const own = { origin: `http://127.0.0.1:${lab.port}` };
    const pages: Record<string, string>[] = [
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${lab.port + 1}` },
      { origin: `http://127.0.0.1.evil.test:${lab.port}` },
      { origin: `http://evil.test:${lab.port}`, host: `evil.test:${lab.port}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const page of pages)
      for (const [route, body] of [
        ['POST /v1/messages', message],
        ['POST /v1/rooms', { id: 'of-page' }],
        ['PATCH /v1/rooms/hall', { visibility: 'public' }],
        ['DELETE /v1/rooms/hall', undefined],
        ['POST /v1/agents/register', { requested_agent_id: 'of-page' }],
        ['POST /console/session', { token: SECRETS.login }],
        ['DELETE /console/session', undefined],
        ['POST /v1/reload', undefined],
        ['GET /v1/events/stream', undefined],
      ] as const) {
        const headers = { ...cookie, ...page, 'content-type': 'text/plain' };
        const reply = await exchange(lab.port, route, headers, body);
        expect([reply.status, reply.code], `${mode} ${route} ${JSON.stringify(page)}`).toEqual([
          403,
          'foreign_origin',
        ]);
        expect(reply.headers['set-cookie']).toBeUndefined();
        expect(Object.keys(reply.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    expect((await exchange(lab.port, 'POST /v1/messages', { ...cookie, ...own }, message)).status).toBe(202);
  }
});

it('AUTH-98 nobody is on this machine because he says so, and no document names another host', async () => {
  const lab = await startAuthLab('open');
  for (const [name, value] of [
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-for', '::1'],
    ['x-forwarded-for', ''],
    ['forwarded', 'for=127.0.0.1'],
    ['x-real-ip', '127.0.0.1'],
    ['via', '1.1 localhost'],
    ['x-forwarded-host', 'localhost'],
  ] as const) {
    const claim = await exchange(
      lab.port,
      'POST /v1/agents/register',
      { [name]: value },
      { requested_agent_id: 'squat' },
    );
    expect([claim.status, claim.code], `${name}: ${value}`).toEqual([403, 'claim_reserved']);
  }
  for (const at of ['/install.md', '/skill.md', '/llms.txt']) {
    const { text } = await exchange(lab.port, `GET ${at}`, {
      'x-forwarded-host': 'evil.test',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.test;proto=https',
      host: `evil.test:${lab.port}`,
    });
    expect(text, at).not.toContain('evil.test');
    expect(text, at).not.toContain('https://127');
  }
  const login = await exchange(
    lab.port,
    'POST /console/session',
    { 'x-forwarded-proto': 'https' },
    { token: SECRETS.login },
  );
  expect(String(login.headers['set-cookie'])).toMatch(/HttpOnly/i);
  expect(String(login.headers['set-cookie'])).not.toMatch(/Secure/i);
  expect(
    (await exchange(lab.port, 'POST /v1/agents/register', {}, { requested_agent_id: 'squat' })).status,
  ).toBe(201);
});

it('AUTH-98 guesses are counted by address and answered alike; who has a credential is not held up by them', async () => {
  const lab = await startAuthLab('claims', {
    server: { trusted_proxies: ['127.0.0.1'] },
    rates: DEFAULT_RATES,
  });
  const from = (address: string, token?: string): Record<string, string> => ({
    'x-forwarded-for': address,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  });
  const guess = (address: string, token: string): Promise<Reply> =>
    exchange(lab.port, 'GET /v1/network', from(address, token));
  const plain = ({ status, text }: Reply): string => `${status} ${text.replace(/"request_id":"[^"]*"/, '')}`;
  const { agent_token: old } = await lab.must<{ agent_token: string }>('POST /v1/agents/far/rotate-token');
  await lab.must('POST /v1/agents/far/rotate-token');
  const member = lab.secret('member')!;
  // Nothing in the answer says how near a guess was, or whose it was.
  const answers = await Promise.all(
    [
      'x',
      'magt_v1_x',
      `${member.slice(0, -1)}${member.endsWith('A') ? 'B' : 'A'}`,
      old,
      `${SECRETS.operator}x`,
      SECRETS.operator.toUpperCase(),
      'moltnet_auth',
      'tok_0000000000000000',
    ].map((token, index) => guess(`198.51.100.${index}`, token)),
  );
  expect(new Set(answers.map(plain)).size).toBe(1);
  expect(answers[0]!.status).toBe(401);

  async function untilLimited(what: () => Promise<Reply>): Promise<Reply> {
    for (let tries = 0; tries < 2_000; tries++) {
      const reply = await what();
      if (reply.status === 429) return reply;
      expect(reply.status, reply.text).toBeLessThan(500);
    }
    throw new Error('it is never limited');
  }
  let spoofed = 0;
  for (const what of [
    () => guess('203.0.113.1', 'wrong'),
    () => exchange(lab.port, 'POST /console/session', from('203.0.113.2'), { token: 'wrong' }),
    () =>
      exchange(lab.port, 'POST /v1/agents/register', from('203.0.113.3'), {
        requested_agent_id: 'squat',
        claim_code: 'minv_v1_wrong',
      }),
    () => exchange(lab.port, 'GET /v1/network', from('203.0.113.4')),
    // What stands left of the nearest address is the client's own word.
    () => guess(`192.0.2.${spoofed++ % 250}, 203.0.113.5`, 'wrong'),
    () => exchange(lab.port, 'POST /console/session', from('127.0.0.1, 203.0.113.6'), { token: 'wrong' }),
  ]) {
    const limited = await untilLimited(what);
    expect(limited.code).toBe('rate_limited');
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
  }
  const spoof = await exchange(lab.port, 'POST /v1/agents/register', from('::1, 203.0.113.7'), {
    requested_agent_id: 'squat',
  });
  expect(spoof.code).toBe('claim_reserved');
  for (let i = 1; i <= 6; i++)
    expect(
      (await exchange(lab.port, 'GET /v1/network', from(`203.0.113.${i}`, SECRETS.observe))).status,
    ).toBe(200);
  expect((await guess('203.0.113.9', 'wrong')).status).toBe(401);
  // This machine is never limited.
  for (let i = 0; i < 300; i++) expect((await lab.call('unknown', 'GET /v1/network')).status).toBe(401);
});
