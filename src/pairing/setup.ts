/** Pairing by a code: the two commands `pair invite` and `pair accept`, as the two servers carry them out. */
import { createClient } from '../client/http.ts';
import { ConnectionError, RefusedError } from '../client/errors.ts';
import { server, type Identity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { pairedAs, requireOwnName } from '../network/pairing-names.ts';
import { hashSecret, newPairToken, pairingProof } from '../protocol/credentials.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { PairingExchanged, type PairingExchangeRequest, type PairingInvite } from '../protocol/pairings.ts';
import { decodePairingCode, encodePairingCode } from './code.ts';
import { shownOf } from './foreign-answers.ts';

export interface InviteOptions {
  rooms: string[];
  expires_in?: number | undefined;
  /** Where this server is reached by the other. */
  url: string;
}

export async function invite(
  network: Network,
  identity: Identity,
  options: InviteOptions,
): Promise<PairingInvite> {
  const { rooms, expires_in, url } = options;
  const made = await network.execute(
    'pairing.invite',
    { rooms, ...(expires_in !== undefined && { expires_in }) },
    identity,
  );
  const { id, secret, fingerprint, expires_at } = made;
  const code = encodePairingCode({
    url,
    network_id: network.settings.id,
    secret,
    fingerprint,
    rooms: made.rooms,
    expires_at,
  });
  return { id, code, rooms: made.rooms, expires_at };
}

export interface AcceptOptions {
  code: string;
  /** Where the other server reaches this one; without it this one keeps a link. */
  url?: string | undefined;
  /** Private rooms of this network that may be shared. */
  rooms?: readonly string[] | undefined;
  /** That it is the network that is paired already need not be shown: the operator says so. */
  again?: boolean | undefined;
  clock?: () => number;
}

/** Resolves when both sides have stored the pairing. Rejects with MoltnetError; then this side has not. */
export async function accept(
  network: Network,
  identity: Identity,
  { code: text, url, rooms = [], again = false, clock = Date.now }: AcceptOptions,
): Promise<{ pairing_id: string; rooms: string[] }> {
  const code = decodePairingCode(text);
  const { settings, topology } = network;
  if (Date.parse(code.expires_at) <= clock())
    throw new MoltnetError(
      'invalid_pairing_code',
      `the code has expired at ${code.expires_at}: ask for a new one`,
    );
  if (code.network_id === settings.id)
    throw new MoltnetError(
      'conflict',
      `the code is of a network that is called ${code.network_id} as this one is: one of the two needs another network.id`,
    );
  const closed = code.rooms.filter(
    (id) => topology.room(id)?.row.visibility === 'private' && !rooms.includes(id),
  );
  if (closed.length > 0)
    throw new MoltnetError(
      'conflict',
      `${closed.join(', ')}: a private room here has this name; to share it with ${code.network_id}, name it: --room ${closed[0]}`,
    );
  // Before anything is said to the other side, which would have stored it.
  requireOwnName(topology, code.network_id, code.rooms, 'operator');
  const token = newPairToken();
  const before = pairedAs(topology, code.network_id);
  const given = await exchange(code.url, {
    ...(before?.token && { proof: pairingProof(hashSecret(before.token), code.secret, 'request') }),
    secret: code.secret,
    network_id: settings.id,
    network_name: settings.name,
    token,
    base_url: url,
  });
  if (given.network_id !== code.network_id || given.fingerprint !== code.fingerprint)
    throw new MoltnetError(
      'invalid_pairing_code',
      `at ${code.url} another network answers than the one that made the code; end what it has stored there`,
    );
  const shown = before && given.proof === pairingProof(before.token_hash, code.secret, 'answer');
  if (before && !shown && !again)
    throw new MoltnetError(
      'conflict',
      `${code.network_id} is paired here already, and what answers at ${code.url} does not show that it is the same network. If you know that it is, ask for a new code and accept it with --again`,
    );
  // Those of the code, each once.
  const granted = new Map(
    given.rooms.filter(({ id }) => code.rooms.includes(id)).map((room) => [room.id, room]),
  );
  const { pairing_id } = await network.execute(
    'pairing.accept',
    {
      network_id: given.network_id,
      network_name: given.network_name,
      base_url: code.url,
      token: given.token,
      token_hash: hashSecret(token),
      link: url === undefined,
      rooms: [...granted.values()],
    },
    identity,
  );
  return { pairing_id, rooms: [...granted.keys()] };
}

/** Bytes. */
const ANSWER = 1_048_576;

async function exchange(url: string, request: PairingExchangeRequest): Promise<PairingExchanged> {
  const client = createClient({ baseUrl: url, maxBytes: ANSWER });
  try {
    // Whoever made the code may answer anything.
    const { data } = PairingExchanged.safeParse(await client.exchangePairing(request));
    if (data) return data;
    throw new MoltnetError('bad_gateway', `${url} does not answer as a server that pairs`);
  } catch (error) {
    if (error instanceof ConnectionError)
      throw new MoltnetError('bad_gateway', error.message, { cause: error });
    if (error instanceof RefusedError)
      throw new MoltnetError(
        error.status < 500 ? error.code : 'bad_gateway',
        `${url} says: ${shownOf(error.message)}`,
        { cause: error },
      );
    throw error;
  } finally {
    client.close();
  }
}

/** The other half of it, at the server that has invited. */
export async function exchanged(
  network: Network,
  request: PairingExchangeRequest,
): Promise<PairingExchanged> {
  const { secret, network_id, network_name, token, base_url, proof } = request;
  return network.execute(
    'pairing.exchange',
    { secret, network_id, network_name, token, base_url, proof },
    server,
  );
}
