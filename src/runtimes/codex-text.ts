/** Text from others on its way into a Codex prompt. */

const NAME = '[A-Za-z0-9_:-]+';
/** `$name` and `[$name](path)`: Codex reads the skill or app of that name into the turn. */
const SKILL = new RegExp(`\\$(${NAME})`, 'g');
/** `[@name](plugin://…)`: the same for a plugin. */
const PLUGIN = new RegExp(`\\[@(?=${NAME}\\]\\s*\\(\\s*plugin:)`, 'g');

/**
 * The text with every form broken that Codex would expand, quoted or escaped or not: `$name` becomes `${name}`,
 * which is the same to a shell and shows itself to a reader. A last line says so when there was any.
 */
export function withoutMentions(text: string): string {
  const safe = text.replace(SKILL, '${$1}').replace(PLUGIN, '[ @');
  if (safe === text) return text;
  return `${safe}\n\n(In the text above a dollar sign before a name or number is written with braces: \${x} stands for $ and x.)`;
}
