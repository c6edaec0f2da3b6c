/** The servers of an attachment's network, of which one is in use: `base_url` at first, the others when it does not answer. */
import type { AttachmentConfig } from '../config/types.ts';
import type { RuntimeContext } from '../runtimes/runtime.ts';
import type { Preflight } from './preflight.ts';

export type ServerUrls = Pick<AttachmentConfig, 'base_url' | 'other_urls'>;
/** Why an attachment cannot be made now. */
export type Obstacle =
  | { reason: string; retry_after?: number | undefined }
  | { problems: string[]; code?: string | undefined };

export interface ServersOptions {
  config: AttachmentConfig;
  /** What it is like to attach there. */
  look: (at: AttachmentConfig) => Promise<Preflight>;
  log: RuntimeContext['log'];
}

export class Servers {
  readonly #options: ServersOptions;
  readonly #urls: readonly string[];
  /** Those that cannot be gone over to, as far as it was said. */
  readonly #refused = new Set<string>();
  #at = 0;

  constructor(options: ServersOptions) {
    this.#options = options;
    const { base_url, other_urls = [] } = options.config;
    this.#urls = [base_url, ...other_urls];
  }

  /** The one in use. */
  get url(): string {
    return this.#urls[this.#at]!;
  }
  /** Those that come after it, in turn. */
  get others(): string[] {
    return [...this.#urls.slice(this.#at + 1), ...this.#urls.slice(0, this.#at)];
  }
  /** All, as a configuration names them: the one in use first. */
  get urls(): ServerUrls {
    const { url, others } = this;
    return { base_url: url, ...(others.length > 0 && { other_urls: others }) };
  }

  /** Takes the first that can be attached to, the one in use before the others. When there is none: why. */
  async find(): Promise<Obstacle | undefined> {
    const obstacles: Exclude<Preflight, { state: 'ready' }>[] = [];
    for (const url of [this.url, ...this.others]) {
      const checked = await this.#look(url);
      if (checked.state === 'ready') return this.#use(url, checked.warnings);
      obstacles.push(checked);
    }
    // One that may come is waited for, whatever is wrong with the others.
    const waits = obstacles.find((each) => each.state === 'wait');
    if (waits) return waits;
    const blocked = obstacles.flatMap((each) => (each.state === 'blocked' ? [each] : []));
    return { ...blocked[0], problems: [...new Set(blocked.flatMap((each) => each.problems))] };
  }

  /** Takes the next of several that can be attached to; when there is none, the same is tried again. */
  async goOver(): Promise<void> {
    for (const url of this.others) {
      const checked = await this.#look(url);
      if (checked.state === 'ready') return this.#use(url, checked.warnings);
    }
  }

  /** What is wrong with one of several is said once. */
  async #look(url: string): Promise<Preflight> {
    const { config, look, log } = this.#options;
    const checked = await look({ ...config, base_url: url });
    if (checked.state !== 'blocked') this.#refused.delete(url);
    else if (this.#urls.length > 1 && !this.#refused.has(url)) {
      this.#refused.add(url);
      log('warn', `this server is not gone over to: ${checked.problems.join('; ')}`, { server: url });
    }
    return checked;
  }

  #use(url: string, warnings: readonly string[]): undefined {
    const { log } = this.#options;
    if (url !== this.url) log('info', 'goes over to another server', { server: url });
    for (const warning of warnings) log('warn', warning);
    this.#at = this.#urls.indexOf(url);
  }
}
