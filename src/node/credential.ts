/**
 * What an attachment shows to its server: a token, or the claim of one. Where registration is open and `token_path` has
 * no file yet, a claim key is put there, sent with IDENTIFY, and replaced by the token of READY before that is used: a
 * node that dies in between claims again with the same key (protocol/credentials.ts).
 */
import { rmSync } from 'node:fs';
import { holdFileLock } from '../config/private-files.ts';
import {
  beginClaim,
  resolveCredential,
  resolveToken,
  storeToken,
  type Credential,
} from '../config/tokens.ts';
import type { AttachmentConfig } from '../config/types.ts';

export interface Claim {
  key: string;
  /** Lets the next one claim. Idempotent. */
  release(): void;
}

export interface CredentialOptions {
  config: AttachmentConfig;
  env: NodeJS.ProcessEnv;
  /** Other attachments of the node name the same token_path: nobody's own token can stand there. */
  shared: () => boolean;
}

export class AttachmentCredential {
  readonly #options: CredentialOptions;
  /** The file that a token is claimed into. */
  readonly #file: string | undefined;
  token: string | undefined;

  constructor(options: CredentialOptions) {
    this.#options = options;
    this.#file = claimFile(options.config.auth);
  }

  /** There is no token, and one is claimed with the next connection. */
  get claims(): boolean {
    return this.token === undefined && this.#file !== undefined;
  }

  /** Reads it again; returns what is wrong, if anything is. */
  read(): string | undefined {
    try {
      const found = this.#find();
      this.token = found && 'token' in found ? found.token : undefined;
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Whether its source holds another token by now, e.g. one that an operator made anew. */
  renewed(): boolean {
    const before = this.token;
    return this.read() === undefined && this.token !== undefined && this.token !== before;
  }

  #find(): Credential | undefined {
    const { config, env, shared } = this.#options;
    if (this.#file === undefined) {
      const token = resolveToken(config.auth, { env });
      return token === undefined ? undefined : { token };
    }
    const found = resolveCredential(config.auth, { env });
    if (!(found && 'token' in found) && shared())
      throw new Error(
        `the token_path ${this.#file} is that of several agents, and each has a token of its own: give each its own token_path`,
      );
    return found ?? beginClaim(this.#file);
  }

  /**
   * Waits for its turn to claim, and returns the key; undefined when there is nothing to claim, or another process has
   * claimed meanwhile: then the token is here. Rejects when the signal is aborted or the file cannot be had.
   */
  async begin(signal: AbortSignal, waits: (lock: string) => void): Promise<Claim | undefined> {
    if (!this.claims) return undefined;
    const release = await holdFileLock(this.#file!, { signal, waits });
    try {
      const now = beginClaim(this.#file!);
      if ('claim_key' in now) return { key: now.claim_key, release };
      this.token = now.token;
    } catch (error) {
      release();
      throw error;
    }
    release();
    return undefined;
  }

  /** The server's answer to a claim; undefined from one that gives no tokens. Throws when it cannot be stored. */
  settle(token: string | undefined): void {
    if (token === undefined) rmSync(this.#file!, { force: true });
    else storeToken(this.#file!, token);
    this.token = token;
  }
}

/** Undefined where a missing file is a mistake, and not the beginning of a claim. */
function claimFile(auth: AttachmentConfig['auth']): string | undefined {
  const { mode, registration, static_token, token, token_env, token_path } = auth;
  const open = mode === 'open' || (mode === 'bearer' && registration === 'open');
  return open && !static_token && token === undefined && token_env === undefined ? token_path : undefined;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
