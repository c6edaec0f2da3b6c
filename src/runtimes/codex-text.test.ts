import { expect, it } from 'vitest';
import { withoutMentions } from './codex-text.ts';

const body = (text: string): string => withoutMentions(text).split('\n\n(In the text above')[0]!;

it('RT-40 every form that Codex expands is broken, whatever stands around it', () => {
  const cases: [string, string][] = [
    ['$moltnet', '${moltnet}'],
    ['> \\$moltnet and $$moltnet', '> \\${moltnet} and $${moltnet}'],
    ['[$moltnet](/x/SKILL.md)', '[${moltnet}](/x/SKILL.md)'],
    ['it costs $100 or $5.50', 'it costs ${100} or ${5}.50'],
    ['$a-b_c:d-', '${a-b_c:d-}'],
    ['[@tool](plugin://tool) [@tool] (plugin://tool)', '[ @tool](plugin://tool) [ @tool] (plugin://tool)'],
  ];
  for (const [text, safe] of cases) expect(body(text)).toBe(safe);
});

it('RT-40 what it does not expand stays as written, and so does the whole text', () => {
  for (const text of [
    'plain',
    'a $ b',
    "${HOME} $(date) $'x' $",
    '@alice [@alice](https://x) [x](plugin://y)',
    '＄moltnet',
  ])
    expect(withoutMentions(text)).toBe(text);
});

it('RT-40 a change is told, and only once more', () => {
  const once = withoutMentions('> $x');
  expect(once).toMatch(/\$\{x\} stands for \$ and x\.\)$/);
  expect(withoutMentions(once)).toBe(once);
});
