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

/** FAKE servers: each answers its name, or fails as it is told; what they were asked is kept. */
function fakes(names: readonly string[], networkId?: string) {
  const state = new Map(
    names.map((name) => [
      name,
      { fails: undefined as ConnectionProblem | undefined, network: 'local', status: 200 },
    ]),
  );
  const asked: string[] = [];
  const transport = severalServers({
    urls: names,
    ...(networkId === undefined ? {} : { networkId }),
    open: (url): Transport => ({
      async exchange(method, path) {
        const { fails, network, status } = state.get(url)!;
        asked.push(`${url} ${method} ${path}`);
        if (fails) throw failure(fails);
        return path === '/v1/network' ? answer(JSON.stringify({ id: network })) : answer(url, status);
      },
      close: () => void asked.push(`${url} closed`),
    }),
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
  expect(asked).toEqual(['a GET /x', 'a POST /x', 'b POST /x', 'c POST /x', 'c POST /x']);
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
  expect(asked.filter((line) => line.includes('POST'))).toEqual(['b POST /x', 'a POST /x']);
  // An answer is an answer, and a server that cannot serve now says so.
  state.get('a')!.status = 503;
  state.get('b')!.fails = undefined;
  expect([await get(), await get()]).toEqual(['a', 'b']);
});

it('NODE-35 when none answers the reason of the first is told', async () => {
  const { state, get } = fakes(['a', 'b']);
  state.get('a')!.fails = 'unreachable';
  state.get('b')!.fails = 'refused';
  expect(await get('POST')).toBe('unreachable');
});

it('NODE-35 a server that is gone over to is asked for its network once, and another network is asked nothing', async () => {
  const { state, asked, get, transport } = fakes(['a', 'b', 'c'], 'local');
  state.get('a')!.fails = 'refused';
  state.get('b')!.network = 'elsewhere';
  expect([await get('POST'), await get('POST')]).toEqual(['c', 'c']);
  expect(asked).toEqual(['a POST /x', 'b GET /v1/network', 'c GET /v1/network', 'c POST /x', 'c POST /x']);
  state.get('c')!.fails = 'refused';
  const error = await transport.exchange('POST', '/x').catch((each: unknown) => each as ConnectionError);
  expect(error).toMatchObject({ problem: 'refused' });
  expect(asked.filter((line) => line.startsWith('b '))).toHaveLength(1);
});
