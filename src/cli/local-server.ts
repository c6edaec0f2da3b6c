/**
 * The server of this machine, as its own configuration describes it. Whoever may read that file owns the server, so
 * that its tokens are theirs to use. Nothing of it is loaded before it is needed: `send` of an agent does without.
 */
import { isLoopbackHost, loopbackUrl, parseListenAddress } from '../config/listen.ts';
import type { ServerConfig, StaticToken } from '../config/types.ts';
import type { Io } from './command.ts';
import { Failure } from './failure.ts';

export interface LocalServer {
  /** Where it is reached from this machine. */
  url: string;
  /** Its file, or words that say that there is none. */
  shown: string;
  config: ServerConfig;
}

/** By the file named, or MOLTNET_CONFIG, or the one in the folder, or defaults alone; and the environment. */
export async function localServer(io: Io, file?: string): Promise<LocalServer> {
  const { loadServerConfig } = await import('../config/server.ts');
  const config = loadServerConfig({
    cwd: io.cwd,
    env: io.env,
    ...(file === undefined ? {} : { path: file }),
  });
  const shown = config.path ?? 'this folder, without a server file';
  const url = urlOf(config);
  if (url === undefined)
    throw new Failure(
      `the server of ${shown} listens on ${config.server.listen_addr}, not on this machine's loopback interface`,
      { hint: 'name its address: --base-url URL' },
    );
  return { url, shown, config };
}

/** The same, when it is the one at this address. */
export async function localServerAt(url: string, io: Io): Promise<LocalServer | undefined> {
  const local = await localServer(io).catch(() => undefined);
  return local?.url === url ? local : undefined;
}

/** A server with tokens is reached at any address of its own; one without only by loopback. */
function urlOf({ server, auth }: ServerConfig): string | undefined {
  const address = parseListenAddress(server.listen_addr);
  if (!address) return undefined;
  const { host, port } = address;
  const loopback = loopbackUrl(address);
  if (loopback !== undefined || auth.mode === 'none') return loopback;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export const isThisMachine = (url: string): boolean =>
  isLoopbackHost(new URL(url).hostname.replace(/^\[|\]$/g, ''));

/** Tokens with admin that are not bound to agents, in the file's order. */
export const adminTokens = ({ config: { auth } }: LocalServer): string[] =>
  auth.tokens
    .filter((token) => token.value !== '' && may(token, 'admin') && !token.agents?.length)
    .map(({ value }) => value);

/** The token to look after the server with; undefined in mode none. Throws a Failure when the file has none. */
export function adminToken(server: LocalServer): string | undefined {
  if (server.config.auth.mode === 'none') return undefined;
  const [token] = adminTokens(server);
  if (token === undefined)
    throw new Failure(`${server.shown} has no token with the scope admin`, {
      hint: 'write one under auth.tokens and run moltnet reload, or name one: --token-env NAME',
    });
  return token;
}

/**
 * The token by which the person at this machine speaks or reads: that of the person named, else the only person, else
 * the one who is operator, else one with the scope that belongs to nobody. Undefined in mode none.
 */
export function personToken(
  { shown, config: { auth } }: LocalServer,
  wanted: { as?: string | undefined; speaks: boolean },
): string | undefined {
  if (auth.mode === 'none') return undefined;
  const fits = auth.tokens.filter(
    (token) =>
      !token.agents?.length &&
      (wanted.speaks ? may(token, 'write') : may(token, 'observe') || may(token, 'admin') || token.human),
  );
  const people = fits.filter((token) => token.human);
  const named = people.find(({ human }) => human!.id === wanted.as || human!.name === wanted.as);
  const operators = people.filter((token) => may(token, 'admin'));
  const found =
    wanted.as !== undefined
      ? (named ?? fits.find((token) => !token.human))
      : people.length === 1
        ? people[0]
        : operators.length === 1
          ? operators[0]
          : people.length === 0 || !wanted.speaks
            ? fits[0]
            : undefined;
  if (found) return found.value;
  if (people.length > 0) {
    const names = [...new Set(people.map(({ human }) => human!.id))].join(', ');
    throw new Failure(
      wanted.as === undefined
        ? `${shown} has tokens of several people: ${names}`
        : `${shown} has no token of a person ${JSON.stringify(wanted.as)}, only of ${names}`,
      {
        hint: `say who you are: ${names
          .split(', ')
          .map((name) => `--as ${name}`)
          .join(' or ')}`,
      },
    );
  }
  throw new Failure(
    `${shown} has no token ${wanted.speaks ? 'that may write as a person' : 'that may read'}`,
    {
      hint: `write one under auth.tokens (scopes: [observe, write], human: {id: …}) and run moltnet reload, or name one: --token-env NAME`,
    },
  );
}

const may = (token: StaticToken, scope: string): boolean => token.scopes.includes(scope);
