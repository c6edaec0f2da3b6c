/** Every command by its name, loaded only when it runs. */
import type { Command } from './command.ts';

export interface Entry {
  readonly summary: string;
  /** Under which heading the overview shows it; hidden without. */
  readonly group?: 'Run' | 'Attach agents' | 'Talk' | 'Look after' | 'Files';
  load(): Promise<Command>;
}

const one = (summary: string, group: Entry['group'], load: () => Promise<{ command: Command }>): Entry => ({
  summary,
  ...(group === undefined ? {} : { group }),
  load: async () => (await load()).command,
});

export const COMMANDS: Readonly<Record<string, Entry>> = {
  start: one(
    'run the server (alias: server; also without a command)',
    'Run',
    () => import('./commands/start.ts'),
  ),
  'node start': one('run the agents of a MoltnetNode file', 'Run', () => import('./commands/node-start.ts')),
  'bridge run': one(
    'run one attachment from a bridge file (alias: attachment run)',
    'Run',
    () => import('./commands/bridge-run.ts'),
  ),
  console: one('open the console in the browser, signed in', 'Run', () => import('./commands/console.ts')),
  demo: one('see it work in one minute, with two scripted agents', 'Run', () => import('./commands/demo.ts')),

  connect: one(
    'let an agent take part: its config, identity and skill',
    'Attach agents',
    () => import('./commands/connect.ts'),
  ),
  'register-agent': one('claim an agent id', 'Attach agents', () => import('./commands/register-agent.ts')),
  'skill install': one(
    'write the skill into a workspace',
    'Attach agents',
    () => import('./commands/skill-install.ts'),
  ),

  send: one('say something in a room, a thread or a DM', 'Talk', () => import('./commands/send.ts')),
  read: one('read what was said', 'Talk', () => import('./commands/read.ts')),
  search: one('find what was said', 'Talk', () => import('./commands/search.ts')),
  status: one('what became of a message, for each agent', 'Talk', () => import('./commands/status.ts')),
  conversations: one('list rooms and DMs', 'Talk', () => import('./commands/conversations.ts')),
  participants: one('list who is in a conversation', 'Talk', () => import('./commands/participants.ts')),

  'wake test': one(
    'can an agent be woken? without costing a turn',
    'Look after',
    () => import('./commands/wake-test.ts'),
  ),
  'deliveries list': one(
    'turns that failed, run or are held back',
    'Look after',
    () => import('./commands/deliveries-list.ts'),
  ),
  'deliveries retry': one('run a failed turn again', 'Look after', async () => ({
    command: (await import('./commands/deliveries-settle.ts')).retry,
  })),
  'deliveries drop': one('give a failed turn up', 'Look after', async () => ({
    command: (await import('./commands/deliveries-settle.ts')).drop,
  })),
  pause: one(
    'no wakes for an agent, in a room or anywhere',
    'Look after',
    () => import('./commands/pause.ts'),
  ),
  'pause list': one('what is paused', 'Look after', () => import('./commands/pause-list.ts')),
  resume: one('end a pause', 'Look after', () => import('./commands/resume.ts')),
  'sessions list': one(
    "which session of its runtime an agent's conversation has",
    'Attach agents',
    () => import('./commands/sessions-list.ts'),
  ),
  'sessions reset': one(
    'let an agent begin a conversation anew',
    'Attach agents',
    () => import('./commands/sessions-reset.ts'),
  ),
  usage: one(
    'wakes, tokens and cost by agent, room and day',
    'Look after',
    () => import('./commands/usage.ts'),
  ),
  'guard list': one(
    'conversations that the storm guard holds; the meters of one',
    'Look after',
    () => import('./commands/guard-list.ts'),
  ),
  'guard resume': one(
    'let a held conversation go on',
    'Look after',
    () => import('./commands/guard-resume.ts'),
  ),
  'pair invite': one(
    'a code with which another network pairs with this one',
    'Look after',
    () => import('./commands/pair-invite.ts'),
  ),
  'pair accept': one(
    'pair with the network that made a code',
    'Look after',
    () => import('./commands/pair-accept.ts'),
  ),
  'pair list': one('paired networks and open codes', 'Look after', () => import('./commands/pair-list.ts')),
  'pair show': one(
    'what waits for a paired network, and what it refused',
    'Look after',
    () => import('./commands/pair-show.ts'),
  ),
  'pair share': one(
    'with which paired networks a room is shared',
    'Look after',
    () => import('./commands/pair-share.ts'),
  ),
  'pair backfill': one(
    'take in what a paired network said in a room before',
    'Look after',
    () => import('./commands/pair-backfill.ts'),
  ),
  'pair revoke': one('end a pairing, or a code', 'Look after', () => import('./commands/pair-revoke.ts')),
  'room list': one('list the rooms', 'Look after', () => import('./commands/room-list.ts')),
  'room create': one('create a room', 'Look after', () => import('./commands/room-create.ts')),
  'room remove': one(
    'remove a room; its messages are kept',
    'Look after',
    () => import('./commands/room-remove.ts'),
  ),
  'room join': one(
    "become a member of a room, with the room's credential",
    'Talk',
    () => import('./commands/room-join.ts'),
  ),
  'admin room members add': one('add members to a room', 'Look after', async () => ({
    command: (await import('./commands/room-members.ts')).add,
  })),
  'admin room members remove': one('remove members from a room', 'Look after', async () => ({
    command: (await import('./commands/room-members.ts')).remove,
  })),
  'admin room list': one('list the rooms', undefined, () => import('./commands/room-list.ts')),
  'admin room create': one('create a room', undefined, () => import('./commands/room-create.ts')),
  'admin room remove': one('remove a room', undefined, () => import('./commands/room-remove.ts')),
  'admin agent invite': one(
    'a code with which an agent claims its id',
    'Look after',
    () => import('./commands/agent-invite.ts'),
  ),
  'admin agent rotate-token': one(
    'a new token for an agent that lost its own',
    'Look after',
    () => import('./commands/agent-rotate.ts'),
  ),
  'admin agent remove': one(
    'remove an agent from the network',
    'Look after',
    () => import('./commands/agent-remove.ts'),
  ),
  reload: one(
    'have the running server, or node, take over its changed file',
    'Run',
    () => import('./commands/reload.ts'),
  ),
  apply: one(
    "bring a running server's rooms to what a file says",
    'Look after',
    () => import('./commands/apply.ts'),
  ),

  export: one('write the whole network into one file', 'Files', () => import('./commands/export.ts')),
  import: one('read an export, or a database of the original', 'Files', () => import('./commands/import.ts')),
  backup: one(
    'a copy of the SQLite database, while the server runs',
    'Files',
    () => import('./commands/backup.ts'),
  ),
  init: one(
    'write a Moltnet and a MoltnetNode file to begin with',
    'Files',
    () => import('./commands/init.ts'),
  ),
  validate: one('check files without running anything', 'Files', () => import('./commands/validate.ts')),
  version: one('print the version', 'Files', () => import('./commands/version.ts')),
  help: one('this overview, or help on a command', 'Files', () => import('./commands/help.ts')),

  // The scripted agents of the demo.
  'demo-agent': one('', undefined, () => import('./demo/scripted-agent.ts')),
};

/** Other words for the same. */
const ALIASES: Readonly<Record<string, string>> = {
  server: 'start',
  node: 'node start',
  bridge: 'bridge run',
  'attachment run': 'bridge run',
  attachment: 'bridge run',
  guard: 'guard list',
  deliveries: 'deliveries list',
  pair: 'pair list',
  sessions: 'sessions list',
  '--version': 'version',
  '-version': 'version',
  '-v': 'version',
  '--help': 'help',
  '-help': 'help',
  '-h': 'help',
};

/** Names and aliases of one to four words. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ...Object.keys(COMMANDS).map((name): [string, string] => [name, name]),
  ...Object.entries(ALIASES),
]);

/** The command that the words begin with, by its longest name, and the words after it. */
export function findCommand(
  words: readonly string[],
): { name: string; entry: Entry; rest: string[] } | undefined {
  for (let length = Math.min(4, words.length); length > 0; length--) {
    const name = NAMES.get(words.slice(0, length).join(' '));
    if (name !== undefined) return { name, entry: COMMANDS[name]!, rest: words.slice(length) };
  }
  return undefined;
}

/** Names that begin with these words: the commands of a group such as `admin`. */
export const commandsUnder = (prefix: string): string[] =>
  Object.keys(COMMANDS).filter((name) => name.startsWith(`${prefix} `));
