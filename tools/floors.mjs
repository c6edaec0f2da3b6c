// The floors of the house, lowest first. A file may import from its own folder or from a lower floor, never
// from a neighbour on its own floor and never up. See CONTRIBUTING.md.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const FLOORS = [
  ['protocol'],
  ['config'],
  ['store'],
  ['log'],
  ['network', 'client'],
  ['runtimes', 'pairing', 'transfer'],
  ['server', 'node', 'mcp'],
  ['cli'],
];

const floorOf = (folder) => FLOORS.findIndex((names) => names.includes(folder));

/**
 * The packages stand where the commands do: they may use all that is below, and not the commands.
 * @returns {string[]} one line per import of a package that is not of its own or from below
 */
export function checkPackages(packages, src) {
  const wrong = [];
  for (const entry of readdirSync(packages, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (!entry.isFile() || !/\/src\/[^/]+\.ts$/.test(file) || file.includes('node_modules')) continue;
    for (const [, target] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const to = path.resolve(path.dirname(file), target);
      if (path.dirname(to) === path.resolve(path.dirname(file))) continue;
      const floor = floorOf(path.relative(src, to).split(path.sep)[0]);
      if (floor < 0 || floor >= FLOORS.length - 1)
        wrong.push(`${file}: imports ${target}, which is not on a lower floor`);
    }
  }
  return wrong;
}

/** @returns {string[]} one line per import that goes up or sideways */
export function checkFloors(src) {
  const wrong = [];
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const file = path.join(entry.parentPath, entry.name);
    const folder = path.relative(src, file).split(path.sep)[0];
    if (floorOf(folder) < 0) {
      wrong.push(`${file}: the folder ${folder} stands on no floor (tools/floors.mjs)`);
      continue;
    }
    // A test may look down on anything, but its helpers come from test/. The version stands in package.json.
    for (const [, target] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const to = path.relative(src, path.resolve(path.dirname(file), target)).split(path.sep)[0];
      if (to === '..' && (entry.name.endsWith('.test.ts') || target.endsWith('package.json'))) continue;
      if (to === folder) continue;
      if (floorOf(to) < 0 || floorOf(to) >= floorOf(folder))
        wrong.push(`${file}: imports ${target}, which is not on a lower floor`);
    }
  }
  return wrong;
}
