/**
 * Several servers of one network as one: what cannot have reached a server is asked of the next one, and the one that
 * answered is asked first from then on. What may have been done is not asked twice, but for GET. A server that is gone
 * over to first says, without being shown the token, that it is of this network.
 */
import { ConnectionError } from './errors.ts';
import type { Answer, Transport } from './http-request.ts';

export interface SeveralServersOptions {
  /** In the order in which they are tried; at least one. */
  urls: readonly string[];
  open: (url: string) => Transport;
  /** As `open`, without the token. */
  openBare: (url: string) => Transport;
  /** A server that is gone over to and is not of this network is asked nothing. */
  networkId?: string;
}

const DOCUMENT = '/v1/network';

export function severalServers({ urls, open, openBare, networkId }: SeveralServersOptions): Transport {
  const transports = urls.map(open);
  /** Of those that were gone over to and have said of which network they are; undefined: of this one. */
  const known = new Map<number, ConnectionError | undefined>([[0, undefined]]);
  let current = 0;

  async function exchange(method: string, path: string, body?: string): Promise<Answer> {
    const failures: ConnectionError[] = [];
    for (let tried = 0; tried < urls.length; tried++) {
      const at = (current + tried) % urls.length;
      try {
        await require(at);
        const answer = await transports[at]!.exchange(method, path, body);
        // One that stops, or does not follow the others, says so: what is asked next is asked of another.
        current = [502, 503, 504].includes(answer.status) ? (at + 1) % urls.length : at;
        return answer;
      } catch (error) {
        if (!(error instanceof ConnectionError) || error.problem === 'closed') throw error;
        if (error.maybe_done && method !== 'GET') {
          current = (at + 1) % urls.length;
          throw error;
        }
        failures.push(error);
      }
    }
    throw allOf(failures);
  }

  /** Throws ConnectionError for a server of another network, and for one that does not say now of which it is. */
  async function require(at: number): Promise<void> {
    if (networkId === undefined) return;
    if (!known.has(at)) {
      const url = urls[at]!;
      const told = await ask(at).catch((error: unknown) => {
        // Only the document was asked for.
        throw error instanceof ConnectionError ? unasked(error) : error;
      });
      if (told === 'later') throw notNow(url);
      if (told === 'no_document') throw anotherNetwork(url, undefined, networkId);
      known.set(
        at,
        told === 'known' || told.id === networkId ? undefined : anotherNetwork(url, told.id, networkId),
      );
    }
    const problem = known.get(at);
    if (problem) throw problem;
  }

  /** The token goes only to a server that has refused to say it to those without one. */
  async function ask(at: number): Promise<Told> {
    const bare = openBare(urls[at]!);
    try {
      const told = toldBy(await bare.exchange('GET', DOCUMENT));
      if (told !== 'refused') return told;
    } finally {
      bare.close();
    }
    const answer = await transports[at]!.exchange('GET', DOCUMENT);
    const told = toldBy(answer);
    if (told !== 'refused') return told;
    // Who may only write is known there, and not told: 403. Who is not known is of another network.
    return answer.status === 403 ? 'known' : { id: undefined };
  }

  return {
    exchange,
    close: () => transports.forEach((transport) => transport.close()),
  };
}

type Told = { id: string | undefined } | 'known' | 'later' | 'no_document';

/** What an answer to GET /v1/network says of the server's network. */
function toldBy({ status, text }: Answer): Exclude<Told, 'known'> | 'refused' {
  if (status === 429 || status >= 500) return 'later';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'no_document';
  }
  const { id, code } = (value ?? {}) as { id?: unknown; code?: unknown };
  if (status === 200 && typeof id === 'string') return { id };
  return (status === 401 || status === 403) && typeof code === 'string' ? 'refused' : 'no_document';
}

const anotherNetwork = (url: string, id: string | undefined, wanted: string): ConnectionError =>
  new ConnectionError(
    'another_network',
    `the server at ${url} is not of the network ${JSON.stringify(wanted)} but ${id === undefined ? 'something else, or does not know this token' : `of ${JSON.stringify(id)}`}; correct other_urls`,
    { maybe_done: false },
  );

const notNow = (url: string): ConnectionError =>
  new ConnectionError('unreachable', `the server at ${url} does not say now of which network it is`, {
    maybe_done: false,
  });

const unasked = ({ problem, message, cause }: ConnectionError): ConnectionError =>
  new ConnectionError(problem, message, { maybe_done: false, cause });

/** The first was in use: its problem stands for all. */
function allOf(failures: readonly ConnectionError[]): ConnectionError {
  const [first, ...others] = failures;
  if (others.length === 0) return first!;
  const message = failures.map((each) => each.message).join('; also: ');
  const maybe_done = failures.some((each) => each.maybe_done);
  return new ConnectionError(first!.problem, message, { maybe_done, cause: first });
}
