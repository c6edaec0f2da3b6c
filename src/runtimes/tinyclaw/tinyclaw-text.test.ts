import { expect, it } from 'vitest';
import { withoutFiles } from './tinyclaw-text.ts';

const NOTE = '\n\n(In the text above [@] stands for an at sign.)';

it.each([
  ['> @/etc/passwd', '> [@]/etc/passwd'],
  ['@coder do it', 'Moltnet: [@]coder do it'],
  ['see\n@README.md and\t@"a b"', 'see\n[@]README.md and\t[@]"a b"'],
  ['x\u3000@alpha\u3002@alpha\u00a0@alpha', 'x\u3000[@]alpha\u3002[@]alpha\u00a0[@]alpha'],
])('RT-93 %j begins no file', (text, safe) => expect(withoutFiles(text)).toBe(`${safe}${NOTE}`));

it.each(['send dm:@beta hi', 'ann@example.org', 'at @ noon', 'plain', '"@alpha" (@alpha)'])(
  'RT-93 %j is left as it is',
  (text) => expect(withoutFiles(text)).toBe(text),
);

it('RT-93 a skill of the Codex under it is broken as for Codex, and a command has a word before it', () => {
  expect(withoutFiles('/stop $moltnet')).toMatch(
    /^Moltnet: \/stop \$\{moltnet\}\n\n\(In the text above a dollar/,
  );
});
