import type { FailureCause } from './runtime.ts';

/** Something in the set-up that no retry mends. The message is a sentence for the person who set the node up. */
export class SetupError extends Error {
  /** How it is told as a turn's failure. */
  readonly failure: FailureCause;
  constructor(message: string, failure: FailureCause = 'config', options?: ErrorOptions) {
    super(message, options);
    this.name = 'SetupError';
    this.failure = failure;
  }
}
