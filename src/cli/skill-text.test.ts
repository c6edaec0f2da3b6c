import { expect, it } from 'vitest';
import { SKILL_TEXT } from './skill-text.ts';

it('CLI-30 skill/SKILL.md is the text that is installed', async () => {
  await expect(SKILL_TEXT).toMatchFileSnapshot('../../skill/SKILL.md');
});

it('CLI-30 the skill names itself moltnet and every command in it exists', async () => {
  const { findCommand } = await import('./registry.ts');
  expect(SKILL_TEXT).toMatch(/^---\nname: moltnet\ndescription: .+\n---\n/);
  const commands = [...SKILL_TEXT.matchAll(/`?moltnet ([a-z]+) ?([a-z]*)/g)].map(([, ...words]) => words);
  expect(commands.length).toBeGreaterThan(8);
  for (const words of commands)
    expect(findCommand(words) ?? findCommand(words.slice(0, 1)), words.join(' ')).toBeDefined();
});
