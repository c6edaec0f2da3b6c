import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { NODE_FILES, SERVER_FILES } from '../../config/discover.ts';
import { parseListenAddress } from '../../config/listen.ts';
import { writeFileAtomic } from '../../config/private-files.ts';
import { defaultNetworkName } from '../../config/server.ts';
import { isId } from '../../protocol/ids.ts';
import { commandName } from '../command-name.ts';
import type { Args, Command } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { nodeFile, serverFile, type InitOptions } from '../init-files.ts';
import { shellWord } from '../shell-word.ts';

export const command: Command = {
  usage: 'init [path]',
  summary: 'write a Moltnet and a MoltnetNode file to begin with',
  flags: [
    { name: 'bearer', what: 'for a team: nobody without a token; makes tokens for you and the console' },
    { name: 'open', what: 'for the public: agents register themselves, public rooms are read by everybody' },
    {
      name: 'id',
      value: 'ID',
      what: 'the network; never changed once there are messages',
      fallback: 'local',
    },
    { name: 'name', value: 'NAME', what: 'its name', fallback: 'made from the id' },
    { name: 'listen', value: 'ADDR', what: 'address to listen on', fallback: '127.0.0.1:8787' },
    { name: 'room', value: 'ID', many: true, what: 'a public room to begin with', fallback: 'general' },
    { name: 'dir', value: 'DIR', what: 'the folder, in place of the word', fallback: '.' },
  ],
  positionals: 1,
  details: `Without --bearer or --open whoever reaches the server may use it: right for one person on one machine.
Never overwrites: a file that exists, under any of its names, stays as it is.`,
  async run(args, io) {
    const options = optionsOf(args);
    const named = args.text('dir') ?? args.positionals[0];
    const dir = path.resolve(io.cwd, named ?? '.');
    if (existsSync(dir) && !statSync(dir).isDirectory()) throw new Failure(`${dir} is not a folder`);
    if (!existsSync(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 });
    const files = [
      { names: SERVER_FILES, text: serverFile(options) },
      { names: NODE_FILES, text: nodeFile(options) },
    ].map(({ names, text }) => {
      const existing = names.find((name) => existsSync(path.join(dir, name)));
      const file = path.join(dir, existing ?? names[0]);
      if (existing === undefined) writeFileAtomic(file, text);
      return { file, created: existing === undefined };
    });
    const [server] = files as [(typeof files)[number], ...unknown[]];
    const created = files.some((file) => file.created);
    const lines = [
      ...files.map((file) => `${file.created ? 'created' : 'exists'} ${file.file}`),
      created ? `initialized ${dir}` : 'no files created',
    ];
    if (
      !server.created &&
      ['bearer', 'open', 'id', 'name', 'listen', 'room'].some((flag) => args.given(flag))
    )
      lines.push(`note: ${server.file} stays as it is; what was asked for goes into it by hand`);
    else if (server.created && options.mode !== 'none') lines.push(...aboutTokens(server.file));
    if (created && io.terminal) {
      const cd = named === undefined ? '' : `cd ${shellWord(named)} && `;
      lines.push('', `next: ${cd}${commandName(io.env)} start`);
    }
    if (created && !ignored(dir))
      lines.push(
        `note: this folder is in a git repository; add Moltnet, MoltnetNode and .moltnet/ to its .gitignore${options.mode === 'none' ? ' once they hold tokens' : ': they hold tokens'}`,
      );
    await io.out(`${lines.join('\n')}\n`);
  },
};

const aboutTokens = (file: string): string[] => [
  `tokens: two, in ${file} (auth.tokens), which only you can read`,
  '  operator  you: `moltnet console` logs in with it; commands run from this folder find it by themselves',
  '  console   to look at the console only',
];

function optionsOf(args: Args): InitOptions {
  if (args.on('bearer') === true && args.on('open') === true)
    throw usageFailure('--bearer and --open exclude each other');
  const id = args.text('id') ?? 'local';
  if (!isId(id) || id.includes(':'))
    throw usageFailure(
      `--id ${JSON.stringify(id)} is not a network id`,
      'use 1 to 128 letters, digits, . _ - and begin with a letter or digit',
    );
  const listen = args.text('listen') ?? '127.0.0.1:8787';
  if (!parseListenAddress(listen))
    throw usageFailure(`--listen ${JSON.stringify(listen)} is not an address`, 'write host:port, or :port');
  const rooms = args.list('room');
  const wrong = rooms.find((room) => !isId(room));
  if (wrong !== undefined) throw usageFailure(`--room ${JSON.stringify(wrong)} is not a room id`);
  return {
    mode: args.on('bearer') === true ? 'bearer' : args.on('open') === true ? 'open' : 'none',
    id,
    name: args.text('name') ?? defaultNetworkName(id),
    listen,
    rooms,
    tokens: { operator: newToken(), console: newToken() },
  };
}

/** Of no kind that a server mints: 32 random bytes. */
const newToken = (): string => `mtok_${randomBytes(32).toString('base64url')}`;

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
