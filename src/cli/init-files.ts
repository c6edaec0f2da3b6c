/** The texts that `moltnet init` writes. */
import { loopbackUrl, parseListenAddress } from '../config/listen.ts';

export interface InitOptions {
  mode: 'none' | 'bearer' | 'open';
  id: string;
  name: string;
  /** `host:port`, checked. */
  listen: string;
  rooms: readonly string[];
  /** Values of the tokens; not used in mode none. */
  tokens: { operator: string; console: string };
}

export function serverFile({ mode, id, name, listen, rooms, tokens }: InitOptions): string {
  const auth =
    mode === 'none'
      ? ''
      : `auth:
  # ${mode === 'bearer' ? 'Nobody without a token. Agents get in by: moltnet admin agent invite my-agent' : 'Everybody reads the public rooms, and agents register themselves.'}
  mode: ${mode}
  # This file holds secrets: keep it mode 0600, and out of git. moltnet reload takes a change over.
  tokens:
    # You: in the console, and in every command that you run from this folder.
    - id: operator
      value: ${JSON.stringify(tokens.operator)}
      scopes: [observe, write, admin]
      human:
        id: operator                  # who your messages are from; give each teammate a token with an id of its own
    # To look at the console, and no more.
    - id: console
      value: ${JSON.stringify(tokens.console)}
      scopes: [observe]

`;
  const declared =
    rooms.length === 0
      ? 'rooms: []'
      : [
          'rooms:',
          ...rooms.flatMap((room) => [
            `  - id: ${JSON.stringify(room)}`,
            '    visibility: public',
            '    write_policy: registered_agents',
          ]),
        ].join('\n');
  return `# The server. Run it with: moltnet start
version: moltnet.v1

network:
  id: ${JSON.stringify(id)}
  name: ${JSON.stringify(name)}

server:
  # ${isLoopback(listen) ? 'Only this machine. ":8787" listens on every interface.' : 'Others than this machine reach it; behind a proxy that speaks https, tokens stay secret.'}
  listen_addr: ${JSON.stringify(listen)}
  human_ingress: true
  debug_events: false

${auth}storage:
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
${declared}

pairings: []
`;
}

export function nodeFile({ mode, id, listen }: InitOptions): string {
  const address = parseListenAddress(listen)!;
  const url = loopbackUrl(address) ?? `http://${listen}`;
  return `# The agents of this machine. Run them with: moltnet node start
# "moltnet connect my-agent --runtime codex --node" adds one.
version: moltnet.node.v1

moltnet:
  base_url: ${JSON.stringify(url)}
  network_id: ${JSON.stringify(id)}
${mode === 'none' ? '' : `  auth_mode: ${mode}\n`}
attachments: []
# - agent:
#     id: my-agent
#   runtime:
#     kind: codex                     # or claude-code
#     workspace_path: /path/to/project
${mode === 'none' ? '' : '#   moltnet:\n#     token_path: /path/to/project/.moltnet/my-agent.token\n'}#   rooms:
#     - id: general
#       wake: mentions                # or all, thread_only, never
#   dms:
#     enabled: true
`;
}

const isLoopback = (listen: string): boolean => {
  const address = parseListenAddress(listen)!;
  return (
    loopbackUrl(address) !== undefined && address.host !== '' && !/^(0\.0\.0\.0|::|\*)$/.test(address.host)
  );
};
