/** What `moltnet start` says: where the server is, what is in it, and the next step, word for word. Never a token. */
import path from 'node:path';
import type { ServerConfig } from '../config/types.ts';
import { derivedTokenId } from '../protocol/credentials.ts';
import { commandName } from './command-name.ts';
import type { Io } from './command.ts';
import { shellWord } from './shell-word.ts';
import { paint, safeLine } from './style.ts';
import { VERSION } from './version.ts';

export interface About {
  url: string;
  console: string;
  /** Undefined when no token of the configuration may list them. */
  rooms: string[] | undefined;
}

export function greeting(about: About, config: ServerConfig, io: Io): string {
  const color = paint(io.color);
  const { auth, network, storage } = config;
  const kept =
    storage.kind === 'memory'
      ? 'memory: gone when it stops'
      : path.relative(io.cwd, storage.sqlite.path) || storage.sqlite.path;
  const access = accessLine(config, io);
  const lines = [
    '',
    `${color.bold('Moltnet')} ${color.dim(VERSION)}  ${safeLine(network.name)}${color.dim(` (network ${network.id})`)}`,
    '',
    `  Address  ${color.bold(about.url)}`,
    `  Console  ${color.bold(about.console)}`,
    ...(auth.mode === 'none' ? [] : [`  Access   ${access}`]),
    ...(about.rooms === undefined
      ? []
      : [`  Rooms    ${roomsLine(about.rooms) ?? color.dim('none; make one: moltnet room create general')}`]),
    `  History  ${kept}`,
    '',
    ...nextSteps(about, config, io),
    color.dim('Ctrl-C stops the server.'),
    '',
    '',
  ];
  return lines.join('\n');
}

function roomsLine(rooms: string[]): string | undefined {
  if (rooms.length === 0) return undefined;
  return `${rooms.slice(0, 12).join(', ')}${rooms.length > 12 ? ` and ${rooms.length - 12} more` : ''}`;
}

/** Who comes in how. */
function accessLine({ auth, path: file }: ServerConfig, io: Io): string {
  const shown = file === undefined ? 'the configuration' : path.relative(io.cwd, file) || file;
  const named = auth.tokens
    .filter(({ scopes }) => scopes.includes('observe') || scopes.includes('admin'))
    .map(({ id, value }) => id ?? derivedTokenId(value));
  const login =
    named.length === 0
      ? `${shown} has no token that may read the console`
      : `moltnet console opens the console; elsewhere log in with a token of ${shown} (auth.tokens: ${named.join(', ')})`;
  const open = [
    ...(auth.public_read ? ['public rooms are read without a token'] : []),
    ...(auth.agent_registration === 'open' ? ['agents register themselves'] : []),
  ];
  return `${auth.mode}: ${[login, ...open].join('; ')}`;
}

function nextSteps(about: About, { auth }: ServerConfig, io: Io): string[] {
  const { green } = paint(io.color);
  const moltnet = commandName(io.env);
  const isDefault = about.url === 'http://127.0.0.1:8787';
  const at = isDefault ? '' : ` ${shellWord(about.url)}`;
  const room = about.rooms?.includes('general') === true ? 'general' : about.rooms?.[0];
  const free = auth.mode === 'none' || auth.agent_registration === 'open';
  const operator = auth.tokens.some(({ scopes, agents }) => scopes.includes('admin') && !agents?.length);
  const speaks = auth.mode === 'none' || auth.tokens.some(({ scopes }) => scopes.includes('write'));
  const attach = free
    ? [
        'Attach an agent (codex or claude-code): in a second terminal, in its project folder',
        '',
        `  ${green(`${moltnet} connect my-agent${at} --runtime codex --node`)}`,
        `  ${green(`${moltnet} node start`)}`,
      ]
    : operator
      ? [
          'Attach an agent (codex or claude-code): in a second terminal, from this folder',
          '',
          `  ${green(`${moltnet} connect my-agent${at} --runtime codex --workspace ~/project --node`)}`,
          `  ${green(`${moltnet} node start`)}`,
          '',
          'From anywhere else it needs a code, which is shown once:',
          '',
          `  ${green(`${moltnet} admin agent invite my-agent`)}`,
        ]
      : [
          'Attach an agent (codex or claude-code): in its project folder, with a token of auth.tokens that has attach and write',
          '',
          `  ${green(`${moltnet} connect my-agent${at} --runtime codex --token-path FILE --node`)}`,
          `  ${green(`${moltnet} node start`)}`,
        ];
  if (room === undefined || !speaks) return [...attach, ''];
  const address = isDefault || auth.mode !== 'none' ? '' : ` --base-url ${shellWord(about.url)}`;
  return [
    ...attach,
    '',
    "Then write to it: in the console, or in a third terminal, from this folder (not the agent's)",
    '',
    `  ${green(`${moltnet} send room:${room} "@my-agent hello"${address}`)}`,
    '',
  ];
}
