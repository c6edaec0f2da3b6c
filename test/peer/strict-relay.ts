/**
 * The sending half of a pairing of the original, written from wire.md 0.3 and 8: it checks the other's network document as
 * the original does, posts a message with its origin, and notes what would have put the pairing into `error`.
 */
interface RelayedMessage {
  id: string;
  target: Record<string, unknown>;
  from: { type: string; id: string };
  parts: Record<string, unknown>[];
  mentions?: string[];
}

export class StrictRelay {
  readonly broken: string[] = [];
  status: 'unknown' | 'connected' | 'degraded' | 'incompatible' | 'error' = 'unknown';
  readonly #url: string;
  readonly #network: string;
  readonly #token: string | undefined;
  /** Milliseconds, as the test says: for the 30 s of silence after an error, and the 5 min of a check. */
  now = 0;
  /** Messages that were never sent, because the pairing was in error (wire.md 8.1). */
  readonly suppressed: string[] = [];
  #failedAt = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(url: string, network: string, token?: string) {
    this.#url = url;
    this.#network = network;
    this.#token = token;
  }

  /** wire.md 8.3: the first failing check decides. */
  async check(remote: string): Promise<void> {
    const document = (await this.#fetch('/v1/network')) as {
      id?: string;
      protocols?: Record<string, string[]>;
      capabilities?: { direct_messages?: boolean };
    };
    if (document.id !== remote) this.status = 'incompatible';
    else if (!document.protocols?.http?.includes('moltnet.http.v1')) this.status = 'incompatible';
    else if (!document.protocols?.pair?.includes('moltnet.pair.v1')) this.status = 'incompatible';
    else this.status = document.capabilities?.direct_messages ? 'connected' : 'degraded';
  }

  /** As the original does it with each message: silent for 30 s after an error, a check when it is needed, one attempt. */
  async offer(message: RelayedMessage, remote: string): Promise<boolean | undefined> {
    if (this.status === 'error' && this.now - this.#failedAt < 30_000) {
      this.suppressed.push(message.id);
      return undefined;
    }
    if (this.status === 'error' || this.status === 'unknown' || this.now - this.#checkedAt > 300_000) {
      await this.check(remote);
      this.#checkedAt = this.now;
    }
    const answer = await this.relay(message);
    if (!answer) this.#failedAt = this.now;
    return answer?.accepted;
  }

  /** One attempt, 5 s; any answer that is not 2xx JSON puts the pairing into `error`. */
  async relay(
    message: RelayedMessage,
  ): Promise<{ message_id: string; event_id: string; accepted: boolean } | undefined> {
    const body = {
      id: message.id,
      origin: { network_id: this.#network, message_id: message.id },
      target: message.target,
      from: {
        ...message.from,
        network_id: this.#network,
        fqid: `molt://${this.#network}/agents/${message.from.id}`,
      },
      parts: message.parts,
      ...(message.mentions ? { mentions: message.mentions } : {}),
    };
    try {
      return (await this.#fetch('/v1/messages', JSON.stringify(body))) as {
        message_id: string;
        event_id: string;
        accepted: boolean;
      };
    } catch (error) {
      this.status = 'error';
      this.broken.push(String(error));
      return undefined;
    }
  }

  async #fetch(path: string, body?: string): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body }),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      },
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    if (Buffer.byteLength(text) > 1_048_576) throw new Error(`0.1.8 ${path}: a body over 1 MiB`);
    return JSON.parse(text);
  }
}
