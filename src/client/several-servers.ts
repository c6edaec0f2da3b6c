/**
 * Several servers of one network as one: what cannot have reached a server is asked of the next one, and the one that
 * answered is asked first from then on. What may have been done is not asked twice, but for GET.
 */
import { ConnectionError } from './errors.ts';
import type { Answer, Transport } from './http-request.ts';

export interface SeveralServersOptions {
  /** In the order in which they are tried; at least one. */
  urls: readonly string[];
  open: (url: string) => Transport;
  /** A server that is gone over to and is not of this network is asked nothing. */
  networkId?: string;
}

export function severalServers({ urls, open, networkId }: SeveralServersOptions): Transport {
  const transports = urls.map(open);
  /** Of those that were gone over to; undefined: not looked at yet, or it did not answer. */
  const problems = new Map<number, ConnectionError | undefined>([[0, undefined]]);
  let current = 0;

  async function exchange(method: string, path: string, body?: string): Promise<Answer> {
    let failure: unknown;
    for (let tried = 0; tried < urls.length; tried++) {
      const at = (current + tried) % urls.length;
      try {
        await require(at);
        const answer = await transports[at]!.exchange(method, path, body);
        // One that stops, or does not follow the others, says so: what is asked next is asked of another.
        current = [502, 503, 504].includes(answer.status) ? (at + 1) % urls.length : at;
        return answer;
      } catch (error) {
        // Of several the first reason is told: that of the server which was in use.
        failure ??= error;
        if (!(error instanceof ConnectionError) || error.problem === 'closed') throw error;
        if (error.maybe_done && method !== 'GET') {
          current = (at + 1) % urls.length;
          throw error;
        }
      }
    }
    throw failure;
  }

  /** Throws ConnectionError for a server of another network. One that does not tell its network decides by the token. */
  async function require(at: number): Promise<void> {
    if (networkId !== undefined && !problems.has(at)) {
      const { status, text } = await transports[at]!.exchange('GET', '/v1/network');
      const id = status === 200 ? idOf(text) : networkId;
      problems.set(at, id === networkId ? undefined : anotherNetwork(urls[at]!, id, networkId));
    }
    const problem = problems.get(at);
    if (problem) throw problem;
  }

  return {
    exchange,
    close: () => transports.forEach((transport) => transport.close()),
  };
}

const anotherNetwork = (url: string, id: string | undefined, wanted: string): ConnectionError =>
  new ConnectionError(
    'another_network',
    `the server at ${url} is not of the network ${JSON.stringify(wanted)} but ${id === undefined ? 'something else' : `of ${JSON.stringify(id)}`}; correct other_urls`,
    { maybe_done: false },
  );

function idOf(text: string): string | undefined {
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}
