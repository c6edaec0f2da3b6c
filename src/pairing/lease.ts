/**
 * Of the servers on one database one relays for a pairing: the one that has its lease. When it dies, or stands still for
 * as long as the lease is good, another one takes it, and goes on where the stored positions are. RLY-70.
 */
import type { Peers } from '../store/peers.ts';

type Leasing = Pick<Peers, 'lease' | 'release' | 'alive'>;

export interface RelayLeaseOptions {
  name: string;
  /** Undefined where there is one server: then it is ours at once. */
  peers: Leasing | undefined;
  /** Another server can do what this one cannot: it is left to that one. */
  yields(): boolean;
  onTaken(): void;
  /** What it was taken for must have ended when this resolves: then another one may begin. */
  onLost(): Promise<void>;
  /** Milliseconds between two looks whether it is free. */
  every?: number;
}

const EVERY = 1_000;

export class RelayLease {
  readonly #options: RelayLeaseOptions;
  #held = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(options: RelayLeaseOptions) {
    this.#options = options;
  }

  /** Takes it, or looks again and again. Resolves after the first look. */
  async start(): Promise<void> {
    const { peers, every = EVERY } = this.#options;
    if (!peers) return this.#take();
    this.#timer = setInterval(() => void this.look(), every);
    this.#timer.unref();
    await this.look();
  }

  /** False from before another server may have it: asked before everything that only its holder does. */
  get stands(): boolean {
    return this.#held && (this.#options.peers?.alive ?? true);
  }
  get held(): boolean {
    return this.#held;
  }

  /** Something has changed by which it may be taken or left. */
  look(): Promise<void> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  /** Another server may have it: what it was taken for ends at once. */
  lapsed(): void {
    void this.#lose();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
    const { peers, name } = this.#options;
    if (!(await this.#lose())) return;
    await peers?.release(name);
  }

  async #look(): Promise<void> {
    const { peers, name, yields } = this.#options;
    if (!peers || this.#closed) return;
    if (this.#held) {
      if (!peers.alive) await this.#lose();
      else if (yields() && (await this.#lose())) await peers.release(name);
      return;
    }
    if (yields() || !(await peers.lease(name))) return;
    if (this.#closed || !peers.alive) await peers.release(name);
    else this.#take();
  }

  #take(): void {
    this.#held = true;
    this.#options.onTaken();
  }

  async #lose(): Promise<boolean> {
    if (!this.#held) return false;
    this.#held = false;
    await this.#options.onLost();
    return true;
  }
}
