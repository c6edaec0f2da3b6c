/** The links of all pairings: those that this server keeps open, and those that others keep to it. */
import { WebSocket } from 'ws';
import type { Transport } from '../client/http-request.ts';
import { hashSecret } from '../protocol/credentials.ts';
import { LINK_PATH } from '../protocol/pairings.ts';
import { Link, LINK_FRAME } from './link.ts';
import type { PairingSpec } from './spec.ts';
import { backoff } from './waiting.ts';

export interface LinksOptions {
  /** hashSecret of what a pairing sends to us. */
  tokenHash(pairing_id: string): string | undefined;
  /** Asks this very server, as the holder of the token. */
  serve(token: string): Transport;
  /** A link has opened or closed. */
  onChange(pairing_id: string): void;
}

const LONGEST_WAIT = 15_000;

export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();
  readonly #dialers = new Map<string, { spec: PairingSpec; stop(): void }>();
  readonly #awaited = new Map<string, PairingSpec>();
  #closed = false;

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** The way to a pairing by its link, while it is open. */
  transport(pairing_id: string): Transport | undefined {
    const link = this.#links.get(pairing_id);
    return link?.open ? link.transport : undefined;
  }

  /** `wanted`: those whose links this server keeps, or may be kept to it; one of each pairing. */
  settle(wanted: readonly PairingSpec[]): void {
    const specs = new Map(wanted.map((spec) => [spec.id, spec]));
    for (const [id, { spec, stop }] of this.#dialers)
      if (specs.get(id)?.link !== 'dial' || specs.get(id)?.token !== spec.token) {
        this.#dialers.delete(id);
        stop();
        this.#links.get(id)?.close();
      }
    for (const [id, spec] of this.#awaited)
      if (specs.get(id)?.link !== 'await' || specs.get(id)?.token !== spec.token) {
        this.#awaited.delete(id);
        this.#links.get(id)?.close();
      }
    for (const spec of specs.values()) {
      if (spec.link === 'await') this.#awaited.set(spec.id, spec);
      if (spec.link === 'dial' && !spec.needs_pairing && !this.#dialers.has(spec.id) && !this.#closed)
        this.#dialers.set(spec.id, { spec, stop: this.#dial(spec) });
    }
  }

  /** Whether this pairing may keep a link to us. */
  awaits(pairing_id: string): boolean {
    return this.#awaited.has(pairing_id) && !this.#closed;
  }

  /** A socket of a pairing that is known by its token. It takes the place of an earlier one. */
  take(pairing_id: string, socket: WebSocket): void {
    const spec = this.#awaited.get(pairing_id);
    if (!spec?.token) return socket.terminate();
    this.#open(spec, socket);
  }

  close(): void {
    this.#closed = true;
    for (const { stop } of this.#dialers.values()) stop();
    for (const link of this.#links.values()) link.close();
  }

  #open(spec: PairingSpec, socket: WebSocket, onOpen = (): void => {}): Link {
    const { tokenHash, serve, onChange } = this.#options;
    const { id } = spec;
    const before = this.#links.get(id);
    const link = new Link({
      socket,
      token: spec.token!,
      knows: (token) => hashSecret(token) === tokenHash(id),
      serve,
      onOpen() {
        onOpen();
        onChange(id);
      },
      onClose: () => {
        if (this.#links.get(id) === link) this.#links.delete(id);
        onChange(id);
      },
    });
    this.#links.set(id, link);
    before?.close();
    return link;
  }

  /** Keeps a link open until it is stopped. */
  #dial(spec: PairingSpec): () => void {
    let stopped = false;
    let failures = 0;
    let timer: NodeJS.Timeout | undefined;
    let socket: WebSocket | undefined;
    const again = (): void => {
      if (stopped) return;
      timer = setTimeout(connect, backoff(++failures, { most: LONGEST_WAIT }));
      timer.unref();
    };
    const connect = (): void => {
      const address = `${spec.base_url!.replace(/^http/, 'ws')}${LINK_PATH}`;
      socket = new WebSocket(address, {
        headers: { authorization: `Bearer ${spec.token}` },
        handshakeTimeout: 10_000,
        perMessageDeflate: false,
        maxPayload: LINK_FRAME,
        followRedirects: false,
      });
      const opening = socket;
      opening.once('open', () => {
        if (stopped) return opening.terminate();
        // One that is hung up on before both know each other is a failure like any other.
        this.#open(spec, opening, () => (failures = 0));
      });
      opening.on('error', () => opening.terminate());
      opening.once('close', again);
    };
    connect();
    return () => {
      stopped = true;
      clearTimeout(timer);
      socket?.terminate();
    };
  }
}
