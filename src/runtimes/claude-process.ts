/**
 * One process of Claude Code that holds one session and takes one message after the other on stdin:
 * `claude -p --input-format stream-json --output-format stream-json`. Tried with 2.1.329.
 */
import { lastWords, MAX_DENIALS, parseLine, type Denial } from './cli-runtime.ts';
import { startChild, type Child, type Exit } from './child.ts';
import { objectOf, textOf } from './json.ts';
import type { TurnEvents } from './runtime.ts';

/** How the CLI says a message went. */
export type MessageEnd =
  /** Its turn ran to an end. `result` is what the CLI says of it, if it said anything. */
  | { kind: 'ended'; completed: boolean; result: ClaudeResult | undefined }
  /** The session had this message already; nothing was run. */
  | { kind: 'known' }
  /** The process ended before. `started`: it had taken the message into the session. */
  | { kind: 'exited'; exit: Exit; started: boolean; result: ClaudeResult | undefined; stderr: string };

export interface ClaudeResult {
  is_error: boolean;
  text: string;
  subtype: string;
  api_error_status: number | undefined;
  input_tokens: number | undefined;
  output_tokens: number | undefined;
  /** Dollars, over the whole session. */
  total_cost_usd: number | undefined;
}

export interface ClaudeProcess {
  readonly child: Child;
  /** Sends one message; only one at a time. `onLife` is called at every sign of life. */
  send(message: { uuid: string; text: string }, events: TurnEvents, onLife: () => void): Promise<MessageEnd>;
  /** What the CLI refused its agent since the last call. */
  takeDenials(): Denial[];
  /** Lets it finish and end. */
  end(): Promise<unknown>;
}

interface Sent {
  uuid: string;
  events: TurnEvents;
  onLife: () => void;
  queued: boolean;
  delivered: boolean;
  result: ClaudeResult | undefined;
  settle: (end: MessageEnd) => void;
}

export async function startClaude(options: {
  file: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  onTooLong: () => void;
}): Promise<ClaudeProcess> {
  let sent: Sent | undefined;
  let hasLifecycle = false;
  let denials: Denial[] = [];

  const settle = (end: MessageEnd): void => {
    const settling = sent;
    sent = undefined;
    settling?.settle(end);
  };
  const delivered = (): void => {
    if (!sent || sent.delivered) return;
    sent.delivered = true;
    sent.events.delivered?.();
  };
  const onLine = (line: string): void => {
    const event = parseLine(line);
    // It says so each time that it tries again to reach its model, for as long as that takes: no sign of life.
    if (!(event?.['type'] === 'system' && event['subtype'] === 'api_retry')) sent?.onLife();
    if (!event) return;
    switch (event['type']) {
      case 'command_lifecycle':
        hasLifecycle = true;
        if (sent && event['command_uuid'] === sent.uuid) lifecycle(sent, event['state']);
        break;
      case 'user':
        if (!sent || event['isReplay'] !== true || event['uuid'] !== sent.uuid) break;
        delivered();
        // Within the process that ran it, a known message is only echoed.
        if (hasLifecycle && !sent.queued) settle({ kind: 'known' });
        break;
      case 'system':
        if (event['subtype'] === 'permission_denied' && denials.length < MAX_DENIALS)
          denials.push(denial(event));
        break;
      case 'result':
        if (!sent) break;
        sent.result = readResult(event);
        denials = deniedIn(event) ?? denials;
        // A CLI without lifecycle events ends a turn by this. With them, it also comes when a session cannot be opened.
        if (!hasLifecycle && sent.delivered)
          settle({ kind: 'ended', completed: !sent.result.is_error, result: sent.result });
        break;
      default:
    }
  };
  const lifecycle = (message: Sent, state: unknown): void => {
    if (state === 'queued' || state === 'started') {
      if (!message.queued) message.events.accepted?.();
      message.queued = true;
      if (state === 'started') delivered();
      return;
    }
    if (state !== 'completed' && state !== 'cancelled') return;
    settle(
      message.queued
        ? { kind: 'ended', completed: state === 'completed', result: message.result }
        : { kind: 'known' },
    );
  };

  const child = await startChild({ ...options, onLine, onExit: (exit) => settle(exitedEnd(exit, sent)) });
  const exitedEnd = (exit: Exit, message: Sent | undefined): MessageEnd => ({
    kind: 'exited',
    exit,
    started: message?.delivered ?? false,
    result: message?.result,
    stderr: lastWords(child.stderr()),
  });
  return {
    child,
    send: async ({ uuid, text }, events, onLife) => {
      if (!child.alive) return exitedEnd(await child.exited, undefined);
      const line = {
        type: 'user',
        message: { role: 'user', content: text },
        parent_tool_use_id: null,
        uuid,
        // As written: no slash command, no @file.
        client_composed: true,
      };
      return new Promise((resolve) => {
        sent = { uuid, events, onLife, queued: false, delivered: false, result: undefined, settle: resolve };
        child.write(`${JSON.stringify(line)}\n`);
      });
    },
    takeDenials: () => denials.splice(0),
    end: () => child.end(),
  };
}

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function readResult(event: Record<string, unknown>): ClaudeResult {
  const usage = (event['usage'] ?? {}) as Record<string, unknown>;
  const input = ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'].map((key) =>
    number(usage[key]),
  );
  return {
    is_error: event['is_error'] === true,
    text: textOf(event['result']),
    subtype: textOf(event['subtype']),
    api_error_status: number(event['api_error_status']),
    input_tokens: input[0] === undefined ? undefined : input.reduce<number>((sum, n) => sum + (n ?? 0), 0),
    output_tokens: number(usage['output_tokens']),
    total_cost_usd: number(event['total_cost_usd']),
  };
}

function denial(event: Record<string, unknown>): Denial {
  return { tool: textOf(event['tool_name']), command: '' };
}

/** The list at the end of a turn says more than the notices during it. */
function deniedIn(event: Record<string, unknown>): Denial[] | undefined {
  const list = event['permission_denials'];
  if (!Array.isArray(list)) return undefined;
  return list
    .slice(0, MAX_DENIALS)
    .map(objectOf)
    .map((entry) => {
      const input = objectOf(entry['tool_input']);
      return {
        tool: textOf(entry['tool_name']),
        command: (textOf(input['command']) || textOf(input['file_path'])).slice(0, 200),
      };
    });
}
