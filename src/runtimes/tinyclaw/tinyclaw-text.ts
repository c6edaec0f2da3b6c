/** Text from others on its way to TinyAGI, which hands it to `claude -p` or `codex exec` as it is. Tried with 2.1.329. */
import { withoutMentions } from '../codex-text.ts';
import { guarded } from '../guarded-text.ts';

/** `@name` and `@/path`: Claude Code reads that file into the turn, but behind a visible character of ASCII. */
const FILE = /(?<![\x21-\x7e])@(?=\S)/g;

/**
 * The text with every form broken that the program under TinyAGI would expand: `@` is written `[@]` where it could
 * begin a file, `$name` as Codex has it. A last line says so when there was any.
 */
export function withoutFiles(text: string): string {
  const safe = guarded(withoutMentions(text)).replace(FILE, '[@]');
  return safe.includes('[@]') ? `${safe}\n\n(In the text above [@] stands for an at sign.)` : safe;
}
