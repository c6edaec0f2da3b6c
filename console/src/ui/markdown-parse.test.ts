import { expect, it } from 'vitest';
import { parseMarkdown } from './markdown-parse.ts';

it('CON-4 what is nothing but marks is not formatted, what people write is', () => {
  for (const bomb of ['*a_', '_a*', '**a *b', '_*a_'])
    expect(() => parseMarkdown(bomb.repeat(12_000 / bomb.length)), bomb).toThrow(RangeError);
  const lively = '*one* and **two**, _three_ of snake_case_names * in a list * of many\n\n';
  expect(parseMarkdown(lively.repeat(150)).html).toContain('<strong>two</strong>');
  expect(parseMarkdown(`\`\`\`\n${'snake_case_of_code *p++ = **q\n'.repeat(380)}\`\`\``).html).toContain(
    '<code>',
  );
  // Each text begins anew.
  expect(parseMarkdown('*a*').html).toBe('<p><em>a</em></p>\n');
});

it('CON-32 images of a text are listed, and one that stands alone is not named twice', () => {
  const { html, pictures } = parseMarkdown(
    'see ![one](https://a.example/1.png)\n\n![two](http://b.example/2.png)\n\n![no](javascript:1) ![data](data:image/png;base64,x)',
  );
  expect(pictures).toEqual([
    { href: 'https://a.example/1.png', text: 'one' },
    { href: 'http://b.example/2.png', text: 'two' },
  ]);
  expect(html).toContain('Image: one</a>');
  expect(html).not.toContain('two');
  expect(html).toContain('Image: no Image: data');
  const many = parseMarkdown('![x](https://a.example/x.png)\n\n'.repeat(12));
  expect([many.pictures.length, many.html.match(/<a /g)?.length]).toEqual([10, 2]);
});
