/** (g) `moltnet send`, start to exit, against `node -e 0`. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { root, scratch, startMoltnet } from '../lib/process.ts';
import { alternate, median, round, type Row } from '../lib/stats.ts';
import { mkdirSync, writeFileSync } from 'node:fs';

const run = promisify(execFile);

export async function send({ pairs }: { pairs: number }): Promise<Row[]> {
  const folder = scratch();
  const server = await startMoltnet(folder.path);
  try {
    mkdirSync(path.join(folder.path, '.moltnet'), { mode: 0o700, recursive: true });
    const config = path.join(folder.path, '.moltnet/config.json');
    writeFileSync(
      config,
      JSON.stringify({
        version: 'moltnet.client.v1',
        agent: { name: 'Bench', runtime: 'codex' },
        attachments: [
          {
            auth: { mode: 'none' },
            base_url: server.url,
            member_id: 'bench',
            network_id: 'bench',
            rooms: [{ id: 'general' }],
            runtime: 'codex',
          },
        ],
      }),
      { mode: 0o600 },
    );
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const began = performance.now();
      await work();
      return performance.now() - began;
    };
    const bare = (): Promise<number> => timed(() => run(process.execPath, ['-e', '0']));
    const ours = (): Promise<number> =>
      timed(() =>
        run(path.join(root, 'bin/moltnet'), ['send', 'room:general', 'hello'], {
          cwd: folder.path,
          env: { ...process.env, MOLTNET_CLIENT_CONFIG: config },
        }),
      );
    await bare();
    await ours();
    const { a, b } = await alternate(pairs * 3, bare, ours);
    const ratio = median(b.map((took, i) => took / a[i]!));
    return [
      {
        case: '(g) moltnet send, start to exit, against node -e 0',
        ours: `${Math.round(median(b))} ms`,
        baseline: `${Math.round(median(a))} ms`,
        ratio: round(ratio),
        aim: '<= 4',
        met: ratio <= 4,
      },
    ];
  } finally {
    await server.stop();
    folder.remove();
  }
}
