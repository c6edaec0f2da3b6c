/** What its agent may do: what the user of opencode allows, and of the shell `moltnet`. */
import { runsMoltnetOnly } from '../moltnet-only.ts';

/** The last one that fits holds. */
export interface Rule {
  permission: string;
  pattern: string;
  action: 'allow' | 'ask' | 'deny';
}

/** What it asks, and would wait for for ever. */
export interface Asked {
  id?: string;
  sessionID?: string;
  permission?: string;
  /** Of a shell: each command of it. */
  patterns?: string[];
  metadata?: { command?: unknown };
}

/**
 * Of a session that we begin. A rule that allows `moltnet *` would allow `moltnet read room:x > file` too, for its
 * patterns know no quotes: the node is asked, and looks at the whole.
 */
export const SESSION_RULES: readonly Rule[] = [{ permission: 'bash', pattern: 'moltnet *', action: 'ask' }];

/** @param own the rules that hold for this agent by its user's settings */
export function mayDo({ permission, patterns = [], metadata }: Asked, own: readonly Rule[]): boolean {
  if (permission !== 'bash') return false;
  const command = metadata?.command;
  if (typeof command === 'string' && runsMoltnetOnly(command)) return true;
  return patterns.length > 0 && patterns.every((pattern) => actionOf(pattern, own) === 'allow');
}

const actionOf = (command: string, rules: readonly Rule[]): Rule['action'] =>
  rules.findLast(({ permission, pattern }) => fits('bash', permission) && fits(command, pattern))?.action ??
  'ask';

/** Its patterns: `*` and `?`, and ` *` at the end is nothing as well. */
function fits(text: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replace(/ \.\*$/, '( .*)?');
  return new RegExp(`^${source}$`, 's').test(text);
}
