/** The two ways of being delivered to, whichever a server speaks: the delivery protocol, or that of the original (wire.md 6). */
import type { AttachmentSocket } from '../client/attachment.ts';
import type { Client } from '../client/http.ts';
import type { AttachmentConfig } from '../config/types.ts';
import { DeliveryLink } from './delivery.ts';
import { LegacyLink } from './legacy.ts';
import { LegacyState, stateFile } from './legacy-state.ts';
import type { NodeTimes } from './times.ts';
import type { AttachmentTurns } from './attachment-turns.ts';

export interface LinksOptions {
  config: AttachmentConfig;
  stateDir: string;
  times: NodeTimes;
  host: AttachmentTurns['host'];
  /** The client of now: it may be another after a claim, or at another server. */
  client: () => Client;
  warn: (message: string) => void;
}

/** They outlive connections: what was begun over one goes on over the next. */
export class Links {
  readonly #options: LinksOptions;
  #delivery: DeliveryLink | undefined;
  #legacy: LegacyLink | undefined;
  #state: LegacyState | undefined;

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** Where a server without the delivery protocol is to begin. */
  get cursor(): string | undefined {
    return this.#legacyState.cursor;
  }

  connected(delivery: boolean, socket: AttachmentSocket): DeliveryLink | LegacyLink {
    const { config, host, times, client, warn } = this.#options;
    const rooms = config.bootstrap
      ? config.rooms.filter(({ wake }) => wake !== 'never').map(({ id }) => id)
      : [];
    if (delivery) {
      this.#delivery ??= new DeliveryLink(host, times);
      this.#delivery.connected(socket);
      if (rooms.length > 0) socket.bootstrap(rooms);
      return this.#delivery;
    }
    this.#legacy ??= new LegacyLink({
      ...host,
      get client() {
        return client();
      },
      state: this.#legacyState,
      warn,
    });
    this.#legacy.connected(socket, rooms);
    return this.#legacy;
  }

  close(): void {
    this.#legacy?.close();
  }

  get #legacyState(): LegacyState {
    const { stateDir, config, warn } = this.#options;
    let told = false;
    return (this.#state ??= new LegacyState(
      stateFile(stateDir, config.network_id, config.agent.id),
      (error) => {
        const reason = error instanceof Error ? error.message : String(error);
        if (!told) warn(`the node's memory of this server cannot be kept: ${reason}`);
        told = true;
      },
    ));
  }
}
