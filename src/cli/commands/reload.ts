import { discover, NODE_FILES } from '../../config/discover.ts';
import { RefusedError } from '../../client/http.ts';
import type { NodeReload } from '../../node/node.ts';
import type { ReloadResult } from '../../protocol/identity.ts';
import { explain, openClient } from '../api.ts';
import type { Args, Command, Io } from '../command.ts';
import { Failure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { adminTokens, localServer } from '../local-server.ts';
import { baseUrlFlag, tokenOf } from '../speaker.ts';

export const command: Command = {
  usage: 'reload [path]',
  summary: 'have the running server, or node, take over its changed file',
  positionals: 1,
  flags: [
    { name: 'node', what: 'the node of this folder, in place of the server' },
    { name: 'base-url', value: 'URL', what: 'address of the server', fallback: "this machine's own" },
    { name: 'token-env', value: 'NAME', what: 'environment variable that holds a token with admin' },
    { name: 'token-path', value: 'FILE', what: 'file that holds it' },
    ...OUTPUT_FLAGS,
  ],
  details: `The path is the server's file (or the node's, with --node), as for start. Tokens, people, rooms, rates and the like
change at once, and who has no right any more is disconnected; what counts only after a restart is named. A file with
mistakes changes nothing. The signal SIGHUP does the same.`,
  async run(args, io) {
    if (args.on('node') === true) return reloadNode(args, io);
    const result = await reloadServer(args, io);
    await print(args, io, result, (color) =>
      [
        result.changed.length === 0
          ? color.dim('nothing has changed')
          : `${color.green('changed')} ${result.changed.join(', ')}`,
        ...(result.restart_needed.length === 0
          ? []
          : [`${color.yellow('needs a restart')} ${result.restart_needed.join(', ')}`]),
      ].join('\n'),
    );
  },
};

/** The file may have new tokens that the server does not know yet, or none any more: each is tried, then none. */
async function reloadServer(args: Args, io: Io): Promise<ReloadResult> {
  const [named, given] = [baseUrlFlag(args), tokenOf(args, io)];
  const local = named === undefined ? await localServer(io, args.positionals[0]) : undefined;
  const base_url = named ?? local!.url;
  const tokens = given === undefined ? [...(local ? adminTokens(local) : []), undefined] : [given];
  for (const token of tokens) {
    try {
      return await openClient({ base_url, ...(token === undefined ? {} : { token }) }).reload();
    } catch (error) {
      const unknown = error instanceof RefusedError && (error.status === 401 || error.status === 403);
      if (!unknown || given !== undefined || !local) throw explain(error);
    }
  }
  throw new Failure(`the running server takes no token with admin of ${local!.shown}`, {
    hint: 'it still has those of before the change: name one with --token-env NAME, or send the server SIGHUP',
  });
}

/** The node of this file, whoever started it from where. */
async function reloadNode(args: Args, io: Io): Promise<void> {
  const [named] = args.positionals;
  const where = { cwd: io.cwd, env: io.env, ...(named === undefined ? {} : { path: named }) };
  const found = discover(where, 'MOLTNET_NODE_CONFIG', NODE_FILES);
  if (!found)
    throw new Failure(`no node file here (${NODE_FILES.join(', ')})`, {
      hint: 'name one: moltnet reload --node PATH',
    });
  const { askNode } = await import('../../node/control.ts');
  const result = (await askNode(found.file, { op: 'reload' }).catch((error: unknown) => {
    throw new Failure((error as Error).message, { cause: error });
  })) as NodeReload;
  await print(args, io, result, (color) => {
    const done = (['started', 'stopped', 'restarted'] as const).filter((what) => result[what].length > 0);
    return done.length === 0
      ? color.dim('nothing has changed')
      : done.map((what) => `${color.green(what)} ${result[what].join(', ')}`).join('\n');
  });
}
