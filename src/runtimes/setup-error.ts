/** Something in the set-up that no retry mends. The message is a sentence for the person who set the node up. */
export class SetupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SetupError';
  }
}
