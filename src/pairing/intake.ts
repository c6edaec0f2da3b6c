/** What paired networks bring: within their quotas, counted, and answered so that each kind of peer goes on. */
import type { Identity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { isId, messageEventId } from '../protocol/ids.ts';
import type { MessageAccepted, SendMessageRequest } from '../protocol/messages.ts';
import type { RelayAnswer, RelayItem } from '../protocol/pairings.ts';
import { storableText } from '../protocol/text.ts';
import { costOf, costOfJoining, type Quota } from './quota.ts';
import type { PairingRelay } from './relay.ts';

export interface IntakeOptions {
  network: Network;
  quota: Quota;
  relay(pairing_id: string): PairingRelay | undefined;
  clock?: () => number;
}

/** Bytes of the event that a message was removed. */
const REDACTION = 1_024;

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * A message of another network, as one of our pairings brings it. Rejects with MoltnetError.
   * @param plain the other server does not know RELAY_HEADER: what is not taken is answered as not accepted
   * @param limit throws when the caller has asked too often
   */
  async take(
    identity: Identity,
    request: SendMessageRequest,
    plain: boolean,
    limit: () => void,
  ): Promise<MessageAccepted> {
    const from = (request.origin?.network_id ?? '').trim();
    const pairing_id = this.#pairingOf(identity, from);
    try {
      limit();
      const accepted = await this.#within(pairing_id, this.#cost(from, request), 1, () =>
        this.#options.network.execute('message.send', { request }, identity),
      );
      this.#relay(pairing_id)?.countReceived();
      return accepted;
    } catch (error) {
      if (!(error instanceof MoltnetError) || error.status >= 500 || error.status === 401) throw error;
      this.#count(pairing_id, error.code, error.message);
      if (!plain || !identity.scopes.has('pair')) throw error;
      const message_id =
        [request.id?.trim(), request.origin?.message_id?.trim()].find((id) => id && isId(id)) ?? '';
      return {
        message_id,
        event_id: message_id === '' ? '' : messageEventId(message_id),
        accepted: false,
        thread_created: false,
        dm_created: false,
      };
    }
  }

  /** Several, of one network: a result for each. Rejects with MoltnetError, and then none is taken. */
  async takeItems(identity: Identity, items: readonly RelayItem[], limit: () => void): Promise<RelayAnswer> {
    const networks = new Set(
      items.map((item) =>
        (('message' in item ? item.message.origin : item.redaction)?.network_id ?? '').trim(),
      ),
    );
    const [from = ''] = networks;
    if (networks.size > 1)
      throw new MoltnetError('unprocessable_entity', 'items: of one network, which has paired');
    const pairing_id = this.#pairingOf(identity, from);
    limit();
    let bytes = 0;
    for (const item of items) bytes += 'message' in item ? this.#cost(from, item.message) : REDACTION;
    const answer = await this.#within(pairing_id, bytes, items.length, () =>
      this.#options.network.execute('relay.take', { items }, identity),
    );
    for (const { accepted, code = '', error = '' } of answer.results) {
      if (accepted) this.#relay(pairing_id)?.countReceived();
      else this.#count(pairing_id, code, error);
    }
    return answer;
  }

  async #within<T>(
    pairing_id: string | undefined,
    bytes: number,
    messages: number,
    run: () => Promise<T>,
  ): Promise<T> {
    if (pairing_id === undefined) return run();
    const { quota } = this.#options;
    await quota.take(pairing_id, bytes, messages);
    try {
      return await run();
    } catch (error) {
      quota.giveBack(pairing_id, bytes);
      throw error;
    }
  }

  #cost(from: string, request: SendMessageRequest): number {
    return costOf(request) + costOfJoining(this.#options.network.topology, from, request);
  }

  #pairingOf(identity: Identity, network: string): string | undefined {
    return (identity.pairing ?? this.#options.network.topology.pairingOf(network))?.id;
  }
  #relay(pairing_id: string | undefined): PairingRelay | undefined {
    return pairing_id === undefined ? undefined : this.#options.relay(pairing_id);
  }
  #count(pairing_id: string | undefined, code: string, reason: string): void {
    const at = new Date((this.#options.clock ?? Date.now)()).toISOString();
    this.#relay(pairing_id)?.countNotTaken({ code, reason: storableText(reason, 300), at });
  }
}
