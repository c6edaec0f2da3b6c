import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { loadClientConfig } from '../../config/client.ts';
import type { ClientAttachment } from '../../config/types.ts';
import { RUNTIME_KINDS } from '../../runtimes/registry.ts';
import type { Command } from '../command.ts';
import { Failure } from '../failure.ts';
import { clientToken } from '../speaker.ts';
import { installSkill, skillOf } from '../skill-files.ts';

export const command: Command = {
  usage: 'skill install',
  summary: 'write the skill into a workspace, so that its agent knows how to talk',
  positionals: 0,
  flags: [
    {
      name: 'runtime',
      value: 'RUNTIME',
      what: `also where this runtime looks: ${RUNTIME_KINDS.join(', ')}`,
    },
    { name: 'workspace', value: 'DIR', what: "the agent's folder", fallback: '.' },
  ],
  async run(args, io) {
    const workspace = path.resolve(io.cwd, args.text('workspace') ?? '.');
    if (!existsSync(workspace) || !statSync(workspace).isDirectory())
      throw new Failure(`${workspace} is not a folder`);
    const client = loadClientConfig({ cwd: workspace, env: {} });
    const server = client?.attachments[0];
    const files = installSkill(
      workspace,
      args.text('runtime') ?? client?.agent.runtime,
      await skillOf(server && { base_url: server.base_url, ...tokenFor(server, client!.path, io.env) }),
    );
    await io.out(`installed ${files.map((file) => path.join(workspace, file)).join(', ')}\n`);
  },
};

/** A skill may be had without: the bundled text is as good. */
function tokenFor(server: ClientAttachment, file: string, env: NodeJS.ProcessEnv): { token?: string } {
  try {
    const token = clientToken(server, env, path.dirname(path.resolve(file)));
    return token === undefined ? {} : { token };
  } catch {
    return {};
  }
}
