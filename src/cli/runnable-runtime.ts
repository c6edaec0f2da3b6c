/** Whether a node can run what `connect --node` would write: said before anything is registered. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { newCheck, openSection } from '../config/check.ts';
import { readRuntime } from '../config/runtime-block.ts';
import { jsonSource } from '../config/source.ts';
import { RUNTIMES } from '../runtimes/registry.ts';
import type { Io } from './command.ts';
import { commandName } from './command-name.ts';
import type { ConnectPlan } from './connect-plan.ts';
import { usageFailure } from './failure.ts';

/**
 * Throws a usage Failure that holds the entry to write, when the runtime needs more than this command knows and the
 * node file does not have it yet.
 */
export async function requireRunnable(
  { runtime, workspace, attachment: { member_id } }: ConnectPlan,
  named: string | undefined,
  io: Io,
): Promise<void> {
  const block = { kind: runtime, workspace_path: workspace };
  const check = newCheck(jsonSource('', JSON.stringify({ runtime: block })));
  const root = openSection(check, [], check.source.value, 'any');
  readRuntime(root.section('runtime', 'any'), root, io.cwd, RUNTIMES);
  if (check.issues.length === 0) return;

  const { nodeFilePath } = await import('./node-file.ts');
  const file = nodeFilePath(io.cwd, named);
  if (existsSync(file)) {
    const { loadNodeConfig } = await import('../config/node.ts');
    const { attachments } = loadNodeConfig({ cwd: io.cwd, env: io.env, path: file }, RUNTIMES);
    // A person has written what is missing: the rest of the entry is this command's.
    if (attachments.some((one) => one.agent.id === member_id && one.runtime.kind === runtime)) return;
  }
  const keys = check.issues.map(({ key }) => key);
  const indent = '    ';
  throw usageFailure(
    `a node needs more of a ${runtime} than this command knows: ${keys.join(', ')}`,
    [
      `write this into the attachments of ${path.basename(file)}, then run the same command again; without --node it is connected all the same:`,
      `${indent}- agent: { id: ${member_id} }`,
      `${indent}  runtime:`,
      `${indent}    kind: ${runtime}`,
      `${indent}    workspace_path: ${JSON.stringify(workspace)}`,
      ...check.issues.map(
        ({ key, fix }) =>
          `${indent}    ${key.replace(/^runtime\./, '')}: …${fix === undefined ? '' : `   # ${fix}`}`,
      ),
      `then: ${commandName(io.env)} validate says whether it is whole`,
    ].join('\n  '),
  );
}
