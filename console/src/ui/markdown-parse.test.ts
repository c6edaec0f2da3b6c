import { expect, it } from 'vitest';
import { parseMarkdown as parse } from './markdown-parse.ts';

it('CON-4 what is nothing but marks is not formatted, what people write is', () => {
  const parseMarkdown = (text: string) => parse(text, () => 0);
  for (const bomb of ['*a_', '_a*', '**a *b', '_*a_', '~h(', '~h&~', 'h<<~'])
    expect(() => parseMarkdown(bomb.repeat(12_000 / bomb.length)), bomb).toThrow('too many marks');
  for (const bomb of ['>', '> ', '- ', '1. ', '> - ', ' >'])
    expect(() => parseMarkdown(`x\n${bomb.repeat(12_000 / bomb.length)}a`), bomb).toThrow('too deep');
  for (const fine of ['-'.repeat(80), '>'.repeat(20), '- '.repeat(20), '1.2.3.'.repeat(20)])
    expect(() => parseMarkdown(fine), fine).not.toThrow();
  const lively = '*one* and **two**, _three_ of snake_case_names * in a list * of many\n\n';
  expect(parseMarkdown(lively.repeat(150)).html).toContain('<strong>two</strong>');
  expect(parseMarkdown(`\`\`\`\n${'snake_case_of_code *p++ = **q\n'.repeat(380)}\`\`\``).html).toContain(
    '<code>',
  );
  expect(parseMarkdown(`~~struck~~ and ~this~ too. `.repeat(100)).html).toContain('<del>this</del>');
  // Each text begins anew.
  expect(parseMarkdown('*a*').html).toBe('<p><em>a</em></p>\n');
});

it('CON-4 what is slow in any other way is given up, and not the text after it', () => {
  let time = 0;
  expect(() => parse('a!'.repeat(1_000), () => (time += 1))).toThrow('takes too long');
  expect(parse('a!', () => (time += 1)).html).toBe('<p>a!</p>\n');
});

it('CON-32 images of a text are listed, and one that stands alone is not named twice', () => {
  const { html, pictures } = parse(
    'see ![one](https://a.example/1.png)\n\n![two](http://b.example/2.png)\n\n![no](javascript:1) ![data](data:image/png;base64,x)',
  );
  expect(pictures).toEqual([
    { href: 'https://a.example/1.png', text: 'one' },
    { href: 'http://b.example/2.png', text: 'two' },
  ]);
  expect(html).toContain('Image: one</a>');
  expect(html).not.toContain('two');
  expect(html).toContain('Image: no Image: data');
  const many = parse('![x](https://a.example/x.png)\n\n'.repeat(12));
  expect([many.pictures.length, many.html.match(/<a /g)?.length]).toEqual([10, 2]);
});
