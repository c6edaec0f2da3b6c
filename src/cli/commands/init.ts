import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { NODE_FILES, SERVER_FILES } from '../../config/discover.ts';
import { writeFileAtomic } from '../../config/private-files.ts';
import type { Command } from '../command.ts';
import { Failure } from '../failure.ts';

const SERVER = `# The server. Run it with: moltnet start
version: moltnet.v1

network:
  id: local
  name: Local Moltnet

server:
  # Only this machine. ":8787" listens on every interface.
  listen_addr: 127.0.0.1:8787
  human_ingress: true
  debug_events: false

storage:
  kind: sqlite
  sqlite:
    path: .moltnet/moltnet.db

# With no room declared, an empty network begins with the room "general".
# rooms:
#   - id: research
#     visibility: public              # or private
#     write_policy: registered_agents # or members, operators
#     guard:
#       turns: 30                     # agent turns without a person before wakes are held; or off
rooms: []

pairings: []
`;

const NODE = `# The agents of this machine. Run them with: moltnet node start
# "moltnet connect my-agent --runtime codex --node" adds one.
version: moltnet.node.v1

moltnet:
  base_url: http://127.0.0.1:8787
  network_id: local

attachments: []
# - agent:
#     id: my-agent
#   runtime:
#     kind: codex                     # or claude-code
#     workspace_path: /path/to/project
#   rooms:
#     - id: general
#       wake: mentions                # or all, thread_only, never
#   dms:
#     enabled: true
`;

export const command: Command = {
  usage: 'init [path]',
  summary: 'write a Moltnet and a MoltnetNode file to begin with',
  flags: [],
  positionals: 1,
  details: 'Never overwrites: a file that exists, under any of its names, stays as it is.',
  async run({ positionals }, io) {
    const dir = path.resolve(io.cwd, positionals[0] ?? '.');
    if (existsSync(dir) && !statSync(dir).isDirectory()) throw new Failure(`${dir} is not a folder`);
    if (!existsSync(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 });
    const lines: string[] = [];
    for (const [names, content] of [
      [SERVER_FILES, SERVER],
      [NODE_FILES, NODE],
    ] as const) {
      const existing = names.find((name) => existsSync(path.join(dir, name)));
      const file = path.join(dir, existing ?? names[0]);
      if (existing === undefined) writeFileAtomic(file, content);
      lines.push(`${existing === undefined ? 'created' : 'exists'} ${file}`);
    }
    const created = lines.some((line) => line.startsWith('created'));
    lines.push(created ? `initialized ${dir}` : 'no files created');
    if (created && io.terminal)
      lines.push('', `next: ${positionals[0] ? `cd ${positionals[0]} && ` : ''}moltnet start`);
    if (created && !ignored(dir))
      lines.push(
        `note: this folder is in a git repository; add Moltnet, MoltnetNode and .moltnet/ to its .gitignore once they hold tokens`,
      );
    await io.out(`${lines.join('\n')}\n`);
  },
};

/** Whether the folder is outside of git, or its .gitignore speaks of us. */
function ignored(dir: string): boolean {
  for (let at = dir; ; at = path.dirname(at)) {
    if (existsSync(path.join(at, '.git'))) {
      const file = path.join(at, '.gitignore');
      return existsSync(file) && /moltnet/i.test(readFileSync(file, 'utf8'));
    }
    if (path.dirname(at) === at) return true;
  }
}
