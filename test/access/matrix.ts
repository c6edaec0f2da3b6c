/**
 * The notation of matrix-rows.ts, which has who may ask what, as data: written from wire.md 3.2, 3.3, 4.3 and 4.4 (and wire-newer.md 4), not from the code.
 *
 * `bearer` and `read` (public_read on) are wire.md's own seven columns: no credential, unknown token, observe, write,
 * admin, attach, pair. What a credential of several scopes gets follows from them: an agent token is write and attach,
 * and so is the static token with `agents`; a person's is write; the session observe and write; the operator observe,
 * write and admin. A removed agent's token was unknown to the original; here it is told `agent_removed` (issue-3.2).
 *
 * `but` has what is different for one caller, as `STATUS[code letter][~why]`. The why of a deviation is its W-number, or
 * `3.N` for the point of issue 3 that orders it; `wN` names another section of wire.md that says so, `nN` one of
 * wire-newer.md, and is no deviation. `.` stands for a caller that the row says nothing about.
 */
import { CALLERS, type AuthLab, type Caller, type Mode } from '../support/auth-lab.ts';

export interface Row {
  /** `METHOD path` as /openapi.json has it. */
  route: string;
  /** The path that is asked, `{n}` for a fresh id and `{who}` for the caller's own; the route's when left out. */
  at?: string;
  body?: (fresh: string, who: Caller, lab: AuthLab) => unknown;
  headers?: Record<string, string>;
  /** Made by the operator before each request. */
  before?: (lab: AuthLab, fresh: string, who: Caller) => Promise<unknown>;
  /** Every caller in mode none. */
  none: number | string;
  bearer: string;
  /** `bearer` when left out. */
  read?: string;
  /** public_read and open registration, bearer; `read` when left out. */
  claims?: string;
  /** Mode open; `claims` when left out. */
  open?: string;
  but?: { [M in Mode | 'all' | 'reading' | 'claiming']?: Partial<Record<Caller, string>> };
}

export interface Cell {
  status: number;
  code?: string;
  /** Why it is not what wire.md 3.3 says. */
  why?: string;
}

/** Letters behind a status, where more codes than one have it. */
const CODES: Record<string, string> = {
  '401': 'unauthorized',
  '403': 'forbidden',
  '404': 'not_found',
  '409': 'conflict',
  '403r': 'agent_removed',
  '403w': 'write_refused',
  '403n': 'not_a_participant',
  '403c': 'claim_reserved',
  '403i': 'invalid_claim_code',
  '409t': 'agent_taken',
  '409p': 'person_reserved',
  '403k': 'invalid_pairing_code',
};

export function parseCell(text: string): Cell | undefined {
  if (text === '.') return undefined;
  const [, digits, letter, why] = /^(\d{3})([a-z]?)(?:~(.+))?$/.exec(text) ?? [];
  if (digits === undefined) throw new Error(`not a cell: ${text}`);
  const code = CODES[`${digits}${letter}`];
  if (letter && code === undefined) throw new Error(`not a code: ${text}`);
  return {
    status: Number(digits),
    ...(code !== undefined && { code }),
    ...(why !== undefined && { why }),
  };
}

const SEVEN = ['anon', 'unknown', 'observe', 'write', 'admin', 'attach', 'pair'] as const;
/** The scopes that the other credentials have. */
const UNION: Partial<Record<Caller, readonly (typeof SEVEN)[number][]>> = {
  member: ['write', 'attach'],
  outsider: ['write', 'attach'],
  listed: ['write', 'attach'],
  person: ['write'],
  session: ['observe', 'write'],
  operator: ['observe', 'write', 'admin'],
};

/** What wire.md 3.3 says of every caller, from its seven columns: the best of a credential's scopes. */
function fromWire(columns: string): Record<Caller, string> {
  const seven = columns.split(' ');
  if (seven.length !== SEVEN.length) throw new Error(`not seven columns: ${columns}`);
  const of = (scope: (typeof SEVEN)[number]): string => seven[SEVEN.indexOf(scope)]!;
  const best = (scopes: readonly (typeof SEVEN)[number][]): string =>
    scopes.map(of).reduce((a, b) => (a.startsWith('403') || a === '.' ? b : a));
  return Object.fromEntries(
    CALLERS.map((who) => {
      if (who === 'removed') return [who, of('unknown') === '401' ? '403r~3.2' : of('unknown')];
      const scopes = UNION[who];
      return [who, scopes ? best(scopes) : of(who as (typeof SEVEN)[number])];
    }),
  ) as Record<Caller, string>;
}

/** What a row says of every caller in a mode. */
export function cellsOf(row: Row, mode: Mode): Record<Caller, Cell | undefined> {
  const { but = {} } = row;
  const read = row.read ?? row.bearer;
  const claims = row.claims ?? read;
  const columns = { none: '', bearer: row.bearer, public: read, claims, open: row.open ?? claims };
  const texts: Partial<Record<Caller, string>> =
    mode === 'none'
      ? Object.fromEntries(CALLERS.map((who) => [who, String(row.none)]))
      : { ...fromWire(columns[mode]), ...but.all };
  if (mode === 'public' || mode === 'claims' || mode === 'open') Object.assign(texts, but.reading);
  if (mode === 'claims' || mode === 'open') Object.assign(texts, but.claiming);
  Object.assign(texts, but[mode]);
  return Object.fromEntries(CALLERS.map((who) => [who, parseCell(texts[who]!)])) as never;
}

// Columns of wire.md that come again and again.
export const OBSERVERS = '401 401 200 403 200 403 403';
export const ADMINS = '401 401 403 403 200 403 403';
export const EVERYONE = '200 200 200 200 200 200 200';
export const PUBLIC = '200 401 200 200 200 200 200';
export const NOBODY = '. . . . . . .';
export const everyone = (cell: string): Partial<Record<Caller, string>> =>
  Object.fromEntries(CALLERS.map((who) => [who, cell]));
