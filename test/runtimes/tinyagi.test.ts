import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withoutFiles } from '../../src/runtimes/tinyclaw/tinyclaw-text.ts';
import { lives, processesOf, runtimeContract, type RuntimeUnderTest } from '../contract/runtime.ts';
import { directives, startMockModel, type MockModel, type ModelScript } from '../support/mock-model.ts';
import { deliver, until, wakeOf, type RuntimeLab } from '../support/runtime-lab.ts';
import { temporaryFolder } from '../support/server.ts';
import { claudeNative, modelEnvironment } from './real-clis.ts';
import { tinyAgiLab, type TinyAgi } from './real-tinyagi.ts';

/** A built TinyAGI of one's own, and the Node that its native modules were built for. */
const dir = process.env['TINYAGI_DIR'];
const node = process.env['TINYAGI_NODE'] ?? 'node';

/** Nobody can end a turn of it: one that hangs has to end by itself, behind the limits of the contract. */
const HANG_MS = 3500;
const script: ModelScript = (request) => {
  const http = /\[\[http: (\d+)\]\]/.exec(request.prompt);
  if (http) return { http: Number(http[1]) };
  if (!request.prompt.includes('[[hang]]')) return directives(request);
  return { after: new Promise((resolve) => setTimeout(resolve, HANG_MS).unref()), say: 'done' };
};
let model: MockModel;
beforeAll(async () => {
  model = await startMockModel(script);
});
afterAll(() => model.close());
beforeEach(() => {
  model.requests.length = 0;
});

it('RT-94 the real TinyAGI is tried where TINYAGI_DIR names a built checkout', () => {
  if (dir === undefined) return console.log('TINYAGI_DIR is not set: a stand-in folder alone');
  console.log(`with ${dir}, run by ${node}`);
  expect(existsSync(path.join(dir, 'packages', 'main', 'dist', 'index.js'))).toBe(true);
});

/**
 * A STAND-IN for the folder of a built TinyAGI: its program has the stand-in's API at the port, and prints what it is
 * prompted with into its home; with `more` in front.
 */
function standInFolder(folder: string, more = ''): string {
  const file = path.join(folder, 'packages', 'main', 'dist', 'index.js');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  const standIn = new URL('../support/stand-in-tinyagi.ts', import.meta.url).href;
  writeFileSync(
    file,
    `import { appendFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
${more}
const { standInTinyAgi } = await import(${JSON.stringify(standIn)});
const file = process.env.TINYAGI_HOME + '/prompts.jsonl';
await standInTinyAgi({
  port: Number(process.env.TINYAGI_API_PORT),
  prompted: (prompt) => appendFileSync(file, JSON.stringify(prompt) + '\\n'),
});
`,
  );
  return folder;
}
const promptsOf = (lab: RuntimeLab): string[] => {
  const file = path.join(lab.folder, 'tinyagi', 'prompts.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as string);
};
const options = (folder: string): TinyAgi => ({
  dir: folder,
  node: dir === undefined ? process.execPath : node,
  claude: claudeNative(),
  model_url: model.url,
  env: modelEnvironment(model),
});

/** The same for the real one and for the stand-in folder. */
function subject(
  name: string,
  folder: () => Promise<string>,
  prompts: RuntimeUnderTest['prompts'],
): RuntimeUnderTest {
  const closed = new Set<string>();
  return {
    name,
    lab: async () => {
      const lab = await tinyAgiLab(options(await folder()));
      const close = async (): Promise<void> => {
        await lab.close();
        closed.add(lab.folder);
      };
      return { ...lab, close };
    },
    prompts,
    arrives: withoutFiles,
    shell: false,
    logins: true,
    claims: { dedupes: true, reports_usage: false, sessions: false },
    // While it is open it is itself such a process.
    open: (lab) => (closed.has(lab.folder) ? processesOf(lab.folder).length : 0),
    // Nothing of its set-up can be asked for without a turn.
    broken: () => [],
  };
}

if (dir === undefined)
  runtimeContract(
    subject(
      'tinyclaw (a stand-in FOLDER, started as TinyAGI is)',
      async () => standInFolder(await temporaryFolder()),
      promptsOf,
    ),
  );
else
  runtimeContract(
    subject(
      'tinyclaw (real TinyAGI)',
      () => Promise.resolve(dir),
      // Versions of before 0.0.20 say behind the message who sent it.
      () => model.turns().map(({ prompt }) => prompt.replace(/\n\n— Moltnet via moltnet$/, '')),
    ),
  );

it('RT-93 what TinyAGI hands to the real `claude -p` reads no file, behind whatever character', async () => {
  const folder = await temporaryFolder();
  const before = [
    '',
    ...Array.from({ length: 0x7e - 0x20 + 1 }, (_, n) => String.fromCharCode(0x20 + n)),
    ...['\t', '\u00a0', '\u200b', '\u2028', '\u3000', '\u3002', '\ufeff', '\u3042', '\u00e9', '\u{1f980}'],
  ];
  const secretOf = (n: number): string => `the-words-of-file-${n}-end`;
  const text = before
    .map((character, n) => {
      const file = path.join(folder, `f${n}.txt`);
      writeFileSync(file, secretOf(n));
      return `x ${n}\n${character}@${file} and "${character}@f${n}.txt"`;
    })
    .join('\n');
  const read = async (prompt: string): Promise<number[]> => {
    model.requests.length = 0;
    const claude = spawn(claudeNative(), ['--dangerously-skip-permissions', '-p', prompt], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, IS_SANDBOX: '1', ...modelEnvironment(model) },
      stdio: 'ignore',
    });
    await new Promise((resolve) => claude.once('exit', resolve));
    const bodies = JSON.stringify(model.requests.map(({ body }) => body));
    expect(bodies).toContain('x 0');
    return before.flatMap((_, n) => (bodies.includes(secretOf(n)) ? [n] : []));
  };
  // As it stands it does, behind some of them.
  expect((await read(`Moltnet: hi\n${text}`)).length).toBeGreaterThan(3);
  expect(await read(withoutFiles(`Moltnet: hi\n${text}`))).toEqual([]);
});

describe('a folder is started and stopped (stand-in folder)', () => {
  const start = async (more: string): Promise<RuntimeLab> => {
    const folder = standInFolder(await temporaryFolder(), more);
    return tinyAgiLab({ ...options(folder), node: process.execPath });
  };

  it('RT-94 with its settings, its home and its port; `claude` is on its PATH, and nothing of the home around it', async () => {
    const lab = await start(
      "appendFileSync(process.env.TINYAGI_HOME + '/env.json', JSON.stringify(process.env));",
    );
    try {
      expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({ state: 'ok' });
      expect(promptsOf(lab)).toEqual(['hello']);
      const state = path.join(lab.folder, 'tinyagi');
      const env = JSON.parse(readFileSync(path.join(state, 'env.json'), 'utf8')) as Record<string, string>;
      expect(env).toMatchObject({ HOME: lab.home, TINYAGI_HOME: state });
      const claude = path.join(env['PATH']!.split(path.delimiter)[0]!, 'claude');
      expect(existsSync(claude)).toBe(true);
      const { agents } = JSON.parse(readFileSync(path.join(state, 'settings.json'), 'utf8')) as {
        agents: object;
      };
      expect(Object.keys(agents)).toEqual(['alpha']);
    } finally {
      await lab.close();
    }
  });

  it('RT-94 one that does not heed SIGTERM, and what it leaves behind, are ended', async () => {
    const lab = await start(`process.on('SIGTERM', () => {});
const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
appendFileSync(process.env.TINYAGI_HOME + '/left', String(left.pid));`);
    const left = Number(readFileSync(path.join(lab.folder, 'tinyagi', 'left'), 'utf8'));
    expect(lives(left)).toBe(true);
    await lab.close();
    await until(() => !lives(left) && processesOf(lab.folder).length === 0, 'nothing is left');
  });

  it('RT-94 one that ends by itself is told with what it said', async () => {
    await expect(
      start("console.error('better-sqlite3 was built for another Node'); process.exit(3);"),
    ).rejects.toThrow(/it ended with 3: .*better-sqlite3 was built for another Node/);
  });
});
