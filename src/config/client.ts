/**
 * `.moltnet/config.json`, how an agent's commands reach the network (wire.md 10.5). Read by `moltnet send`: JSON
 * only, and nothing here loads a YAML parser or a schema library.
 */
import { didYouMean } from './issues.ts';
import {
  defined,
  finish,
  idTest,
  memberTest,
  newCheck,
  note,
  openSection,
  orList,
  type Section,
} from './check.ts';
import { CLIENT_FILES, discover, type Where } from './discover.ts';
import { requirePrivate } from './private-files.ts';
import { jsonSource, readText } from './source.ts';
import { hasTokenSource } from './tokens.ts';
import { readUrls } from './urls.ts';
import type { ClientAttachment, ClientConfig } from './types.ts';

export const CLIENT_VERSION = 'moltnet.client.v1';
const VERSIONS = [CLIENT_VERSION, 'spawnfile.moltnet-http-skill.v1'];
const ATTACHMENT_KEYS = [
  'agent_name',
  'auth',
  'base_url',
  'dms',
  'member_id',
  'network_id',
  'other_urls',
  'rooms',
  'runtime',
];
const ROOM_KEYS = ['id', 'wake', 'visibility', 'write_policy', 'can_write', 'access'];

/**
 * The client configuration named on the command line, by `MOLTNET_CLIENT_CONFIG`, or found in the working folder;
 * undefined when none is named and none is there. Throws a ConfigError with every mistake.
 */
export function loadClientConfig(where: Where): ClientConfig | undefined {
  const found = discover(where, 'MOLTNET_CLIENT_CONFIG', CLIENT_FILES);
  return found ? readClientFile(found.file, found.shown) : undefined;
}

/** Reads and checks one client configuration. `token_path` stays as written: relative to the file's folder. */
export function readClientFile(file: string, shown: string = file): ClientConfig {
  const check = newCheck(jsonSource(shown, readText(file)));
  const root = openSection(check, [], check.source.value, ['version', 'agent', 'attachments']);
  root.text('version', (v) =>
    VERSIONS.includes(v)
      ? undefined
      : { problem: `is ${JSON.stringify(v)}`, fix: `write ${orList(VERSIONS)}` },
  );
  const agent = root.section('agent', ['name', 'runtime']);
  const attachments = root.sections('attachments', ATTACHMENT_KEYS).map(readAttachment);
  if (attachments.length === 0) note(check, ['attachments'], 'is empty', 'write one with: moltnet connect');
  const seen = new Set<string>();
  for (const [index, { network_id, member_id }] of attachments.entries()) {
    const key = `${network_id}\n${member_id}`;
    if (seen.has(key))
      note(
        check,
        ['attachments', index, 'member_id'],
        `${member_id} of network ${network_id} stands twice`,
        'remove one of the two',
      );
    seen.add(key);
  }
  finish(check);
  if (attachments.some(({ auth }) => auth.token !== undefined)) requirePrivate(file, 'a token');
  return {
    path: file,
    agent: { name: agent?.text('name') ?? '', runtime: agent?.text('runtime') ?? '' },
    attachments,
  };
}

function readAttachment(block: Section): ClientAttachment {
  const auth = block.section('auth', ['mode', 'registration', 'token', 'token_env', 'token_path']);
  const source = defined({
    token: auth?.text('token'),
    token_env: auth?.text('token_env'),
    token_path: auth?.text('token_path'),
  });
  const mode =
    auth?.oneOf('mode', ['none', 'bearer', 'open']) ?? (hasTokenSource(source) ? 'bearer' : 'none');
  if (mode === 'bearer' && !hasTokenSource(source))
    block.note('auth', 'has no token in mode bearer', 'write token_path, token_env or token');
  const dms = block.section('dms', ['enabled', 'wake', 'allowed_wake_senders']);
  return {
    ...defined({ agent_name: block.text('agent_name'), runtime: block.text('runtime') }),
    auth: { mode, ...defined({ registration: auth?.text('registration') }), ...source },
    ...readUrls(block),
    ...(dms
      ? { dms: { enabled: dms.flag('enabled') ?? false, ...defined({ wake: dms.text('wake') }) } }
      : {}),
    member_id: block.required('member_id', memberTest),
    network_id: block.required('network_id', idTest),
    rooms: block.sections('rooms', ROOM_KEYS).map((room) => {
      const access = room.section('access', 'any');
      return {
        id: room.required('id', idTest),
        ...defined({
          wake: room.text('wake'),
          can_write: room.flag('can_write') ?? access?.flag('can_write'),
        }),
      };
    }),
  };
}

/**
 * The attachment that a command means: the only one when no flags are given, else the one that fits `--network` and
 * `--member`. Returns a text that says what to add when none or several fit.
 */
export function selectAttachment(
  config: ClientConfig,
  flags: { network?: string; member?: string },
): ClientAttachment | { problem: string; fix: string } {
  const fits = config.attachments.filter(
    (a) =>
      (flags.network === undefined || a.network_id === flags.network) &&
      (flags.member === undefined || a.member_id === flags.member),
  );
  if (fits.length === 1) return fits[0]!;
  const names = (list: readonly ClientAttachment[]): string =>
    [...new Set(list.map((a) => `${a.member_id} on ${a.network_id}`))].join(', ');
  if (fits.length === 0) {
    const wanted = flags.member ?? flags.network ?? '';
    const near = didYouMean(
      wanted,
      config.attachments.flatMap((a) => [a.member_id, a.network_id]),
    );
    return {
      problem: `${config.path} has no attachment ${[flags.member, flags.network && `of network ${flags.network}`].filter(Boolean).join(' ')}`,
      fix: `${near ? `did you mean ${near}? ` : ''}it has ${names(config.attachments)}`,
    };
  }
  const networks = new Set(fits.map((a) => a.network_id));
  const missing = [
    ...(networks.size > 1 && flags.network === undefined ? ['--network'] : []),
    ...(flags.member === undefined && networks.size < fits.length ? ['--member'] : []),
  ];
  return {
    problem: `${config.path} has several attachments: ${names(fits)}`,
    fix: `add ${missing.join(' and ')}`,
  };
}
