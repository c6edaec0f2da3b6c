import { expect, it } from 'vitest';
import { ConnectionError, type ConnectionProblem } from './errors.ts';
import type { Answer, Transport } from './http-request.ts';
import { severalServers } from './several-servers.ts';

const answer = (text: string, status = 200): Answer => ({
  status,
  text,
  content_type: 'application/json',
  location: undefined,
  retry_after: undefined,
});
const failure = (problem: ConnectionProblem): ConnectionError =>
  new ConnectionError(problem, problem, { maybe_done: problem === 'broken' || problem === 'timeout' });

/** What GET /v1/network says there, to those without a token and to those with one. */
interface Shows {
  bare: [status: number, text: string];
  token?: [status: number, text: string];
}
const local: Shows = { bare: [200, '{"id":"local"}'] };

/** FAKE servers: each answers its name, or fails as it is told; what they were asked is kept, with `+` for the token. */
function fakes(names: readonly string[], networkId?: string) {
  const state = new Map(
    names.map((name) => [
      name,
      { fails: undefined as ConnectionProblem | undefined, shows: local, status: 200 },
    ]),
  );
  const asked: string[] = [];
  const open = (url: string, token: '+' | ''): Transport => ({
    async exchange(method, path) {
      const { fails, shows, status } = state.get(url)!;
      asked.push(`${url}${token} ${method} ${path}`);
      if (fails) throw failure(fails);
      if (path !== '/v1/network') return answer(url, status);
      const [shown, text] = (token && shows.token) || shows.bare;
      return answer(text, shown);
    },
    close: () => {},
  });
  const transport = severalServers({
    urls: names,
    ...(networkId === undefined ? {} : { networkId }),
    open: (url) => open(url, '+'),
    openBare: (url) => open(url, ''),
  });
  const get = async (method = 'GET', path = '/x'): Promise<string> => {
    const got = await transport.exchange(method, path).catch((error: unknown) => error as ConnectionError);
    return got instanceof Error ? got.problem : got.text;
  };
  return { state, asked, transport, get };
}

it('NODE-35 the first is asked while it answers; then the next, and that one from then on', async () => {
  const { state, asked, get } = fakes(['a', 'b', 'c']);
  expect(await get()).toBe('a');
  state.get('a')!.fails = 'refused';
  state.get('b')!.fails = 'unknown_host';
  expect([await get('POST'), await get('POST')]).toEqual(['c', 'c']);
  expect(asked).toEqual(['a+ GET /x', 'a+ POST /x', 'b+ POST /x', 'c+ POST /x', 'c+ POST /x']);
  state.get('c')!.fails = 'refused';
  state.get('a')!.fails = undefined;
  expect(await get()).toBe('a');
});

it('NODE-35 what may have been done is not asked twice, but for GET; the next request goes to the next server', async () => {
  const { state, asked, get } = fakes(['a', 'b']);
  state.get('a')!.fails = 'broken';
  expect(await get('GET')).toBe('b');
  state.get('b')!.fails = 'timeout';
  state.get('a')!.fails = undefined;
  expect(await get('POST')).toBe('timeout');
  expect(await get('POST')).toBe('a');
  expect(asked.filter((line) => line.includes('POST'))).toEqual(['b+ POST /x', 'a+ POST /x']);
  // An answer is an answer, and a server that cannot serve now says so.
  state.get('a')!.status = 503;
  state.get('b')!.fails = undefined;
  expect([await get(), await get()]).toEqual(['a', 'b']);
});

it('NODE-35 when none answers it is told of each, and the problem is that of the one that was in use', async () => {
  const { state, transport } = fakes(['a', 'b', 'c'], 'local');
  state.get('a')!.fails = 'unreachable';
  state.get('b')!.fails = 'refused';
  state.get('c')!.shows = { bare: [200, '{"id":"elsewhere"}'] };
  const error = await transport.exchange('POST', '/x').catch((each: unknown) => each as ConnectionError);
  expect(error).toMatchObject({ problem: 'unreachable', maybe_done: false });
  expect((error as ConnectionError).message).toMatch(/^unreachable; also: refused; also: .* c .*"elsewhere"/);
});

it('NODE-35 a server that is gone over to is asked for its network once, and another network is asked nothing', async () => {
  const { state, asked, get, transport } = fakes(['a', 'b', 'c'], 'local');
  state.get('a')!.fails = 'refused';
  state.get('b')!.shows = { bare: [200, '{"id":"elsewhere"}'] };
  expect([await get('POST'), await get('POST')]).toEqual(['c', 'c']);
  expect(asked).toEqual(['a+ POST /x', 'b GET /v1/network', 'c GET /v1/network', 'c+ POST /x', 'c+ POST /x']);
  state.get('c')!.fails = 'refused';
  const error = await transport.exchange('POST', '/x').catch((each: unknown) => each as ConnectionError);
  expect(error).toMatchObject({ problem: 'refused' });
  expect(asked.filter((line) => line.startsWith('b'))).toHaveLength(1);
});

it('NODE-36 the token is shown to no server that is not of the network, whatever it answers', async () => {
  const wrong: Shows['bare'][] = [
    [200, '{"id":"elsewhere"}'],
    [200, '{"id":7}'],
    [200, 'null'],
    [200, '<html>'],
    [301, ''],
    [404, '{"code":"not_found","error":"none"}'],
    [401, 'Authorization Required'],
    [403, '{}'],
    [429, '{"code":"rate_limited"}'],
    [503, '{"id":"local"}'],
  ];
  for (const bare of wrong) {
    const { state, asked, get } = fakes(['a', 'b', 'c'], 'local');
    state.get('a')!.fails = 'refused';
    state.get('b')!.shows = { bare, token: [200, '{"id":"local"}'] };
    expect([bare, await get('POST')]).toEqual([bare, 'c']);
    expect(asked.filter((line) => line.startsWith('b'))).toEqual(['b GET /v1/network']);
    // It is not stuck to, and one that could not say it is asked again.
    state.get('b')!.shows = local;
    state.get('c')!.fails = 'refused';
    expect(await get('POST')).toBe(bare[1].includes('elsewhere') ? 'refused' : 'b');
  }
});

it('NODE-36 one that says its network only to those with a token is asked with it, and has to know it', async () => {
  const hidden: Shows['bare'] = [401, '{"code":"unauthorized","error":"a token, please"}'];
  const cases: [Shows['bare'], string][] = [
    [[200, '{"id":"local"}'], 'b'],
    [[403, '{"code":"forbidden","error":"write only"}'], 'b'],
    [[200, '{"id":"elsewhere"}'], 'c'],
    [hidden, 'c'],
    [[503, ''], 'c'],
  ];
  for (const [token, from] of cases) {
    const { state, asked, get } = fakes(['a', 'b', 'c'], 'local');
    state.get('a')!.fails = 'refused';
    state.get('b')!.shows = { bare: hidden, token };
    expect([token, await get('POST')]).toEqual([token, from]);
    const said = asked.filter((line) => line.startsWith('b'));
    expect(said.slice(0, 2)).toEqual(['b GET /v1/network', 'b+ GET /v1/network']);
    expect(said).toHaveLength(from === 'b' ? 3 : 2);
  }
});

it('NODE-35 a server that breaks while it is asked for its network has done nothing: the next one is asked', async () => {
  const { state, get } = fakes(['a', 'b', 'c'], 'local');
  state.get('a')!.fails = 'refused';
  state.get('b')!.fails = 'timeout';
  expect(await get('POST')).toBe('c');
});
