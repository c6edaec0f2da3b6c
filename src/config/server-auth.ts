/** The `auth` block of the server's file (wire.md 10.1). */
import { idTest, memberTest, note, type Check, type Section } from './check.ts';
import type { ServerConfig } from './types.ts';

const SCOPES = ['observe', 'write', 'admin', 'attach', 'pair'] as const;

/** `lenient`: a token with an id needs no value. `secret` says what in it others may not read. */
export function readAuth(root: Section, lenient: boolean): { auth: ServerConfig['auth']; secret?: string } {
  const auth = root.section('auth', ['mode', 'public_read', 'agent_registration', 'tokens']);
  const mode = auth?.oneOf('mode', ['none', 'bearer', 'open']) ?? 'none';
  const tokens = (auth?.sections('tokens', ['id', 'value', 'scopes', 'agents']) ?? []).map((token) => {
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
    return {
      ...(id === undefined ? {} : { id }),
      value:
        mode === 'none' || (lenient && id !== undefined)
          ? (token.text('value') ?? '')
          : token.required('value'),
      scopes,
      ...(agents === undefined ? {} : { agents }),
    };
  });
  return {
    auth: {
      mode,
      public_read: auth?.flag('public_read') ?? false,
      agent_registration: auth?.oneOf('agent_registration', ['disabled', 'token', 'open']) ?? 'disabled',
      tokens,
    },
    ...(tokens.some((token) => token.value !== '') ? { secret: 'tokens' } : {}),
  };
}

/** What follows from the mode, and what contradicts it. */
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
  const owners = new Map<string, number>();
  for (const [index, token] of auth.tokens.entries()) {
    for (const agent of token.agents ?? []) {
      const other = owners.get(agent);
      if (other !== undefined && other !== index)
        note(
          check,
          ['auth', 'tokens', index, 'agents'],
          `${agent} stands under auth.tokens[${other}] too`,
          'an agent belongs to one token',
        );
      owners.set(agent, index);
    }
  }
}
