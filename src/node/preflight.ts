/** What can be told to be wrong before an attachment connects (wire.md 12.1): every problem by name, at once. */
import type { AttachmentConfig } from '../config/types.ts';
import { ConnectionError, createClient, RefusedError, type Client } from '../client/http.ts';
import { ATTACH_PROTOCOL, HTTP_PROTOCOL, type Network } from '../protocol/network.ts';
import type { ProbeResult } from '../runtimes/runtime.ts';
import type { AttachmentCredential } from './credential.ts';
import { withAdvice } from './refusals.ts';

export type Preflight =
  | { state: 'ready'; warnings: string[] }
  /** It may come right by itself: a server that is not there yet. */
  | { state: 'wait'; reason: string; retry_after?: number }
  /** Somebody has to put it right. */
  | { state: 'blocked'; problems: string[]; code?: string };

export type PreflightCredential = Pick<AttachmentCredential, 'token' | 'claims'>;

/**
 * Asks the server and the runtime, at the same time. An aborted signal breaks the question to the server off.
 * `gone_over`: to one of `other_urls`, which is shown the token when it has said that it is of this network, or has
 * refused to say it to those without one.
 */
export async function preflight(
  attachment: AttachmentConfig,
  credential: PreflightCredential,
  ask: () => Promise<ProbeResult>,
  { signal, gone_over }: { signal: AbortSignal; gone_over: boolean },
): Promise<Preflight> {
  const [server, probe] = await Promise.all([askServer(attachment, credential, signal, gone_over), ask()]);
  if (probe.ready || server.state === 'wait') return server;
  const unready = `the runtime ${attachment.runtime.kind} cannot run: ${probe.reason}`;
  if (server.state === 'blocked')
    return probe.permanent ? { ...server, problems: [...server.problems, unready] } : server;
  // It attaches and says so. Where somebody has to put it right, what is said to it comes back as failed at once, with
  // the reason; what may come right by itself is waited for, and so is what is said to it.
  const warning = probe.permanent ? unready : `${unready}; it is waited for`;
  return { ...server, warnings: [...server.warnings, warning] };
}

async function askServer(
  attachment: AttachmentConfig,
  { token, claims }: PreflightCredential,
  signal: AbortSignal,
  goneOver: boolean,
): Promise<Preflight> {
  const open = (shown: string | undefined): Client =>
    createClient({
      baseUrl: attachment.base_url,
      timeoutMs: 15_000,
      ...(shown === undefined ? {} : { token: shown }),
    });
  const client = open(token);
  const bare = open(undefined);
  const close = (): void => [client, bare].forEach((each) => each.close());
  signal.addEventListener('abort', close);
  try {
    if (goneOver && token !== undefined) {
      const told = await bare.network().catch(keepsToItself);
      const judged = told && judge(attachment, told);
      if (judged && judged.state !== 'ready') return judged;
    }
    const network = await client.network();
    const judged = judge(attachment, network);
    const minting = network.capabilities?.agent_registration === 'open' && token === undefined && !claims;
    if (judged.state !== 'ready' || !minting || (await isModeNone(client))) return judged;
    return { state: 'blocked', problems: [`${attachment.base_url} ${NO_PLACE}`] };
  } catch (error) {
    const reason = messageOf(error);
    if (!(error instanceof RefusedError)) return { state: 'wait', reason };
    const { status, wire_code: code, retry_after } = error;
    if (status !== 401 && status !== 403)
      return { state: 'wait', reason, ...(retry_after === undefined ? {} : { retry_after }) };
    // It may show itself to nobody, and still let a new agent claim its id: IDENTIFY will tell.
    if (claims) return { state: 'ready', warnings: [] };
    const what =
      status === 401
        ? token === undefined
          ? 'it needs a token, and the attachment has none'
          : 'it does not know this token'
        : 'this token may not do that';
    const told = `${attachment.base_url} refuses: ${what} (${reason})`;
    const known = token === undefined ? undefined : code;
    return { state: 'blocked', problems: [withAdvice(told, known, attachment)], code };
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}

/** Refused without a token, in the words of a Moltnet server. */
function keepsToItself(error: unknown): undefined {
  if (error instanceof RefusedError && [401, 403].includes(error.status) && error.wire_code !== '') return;
  throw error;
}

const NO_PLACE =
  'gives each agent a token of its own, and there is no place for it: set auth_mode: open and a token_path for this attachment';

/** Servers that cannot say do hand out tokens. */
const isModeNone = (client: Client): Promise<boolean> =>
  client.identity().then(
    ({ mode }) => mode === 'none',
    (error: unknown) => {
      if (error instanceof ConnectionError && error.problem !== 'bad_answer') throw error;
      return false;
    },
  );

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

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
