/**
 * The text with a word of ours before what a runtime takes for a command (`/stop`, `!help`), for another agent's name
 * (`@coder`) or a skill's, when it stands at the very beginning. A wake begins with a word (WAKE-2): this is for the
 * day on which it does not.
 */
export const guarded = (text: string): string => (/^\s*[/!@$#\\]/.test(text) ? `Moltnet: ${text}` : text);
