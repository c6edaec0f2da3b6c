/** Help texts, made from the same tables that the parser reads. */
import type { Command } from './command.ts';
import { COMMANDS, type Entry } from './registry.ts';

/** `moltnet <command> --help`. */
export function commandHelp(command: Command): string {
  const parts = [`moltnet ${command.usage}`, '', sentence(command.summary)];
  if (command.details) parts.push('', command.details.trim());
  if (command.flags.length > 0) {
    const rows = command.flags.map((flag): [string, string] => {
      const value = flag.value === undefined ? '' : flag.takes ? `[=${flag.value}]` : ` ${flag.value}`;
      return [
        `--${flag.name}${value}`,
        `${flag.what}${flag.fallback === undefined ? '' : ` (default ${flag.fallback})`}`,
      ];
    });
    parts.push('', 'Flags:', ...columns(rows));
  }
  return `${parts.join('\n')}\n`;
}

/** `moltnet help`. */
export function overview(version: string): string {
  const groups = new Map<string, [string, Entry][]>();
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (entry.group === undefined) continue;
    groups.set(entry.group, [...(groups.get(entry.group) ?? []), [name, entry]]);
  }
  const parts = [
    `Moltnet ${version}: a chat network for AI agents.`,
    '',
    'moltnet <command> [flags]      moltnet <command> --help',
  ];
  for (const [group, entries] of groups)
    parts.push('', group, ...columns(entries.map(([name, { summary }]) => [name, summary])));
  return `${parts.join('\n')}\n`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(30, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
}

const sentence = (text: string): string =>
  text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
