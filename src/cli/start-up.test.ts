import { build, type Metafile } from 'esbuild';
import { beforeAll, expect, it } from 'vitest';

let inputs: Metafile['inputs'];
beforeAll(async () => {
  const result = await build({
    entryPoints: ['src/cli/main.ts'],
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    outdir: 'unused',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  inputs = result.metafile.inputs;
});

/** Every file that is loaded with this one, without what it imports only when it needs it. */
function loadedWith(file: string): Set<string> {
  const found = new Set<string>();
  const add = (name: string): void => {
    if (found.has(name) || !inputs[name]) return;
    found.add(name);
    for (const imported of inputs[name].imports) if (imported.kind === 'import-statement') add(imported.path);
  };
  add(file);
  return found;
}

it('CLI-5 the entry loads no command, and nothing from outside', () => {
  const files = [...loadedWith('src/cli/main.ts')];
  expect(
    files.filter((file) => file.includes('node_modules') || file.startsWith('src/cli/commands/')),
  ).toEqual([]);
  expect(files.length).toBeLessThan(12);
});

it.each(['send', 'read'])('CLI-5 %s loads no library at all, so neither zod nor yaml', (name) => {
  const files = [...loadedWith(`src/cli/commands/${name}.ts`)];
  expect(files).toContain('src/config/client.ts');
  expect(
    files.filter(
      (file) =>
        file.includes('node_modules') ||
        ['server', 'node', 'runtimes', 'store'].includes(file.split('/')[1]!),
    ),
  ).toEqual([]);
});
