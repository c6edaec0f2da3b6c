/** A reader of the event stream over node:http that keeps what came, as it came. */
import { get, type ClientRequest, type IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';

export interface StreamEvent {
  /** Absent for what is not in the log. */
  id?: string;
  event?: string;
  data?: { id: string; type: string; message?: { id: string } } & Record<string, unknown>;
  /** Text of a comment. */
  comment?: string;
}

export class SseClient {
  status: number | undefined;
  headers: IncomingMessage['headers'] = {};
  text = '';
  readonly events: StreamEvent[] = [];
  ended = false;
  /** Ended without its last chunk. */
  broken = false;
  response: IncomingMessage | undefined;
  readonly #request: ClientRequest;
  #rest = '';
  #waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(port: number, options: { headers?: Record<string, string>; query?: string } = {}) {
    this.#request = get(
      {
        port,
        host: '127.0.0.1',
        path: `/v1/events/stream${options.query ?? ''}`,
        headers: options.headers,
        agent: false,
      },
      (response) => {
        this.response = response;
        this.status = response.statusCode;
        this.headers = response.headers;
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          this.text += chunk;
          this.#parse(chunk);
          this.#notify();
        });
        response.on('end', () => (this.ended = true));
        response.on('error', () => {});
        response.on('close', () => {
          this.broken = !this.ended;
          this.ended = true;
          this.#notify();
        });
      },
    );
    this.#request.on('error', () => {
      this.ended = true;
      this.#notify();
    });
    onTestFinished(() => this.close());
  }

  static async open(
    port: number,
    options: { headers?: Record<string, string>; query?: string } = {},
  ): Promise<SseClient> {
    const client = new SseClient(port, options);
    await client.until(() => client.text.includes('\n\n') || client.ended);
    return client;
  }

  get messages(): string[] {
    return this.events.flatMap((event) =>
      event.event === 'message.created' ? [event.data!.message!.id] : [],
    );
  }
  get types(): string[] {
    return this.events.flatMap((event) => (event.event === undefined ? [] : [event.event]));
  }

  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ done, resolve }));
  }
  close(): void {
    this.#request.destroy();
  }
  #parse(chunk: string): void {
    const blocks = (this.#rest + chunk).split('\n\n');
    this.#rest = blocks.pop()!;
    for (const block of blocks) this.events.push(eventOf(block));
  }

  #notify(): void {
    this.#waiters = this.#waiters.filter(({ done, resolve }) => (done() ? (resolve(), false) : true));
  }
}

function eventOf(block: string): StreamEvent {
  const event: StreamEvent = {};
  for (const line of block.split('\n')) {
    if (line.startsWith(': ')) event.comment = line.slice(2);
    else if (line.startsWith('id: ')) event.id = line.slice(4);
    else if (line.startsWith('event: ')) event.event = line.slice(7);
    else if (line.startsWith('data: ')) event.data = JSON.parse(line.slice(6)) as StreamEvent['data'];
    else throw new Error(`not a line of an event stream: ${line.slice(0, 200)}`);
  }
  return event;
}
