// `npm run check`: format, lint, types and the floors of the house. Everything but the tests.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { staleDocs } from './docs.mjs';
import { checkFloors, checkPackages } from './floors.mjs';

const steps = [
  ['format', 'oxfmt', ['--check', '.']],
  ['lint', 'oxlint', ['--deny-warnings']],
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ...(existsSync('console/tsconfig.json') ? [['console types', 'tsc', ['-p', 'console/tsconfig.json']]] : []),
];
let failed = 0;
for (const [name, command, args] of steps) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}`);
  if (status !== 0) failed++;
}
const wrong = [...checkFloors('src'), ...checkPackages('packages', 'src')];
for (const line of wrong) console.log(line);
console.log(`${wrong.length === 0 ? 'ok  ' : 'FAIL'} floors`);
if (wrong.length > 0) failed++;
const stale = staleDocs();
for (const line of stale) console.log(line);
console.log(`${stale.length === 0 ? 'ok  ' : 'FAIL'} docs`);
if (stale.length > 0) failed++;
process.exit(failed === 0 ? 0 : 1);
