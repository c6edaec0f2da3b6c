/**
 * Where the callbacks of services come in: `POST` with an outcome, signed. Attachments of one process that name the
 * same address share it. Whoever can reach it can send anything: what is not signed with a secret of theirs learns
 * nothing, holds little and changes nothing.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errors, MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { parseObject } from '../json.ts';
import type { Attempt, RuntimeContext, TurnOutcome } from '../runtime.ts';
import { SetupError } from '../setup-error.ts';
import { TurnFailure } from '../turn-line.ts';
import { readOutcome } from './outcome.ts';
import { genuine, timestampOf } from './signature.ts';

export type Callback = Attempt & ({ working: true } | { outcome: TurnOutcome });

/** An attachment whose wakes are called back for. */
export interface CallbackParty {
  /** Undefined when it is missing. */
  secret(): string | undefined;
  /** It has sent such a wake out. */
  knows(attempt: Attempt): boolean;
  /** Once it returns, the callback is taken for good. Throws a MoltnetError. */
  take(callback: Callback, timestamp: number): void;
  log: RuntimeContext['log'];
}

export interface ListenAt {
  host: string;
  port: number;
}

/** Milliseconds for the head of a request, for all of it, and until the next one on its connection. */
const HEAD_MS = 10_000;
const REQUEST_MS = 30_000;
const IDLE_MS = 5000;

interface Listener {
  parties: Set<CallbackParty>;
  listening: Promise<Server>;
}
const listeners = new Map<string, Listener>();

/**
 * Resolves with what takes the party out again (idempotent), when the address is listened at. Rejects with a
 * SetupError, or with a TurnFailure where it is taken by another process, which may pass.
 */
export async function joinListener(at: ListenAt, party: CallbackParty): Promise<() => Promise<void>> {
  const name = `${at.host}|${at.port}`;
  let listener = listeners.get(name);
  if (listener === undefined) {
    const parties = new Set<CallbackParty>();
    listener = { parties, listening: listen(at, parties) };
    listeners.set(name, listener);
  }
  const { parties, listening } = listener;
  parties.add(party);
  const leave = async (): Promise<void> => {
    parties.delete(party);
    if (parties.size > 0 || listeners.get(name)?.parties !== parties) return;
    listeners.delete(name);
    await listening.then(close, () => {});
  };
  try {
    await listening;
  } catch (error) {
    await leave();
    throw error;
  }
  return leave;
}

function listen(at: ListenAt, parties: ReadonlySet<CallbackParty>): Promise<Server> {
  const server = createServer((request, response) => void serve(request, response, parties));
  server.maxConnections = limits.callback_connections.value;
  server.headersTimeout = HEAD_MS;
  server.requestTimeout = REQUEST_MS;
  server.keepAliveTimeout = IDLE_MS;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(notListening(at, error)));
    server.listen(at.port, at.host, () => resolve(server));
  });
}

function notListening({ host, port }: ListenAt, error: NodeJS.ErrnoException): Error {
  if (error.code === 'EADDRINUSE')
    return new TurnFailure(
      `another program listens at ${host}:${port}; end it, or write another runtime.callback_port`,
      { cause: 'config' },
    );
  return new SetupError(
    `callbacks cannot be listened for at ${host}:${port}: ${error.message}; correct runtime.callback_host or runtime.callback_port`,
  );
}

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  parties: ReadonlySet<CallbackParty>,
): Promise<void> {
  const answer = (status: number, value: object, headers: Record<string, string> = {}): void => {
    // What was not read of a request is not waited for.
    const last = request.complete ? {} : { connection: 'close' };
    response
      .writeHead(status, { 'content-type': 'application/json', ...last, ...headers })
      .end(JSON.stringify(value));
  };
  try {
    if (request.method !== 'POST') throw new MoltnetError('method_not_allowed', 'a callback is a POST');
    take(request, await bodyOf(request), parties);
    answer(200, { accepted: true });
  } catch (error) {
    if (request.destroyed && !request.complete) return void response.destroy();
    const refusal =
      error instanceof MoltnetError
        ? error
        : new MoltnetError('service_unavailable', 'the callback could not be kept; send it again');
    const request_id = randomUUID();
    for (const { log } of parties)
      log(error === refusal ? 'debug' : 'warn', `a callback was refused: ${refusal.code}`, {
        request_id,
        ...(error === refusal ? {} : { reason: error instanceof Error ? error.message : String(error) }),
      });
    answer(
      errors[refusal.code].status,
      { code: refusal.code, error: refusal.message, request_id },
      refusal.code === 'method_not_allowed' ? { allow: 'POST' } : {},
    );
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const max = limits.callback_body.value;
  const tooLarge = (): MoltnetError =>
    new MoltnetError('body_too_large', `the body of a callback has at most ${max} bytes`);
  if (Number(request.headers['content-length']) > max) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // An early end must leave the connection to be answered on.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > max) throw tooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function take({ headers }: IncomingMessage, body: Buffer, parties: ReadonlySet<CallbackParty>): void {
  const signers = [...parties].filter((party) => {
    const secret = party.secret();
    return secret !== undefined && genuine(secret, headers, body);
  });
  if (signers.length === 0) throw new MoltnetError('callback_unsigned');
  const timestamp = timestampOf(headers);
  if (!(Math.abs(Date.now() / 1000 - timestamp) <= limits.callback_age.value))
    throw new MoltnetError('callback_stale');
  const callback = read(body);
  // Whose it is, if not theirs, is nothing for them to know.
  const party = signers.find((one) => one.knows(callback));
  if (party === undefined) throw new MoltnetError('wake_not_out');
  party.take(callback, timestamp);
}

/** The type keeps a wake of ours, which is signed with the same secret, from being taken for an answer to it. */
function read(body: Buffer): Callback {
  const said = parseObject(body.toString('utf8'));
  if (said === undefined) throw new MoltnetError('bad_request', 'a callback is a JSON object');
  const { type, wake_id, attempt, working } = said;
  const refuse = (message: string): never => {
    throw new MoltnetError('unprocessable_entity', message);
  };
  if (type !== 'moltnet.outcome.v1') return refuse('type is to be moltnet.outcome.v1');
  if (typeof wake_id !== 'string' || wake_id === '') return refuse('wake_id is to be that of the wake');
  if (!Number.isInteger(attempt)) return refuse('attempt is to be that of the wake, a whole number');
  const of = { wake_id, attempt: attempt as number };
  const outcome = readOutcome(said);
  if (outcome !== undefined) return { ...of, outcome };
  if (working === true) return { ...of, working };
  return refuse('outcome is to be ok or failed; or working true, while there is none');
}
