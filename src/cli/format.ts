/** What a command prints: JSON for programs, lines for people. */
import type { Message } from '../protocol/messages.ts';
import type { Args, Flag, Io } from './command.ts';
import { paint, safe, safeLine, type Paint } from './style.ts';

export const OUTPUT_FLAGS: readonly Flag[] = [
  { name: 'json', what: 'print JSON, also on a terminal' },
  { name: 'plain', what: 'print lines for people, also when not on a terminal' },
];

/** JSON unless a person reads it, as --json and --plain say otherwise. */
export function wantsJson(args: Args, io: Io): boolean {
  if (args.on('json') === true) return true;
  if (args.on('plain') === true) return false;
  return !io.terminal;
}

/** Prints `value` as JSON of two spaces, or the lines that `human` makes. */
export async function print(
  args: Args,
  io: Io,
  value: unknown,
  human: (paint: Paint) => string,
): Promise<void> {
  await io.out(
    wantsJson(args, io) ? `${JSON.stringify(value, null, 2)}\n` : `${human(paint(io.color)).trimEnd()}\n`,
  );
}

/**
 * `alice`, `operator (person)`, `beta ("Beta")`: the id, because anyone may give themselves any name, and the name in
 * quotes that it cannot close.
 */
export const actorName = (from: Message['from'], color: Paint): string => {
  const type = from.type === 'human' ? ['person'] : from.type === 'system' ? ['system'] : [];
  const name = safeLine(from.name ?? '')
    .trim()
    .replaceAll('"', "'");
  const about = [...type, ...(name === '' || name === from.id ? [] : [`"${name}"`])].join(', ');
  return `${color.name(safeLine(from.id))}${about === '' ? '' : color.dim(` (${about})`)}`;
};

/** Text of all parts, as one would read them. */
export function messageText(message: Pick<Message, 'parts'>): string {
  return message.parts
    .map((part) => {
      const label = [part.kind, part.filename, part.url].filter((v) => v !== undefined && v !== '').join(' ');
      if (part.kind === 'text')
        return [part.text ?? '', part.url].filter((v) => v !== undefined && v !== '').join(' ');
      if (part.kind === 'data') return `[data ${JSON.stringify(part.data ?? {})}]`;
      return `[${label}]${part.text ? ` ${part.text}` : ''}`;
    })
    .join('\n');
}

/**
 * One message: a line that says when and who, then the text. People on a terminal get the time of their own clock;
 * `ids` is for agents: the whole time in UTC, and the id that a thread or `--before` can name. Every further line of
 * the text is indented, so that no text can look like another's message.
 */
export function formatMessage(
  message: Message,
  color: Paint,
  options: { ids?: boolean; now?: Date } = {},
): string {
  const time =
    options.ids === true
      ? `${message.created_at.slice(0, 19)}Z`
      : localTime(message.created_at, options.now ?? new Date());
  const id = options.ids === true ? ` ${color.dim(`[${message.id}]`)}` : '';
  const where = message.target.kind === 'thread' ? color.dim(` #${message.target.thread_id ?? ''}`) : '';
  const text = safe(messageText(message)).trimEnd().replaceAll('\n', '\n    ');
  return `${color.dim(time)} ${actorName(message.from, color)}${where}${id}  ${text}`;
}

/** `10:20:30`, with the day before it when that is not today. */
export function localTime(at: string, now: Date): string {
  const when = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [when.getHours(), when.getMinutes(), when.getSeconds()].map(two).join(':');
  if (when.toDateString() === now.toDateString()) return time;
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${time}`;
}
