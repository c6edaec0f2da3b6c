// `npm run test:runtimes`: drives the real `codex`, `claude`, `gemini`, `opencode` and `openclaw` from npm against a mock model on the loopback. They
// weigh 1.9 GB and are no part of the project's own install: test/runtimes has its own lock file, and this installs
// it when it is missing. Where the machine allows it, all runs in a network namespace that has only the loopback.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, 'test', 'runtimes');
const run = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });

const { dependencies } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
if (!Object.keys(dependencies).every((name) => existsSync(path.join(folder, 'node_modules', name)))) {
  console.log('test:runtimes: installing the agent CLIs (1.9 GB, once)');
  // --ignore-scripts: the native programs come as packages of their own, and nothing of them needs to run here.
  const { status } = run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
  if (status !== 0) process.exit(status ?? 1);
}
// The agents run what is built: it must not be older than what is tested.
const built = statSync(path.join(root, 'dist', 'moltnet.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const sources = readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true }).filter(
  (entry) => entry.isFile(),
);
if (sources.some((entry) => statSync(path.join(entry.parentPath, entry.name)).mtimeMs > built)) {
  const { status } = run(process.execPath, [
    'tools/build.mjs',
    ...(existsSync(path.join(root, 'dist', 'console')) ? [] : ['--no-console']),
  ]);
  if (status !== 0) process.exit(status ?? 1);
}

const vitest = [
  process.execPath,
  path.join(root, 'node_modules', 'vitest', 'vitest.mjs'),
  'run',
  '--config',
  'vitest.runtimes.config.ts',
  ...process.argv.slice(2),
];
// Root needs no user namespace; another user becomes root of one of his own.
const walls = [
  ['unshare', '-n'],
  ['unshare', '-r', '-n'],
];
const up = 'ip link set lo up && exec "$@"';
const wall = walls.find(
  ([command, ...args]) => spawnSync(command, [...args, 'sh', '-c', up, 'sh', 'true']).status === 0,
);
if (wall) console.log('test:runtimes: in a network namespace that has only the loopback');
else
  console.log(
    'test:runtimes: this machine allows no network namespace; the agents run with its network, told to use the mock model only',
  );
const [command, ...args] = wall ? [...wall, 'sh', '-c', up, 'sh', ...vitest] : vitest;
const { status } = run(command, args, { env: { ...process.env, MOLTNET_LOOPBACK_ONLY: wall ? '1' : '' } });
process.exit(status ?? 1);
