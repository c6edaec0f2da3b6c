/** What can be told to be wrong before an attachment connects (wire.md 12.1): every problem by name, at once. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { resolveToken } from '../config/tokens.ts';
import type { AttachmentConfig } from '../config/types.ts';
import { createClient, RefusedError, type Client } from '../client/http.ts';
import { ATTACH_PROTOCOL, HTTP_PROTOCOL, type Network } from '../protocol/network.ts';
import type { ProbeResult } from '../runtimes/runtime.ts';

export type Preflight =
  | { state: 'ready'; warnings: string[] }
  /** It may come right by itself: a server that is not there yet. */
  | { state: 'wait'; reason: string }
  /** Somebody has to put it right. */
  | { state: 'blocked'; problems: string[] };

/** The token of an attachment, or what is wrong with it. */
export function attachmentToken(
  { auth }: AttachmentConfig,
  env: NodeJS.ProcessEnv,
): { token?: string } | { problem: string } {
  try {
    const token = resolveToken(auth, { env, missing_file: auth.mode === 'open' ? 'none' : 'error' });
    if (token === undefined && auth.mode === 'open' && auth.token_path !== undefined)
      requireWritable(path.dirname(auth.token_path));
    return token === undefined ? {} : { token };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** A first claim in mode open is answered with a token that is shown once: there must be a place for it. */
function requireWritable(dir: string): void {
  let folder = dir;
  for (;;) {
    try {
      accessSync(folder, constants.W_OK);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path.dirname(folder) === folder)
        throw new Error(`${folder} cannot be written, and the agent's token will have to be stored there`, {
          cause: error,
        });
      folder = path.dirname(folder);
    }
  }
}

/** Asks the server and the runtime, at the same time. An aborted signal breaks the question to the server off. */
export async function preflight(
  attachment: AttachmentConfig,
  token: string | undefined,
  ask: () => Promise<ProbeResult>,
  signal: AbortSignal,
): Promise<Preflight> {
  const [server, probe] = await Promise.all([askServer(attachment, token, signal), ask()]);
  const problems = server.state === 'blocked' ? server.problems : [];
  const unready = probe.ready
    ? undefined
    : `the runtime ${attachment.runtime.kind} cannot run: ${probe.reason}`;
  if (!probe.ready && probe.permanent) problems.push(unready!);
  if (problems.length > 0) return { state: 'blocked', problems };
  if (server.state === 'wait') return server;
  return unready === undefined ? server : { state: 'wait', reason: unready };
}

async function askServer(
  attachment: AttachmentConfig,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Preflight> {
  const client: Client = createClient({
    baseUrl: attachment.base_url,
    timeoutMs: 15_000,
    ...(token === undefined ? {} : { token }),
  });
  const close = (): void => client.close();
  signal.addEventListener('abort', close);
  try {
    return judge(attachment, await client.network());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof RefusedError && (error.status === 401 || error.status === 403)) {
      const what =
        error.status === 401
          ? token === undefined
            ? 'it needs a token, and the attachment has none'
            : 'it does not know this token'
          : 'this token may not do that';
      return { state: 'blocked', problems: [`${attachment.base_url} refuses: ${what} (${reason})`] };
    }
    return { state: 'wait', reason };
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}

/** Servers of before the protocol lists have none at all, and pass on their capabilities. */
export function judge(
  attachment: Pick<AttachmentConfig, 'base_url' | 'network_id' | 'dms'>,
  network: Network,
): Preflight {
  const { base_url, network_id, dms } = attachment;
  const { http, attach } = network.protocols ?? {};
  const listed = http !== undefined || attach !== undefined;
  const problems: string[] = [];
  if (network.id !== network_id)
    problems.push(
      `network_id is ${JSON.stringify(network_id)}, the server at ${base_url} is ${JSON.stringify(network.id)}: correct one of the two`,
    );
  if (listed && !http?.includes(HTTP_PROTOCOL))
    problems.push(`the server at ${base_url} does not speak ${HTTP_PROTOCOL}: it is of another version`);
  if (listed && !attach?.includes(ATTACH_PROTOCOL))
    problems.push(`the server at ${base_url} does not speak ${ATTACH_PROTOCOL}: it is of another version`);
  const transport = network.capabilities?.attachment_protocol;
  if (transport !== 'websocket')
    problems.push(
      `the server at ${base_url} offers attachments over ${JSON.stringify(transport ?? 'nothing')}, not over websocket`,
    );
  if (problems.length > 0) return { state: 'blocked', problems };
  const warnings =
    dms.enabled && network.capabilities.direct_messages === false
      ? ['direct messages are enabled here and switched off on the server: none will come']
      : [];
  return { state: 'ready', warnings };
}
