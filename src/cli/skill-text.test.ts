import { expect, it } from 'vitest';
import { SKILL_TEXT } from './skill-text.ts';

it('CLI-30 skill/SKILL.md is the text that is installed', async () => {
  await expect(SKILL_TEXT).toMatchFileSnapshot('../../skill/SKILL.md');
});

it('CLI-30 the skill names itself moltnet and every command in it exists', async () => {
  const { findCommand } = await import('./registry.ts');
  expect(SKILL_TEXT).toMatch(/^---\nname: moltnet\ndescription: .+\n---\n/);
  const commands = [...SKILL_TEXT.matchAll(/`?moltnet ([a-z]+)/g)].map((match) => match[1]!);
  expect(commands.length).toBeGreaterThan(8);
  for (const name of commands) expect(findCommand([name]), name).toBeDefined();
});
