import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { openLab } from '../../../test/support/network-lab.ts';
import { testConfig, type ConfigChanges } from '../../../test/support/server.ts';
import { hashSecret } from '../../protocol/credentials.ts';
import { createCredentials } from './credentials.ts';
import { openSessions } from './sessions.ts';

async function lab(auth: ConfigChanges['auth']) {
  const { network, store } = await openLab({ settings: { auth_mode: 'bearer', agent_registration: 'open' } });
  const onFault = (error: unknown): never => {
    throw error as Error;
  };
  const sessions = await openSessions({ network, store, onFault });
  const config = testConfig({ auth: { mode: 'bearer', ...auth } });
  const hashed: string[] = [];
  const credentials = createCredentials({
    config,
    network,
    sessions,
    onFault,
    hash: (secret) => {
      hashed.push(secret);
      return hashSecret(secret);
    },
  });
  const request = (headers: Record<string, string>): IncomingMessage => ({ headers }) as never;
  const identify = (token: string) => credentials.identify(request({ authorization: `Bearer ${token}` }));
  return { config, credentials, sessions, network, hashed, identify, request };
}

it('SESS-2 a check is one hash and look-ups, with one token and with ten thousand', async () => {
  for (const count of [1, 10_000]) {
    const tokens = Array.from({ length: count }, (_, i) => ({
      id: `t${i}`,
      value: `secret-${i}`,
      scopes: ['write'],
    }));
    const { config, hashed, identify } = await lab({ tokens });
    expect(hashed).toHaveLength(count);
    // From here on nobody looks at the tokens themselves.
    config.auth.tokens = new Proxy(tokens, {
      get() {
        throw new Error('the tokens were read');
      },
    });
    hashed.length = 0;
    expect(identify(`secret-${count - 1}`).credential_key).toBe(`token:t${count - 1}`);
    expect(identify('secret-0')).toBe(identify('secret-0'));
    expect(() => identify('secret-x')).toThrow('not known');
    expect(() => identify(`magt_v1_${'a'.repeat(43)}`)).toThrow('not known');
    expect(hashed).toHaveLength(5);
  }
});

it('SESS-2 a request is checked once, however often it is asked about', async () => {
  const { credentials, hashed, request } = await lab({
    tokens: [{ id: 't', value: 'secret', scopes: ['observe'] }],
  });
  hashed.length = 0;
  const one = request({ authorization: 'Bearer secret' });
  expect(credentials.identify(one)).toBe(credentials.identify(one));
  const wrong = request({ authorization: 'Bearer wrong' });
  expect(credentials.tryIdentify(wrong)).toBeUndefined();
  expect(() => credentials.identify(wrong)).toThrow();
  expect(hashed).toEqual(['secret', 'wrong']);
});

it('SESS-1 what a token may do is what the configuration says of it', async () => {
  const { identify } = await lab({
    tokens: [
      { value: ' spaced ', scopes: ['write', 'attach'], agents: ['a', 'molt://local/agents/b', 'net:c'] },
      { id: 'p', value: 'person', scopes: ['write'], human: { id: 'anna', name: 'Anna' } },
    ],
  });
  expect(identify('spaced')).toMatchObject({
    mode: 'bearer',
    credential_key: `token:tok_${hashSecret('spaced').slice(0, 16)}`,
    scopes: new Set(['write', 'attach']),
    agents: new Set(['a', 'b', 'net:c']),
  });
  expect(identify('person')).toMatchObject({ human: { id: 'anna', name: 'Anna' } });
  expect(identify('person')).not.toHaveProperty('agents');
});

it('SESS-13 an identity holds while its token says the same of it', async () => {
  const { config, credentials, sessions, identify } = await lab({
    tokens: [
      { id: 'a', value: 'one', scopes: ['observe'] },
      { id: 'b', value: 'two', scopes: ['observe'] },
      { id: 'c', value: 'three', scopes: ['observe'] },
      { id: 'd', value: 'four', scopes: ['observe'] },
    ],
  });
  const held = ['one', 'two', 'three', 'four'].map(identify);
  const { session } = await sessions.begin(credentials.staticToken('one')!);
  const browser = credentials.identityOfSession(session)!;
  // A token of another id is another token, even with the same value.
  const renamed = await sessions.begin(credentials.staticToken('three')!);
  const { anonymous } = credentials;
  const lapsed = () => [...held, browser, anonymous].map((one) => credentials.revocation(one)?.code);
  expect(lapsed()).toEqual(Array(6).fill(undefined));
  config.auth.tokens = [
    { id: 'a', value: 'one', scopes: ['observe'] },
    { id: 'b', value: 'two', scopes: ['observe', 'write'] },
    { id: 'other', value: 'three', scopes: ['observe'] },
    { id: 'd', value: 'changed', scopes: ['observe'] },
  ];
  credentials.reload();
  expect(lapsed()).toEqual([undefined, ...Array<string>(3).fill('unauthorized'), undefined, undefined]);
  expect(identify('two').scopes.has('write')).toBe(true);
  expect([sessions.isAlive(session), sessions.isAlive(renamed.session)]).toEqual([true, false]);
  config.auth.mode = 'open';
  credentials.reload();
  expect(lapsed()).toEqual(Array(6).fill('unauthorized'));
  config.auth.mode = 'none';
  credentials.reload();
  expect(credentials.identify({ headers: { authorization: 'nonsense' } } as never)).toBe(
    credentials.anonymous,
  );
});

it("SESS-3 SESS-13 an agent's identity holds until its token is replaced or it is removed", async () => {
  const { credentials, network, identify } = await lab({
    tokens: [{ id: 'root', value: 'root', scopes: ['admin'] }],
  });
  const admin = identify('root');
  const claim = async (id: string) =>
    (
      await network.execute(
        'agent.register',
        { requested_id: id, via: 'http', loopback: true },
        credentials.anonymous,
      )
    ).registration.agent_token!;
  const token = await claim('eve');
  const identity = identify(token);
  expect([identity.agents, [...identity.scopes]]).toEqual([new Set(['eve']), ['write', 'attach']]);
  expect(identify(token)).toBe(identity);
  expect(credentials.kindOf(identity)).toBe('agent');
  expect(credentials.hasLapsed('eve')).toBe(false);
  const { agent_token } = await network.execute('agent.rotate', { agent_id: 'eve' }, admin);
  expect(credentials.hasLapsed('eve')).toBe(true);
  expect(credentials.revocation(identity)?.code).toBe('unauthorized');
  expect(() => identify(token)).toThrow('not known');
  const next = identify(agent_token!);
  expect(credentials.revocation(next)).toBeUndefined();
  await network.execute('agent.remove', { agent_id: 'eve' }, admin);
  expect(credentials.revocation(next)?.code).toBe('agent_removed');
  expect(() => identify(agent_token!)).toThrow('was removed');
});
