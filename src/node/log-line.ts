import { visibleLine } from './visible-text.ts';

/** What the node tells, as one line: whose attachment it is about comes first. */
export function logLine(message: string, { agent, ...fields }: Record<string, unknown> = {}): string {
  const more = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  // Reasons are words of runtimes and servers: they stay on their line, and steer no terminal.
  const line = `${agent === undefined ? '' : `${String(agent)}: `}${message}${more.join('')}`;
  return visibleLine(line.replace(/\s+/g, ' '));
}
