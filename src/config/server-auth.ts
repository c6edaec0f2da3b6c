/** The `auth` block of the server's file (wire.md 10.1). */
import { derivedTokenId, isClaimKey, SCOPES } from '../protocol/credentials.ts';
import { canonicalMemberId, parseMemberId } from '../protocol/ids.ts';
import { agentIdTest, idTest, memberTest, note, type Check, type Section, type Test } from './check.ts';
import { nameTest } from './server-fields.ts';
import { isHeaderText } from './tokens.ts';
import type { ServerConfig, StaticToken } from './types.ts';

const AUTH_KEYS = ['mode', 'public_read', 'agent_registration', 'first_come_claims', 'tokens'];

/** `lenient`: a token with an id needs no value. `secret` says what in it others may not read. */
export function readAuth(root: Section, lenient: boolean): { auth: ServerConfig['auth']; secret?: string } {
  const auth = root.section('auth', AUTH_KEYS);
  const mode = auth?.oneOf('mode', ['none', 'bearer', 'open']) ?? 'none';
  const tokens = (
    auth?.sections('tokens', ['id', 'value', 'scopes', 'agents', 'human', 'pairing']) ?? []
  ).map((token) => readToken(token, mode, lenient));
  return {
    auth: {
      mode,
      public_read: auth?.flag('public_read') ?? false,
      agent_registration: auth?.oneOf('agent_registration', ['disabled', 'token', 'open']) ?? 'disabled',
      first_come_claims: auth?.flag('first_come_claims') ?? false,
      tokens,
    },
    ...(tokens.some((token) => token.value !== '') ? { secret: 'tokens' } : {}),
  };
}

function readToken(token: Section, mode: ServerConfig['auth']['mode'], lenient: boolean): StaticToken {
  const id = token.text('id', idTest);
  const agents = token.texts('agents', memberTest);
  const scopes = token.texts('scopes') ?? [];
  for (const [index, scope] of scopes.entries()) {
    if (!SCOPES.includes(scope as 'write'))
      token.note(
        'scopes',
        `${JSON.stringify(scope)} (item ${index + 1}) is not a scope`,
        `write ${SCOPES.join(', ')}`,
      );
  }
  if (scopes.length === 0 && mode !== 'none')
    token.note('scopes', 'is missing', `list what the token may do: ${SCOPES.join(', ')}`);
  const human = token.section('human', ['id', 'name']);
  const name = human?.text('name', nameTest);
  const pairing = token.text('pairing', idTest);
  if (pairing !== undefined && !scopes.includes('pair'))
    token.note('pairing', 'belongs to a token with the scope pair', 'add pair to its scopes, or remove it');
  const optional = mode === 'none' || (lenient && id !== undefined);
  return {
    ...(id === undefined ? {} : { id }),
    value: optional ? (token.text('value', valueTest) ?? '') : token.required('value', valueTest),
    scopes,
    ...(agents === undefined ? {} : { agents }),
    ...(pairing === undefined ? {} : { pairing }),
    ...(human
      ? { human: { id: human.required('id', agentIdTest), ...(name === undefined ? {} : { name }) } }
      : {}),
  };
}

/** The value itself is never shown. */
const valueTest: Test = (value) => {
  if (isClaimKey(value)) return { problem: 'is a claim key', fix: 'write a secret of your own' };
  return isHeaderText(value)
    ? undefined
    : {
        problem: 'holds characters that a token cannot have',
        fix: 'a token is one line of visible ASCII without spaces',
      };
};

/** What follows from the mode, and what contradicts it or itself. */
export function settleAuth(check: Check, config: ServerConfig): void {
  const { auth } = config;
  if (auth.mode === 'open') Object.assign(auth, { public_read: true, agent_registration: 'open' });
  if (auth.mode === 'bearer' && auth.tokens.length === 0)
    note(
      check,
      ['auth', 'tokens'],
      'is empty in auth mode bearer',
      'write at least one token with id, value and scopes',
    );
  const once = onlyOnce(check);
  for (const [index, { id, value }] of auth.tokens.entries()) {
    if (value !== '') once('value', value, index, 'value', 'a secret belongs to one token');
    const known = id ?? (value === '' ? undefined : derivedTokenId(value));
    if (known !== undefined)
      once('id', known, index, id === undefined ? 'value' : 'id', 'a token id stands once');
  }
  const owners = settleAgents(check, config);
  settlePeople(check, auth.tokens, owners);
}

/** Notes what an earlier token has too. */
function onlyOnce(
  check: Check,
): (kind: string, value: string, index: number, key: string, fix: string) => void {
  const seen = new Map<string, number>();
  return (kind, value, index, key, fix) => {
    const first = seen.get(`${kind}\n${value}`);
    if (first === undefined) return void seen.set(`${kind}\n${value}`, index);
    note(check, ['auth', 'tokens', index, key], `is that of auth.tokens[${first}] too`, fix);
  };
}

/** Returns which token each declared agent belongs to, by its canonical id. */
function settleAgents(check: Check, { auth, network }: ServerConfig): Map<string, number> {
  const owners = new Map<string, number>();
  for (const [index, token] of auth.tokens.entries()) {
    for (const agent of token.agents ?? []) {
      if (!parseMemberId(agent)) continue;
      const id = canonicalMemberId(agent, network.id);
      const other = owners.get(id);
      if (other !== undefined && other !== index)
        note(
          check,
          ['auth', 'tokens', index, 'agents'],
          `${agent} stands under auth.tokens[${other}] too`,
          'an agent belongs to one token',
        );
      owners.set(id, index);
    }
  }
  return owners;
}

/** A person with several tokens is one person, named alike by all of them. */
function settlePeople(check: Check, tokens: StaticToken[], agents: ReadonlyMap<string, number>): void {
  const names = new Map<string, { name: string; index: number }>();
  for (const [index, { human }] of tokens.entries()) {
    if (!human || human.id === '') continue;
    const agent = agents.get(human.id);
    if (agent !== undefined)
      note(
        check,
        ['auth', 'tokens', index, 'human', 'id'],
        `${human.id} is an agent of auth.tokens[${agent}]`,
        'people and agents share one namespace: choose another id for one of them',
      );
    if (human.name === undefined) continue;
    const known = names.get(human.id);
    if (known === undefined) names.set(human.id, { name: human.name, index });
    else if (known.name !== human.name)
      note(
        check,
        ['auth', 'tokens', index, 'human', 'name'],
        `${human.id} is ${JSON.stringify(known.name)} at auth.tokens[${known.index}]`,
        'a person has one name: write the same, or leave it out here',
      );
  }
  for (const { human } of tokens) {
    const name = human && names.get(human.id)?.name;
    if (name !== undefined) human!.name = name;
  }
}
