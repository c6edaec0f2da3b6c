/** POST and DELETE /v1/pauses: from the next message on nobody is woken under the scope, until it is taken away. */
import { MoltnetError } from '../protocol/errors.ts';
import type { Pause, PauseChange, PauseScope } from '../protocol/pauses.ts';
import type { PauseRow } from '../store/topology-rows.ts';
import type { EventWrite, RowWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import type { CommandOf } from './commands.ts';
import { unchanged, type Rule } from './rule.ts';
import type { State } from './state.ts';

/** What is as it is asked for already is answered as it is, and told nobody. */
export const setPause: Rule<'pause.set'> = (state, command, random) => {
  const { scope, paused, at } = command;
  requireAccess(state.settings, command.identity, 'guard.resume');
  const before = state.pause(scope);
  if (!paused) {
    if (!before) return unchanged({ scope, at, by: byOf(command), paused: false });
    // Its time was over, and somebody has paused it anew.
    if (command.over && (before.until === null || before.until > at))
      return unchanged({ ...pauseWire(before), paused: true });
    const change = { scope, at, by: byOf(command), paused, since: before.at };
    return told(random.eventId(), at, change, { op: 'pause.remove', scope });
  }
  const until = untilOf(command.until, at);
  if (before && before.until === until) return unchanged({ ...pauseWire(before), paused });
  requirePausable(state, scope);
  // With another end it is the same pause.
  const row: PauseRow = { scope, paused_by: byOf(command), at: before?.at ?? at, until };
  return told(random.eventId(), at, { ...pauseWire(row), paused }, { op: 'pause', row });
};

export const pauseWire = ({ scope, at, paused_by, until }: PauseRow): Pause => ({
  scope,
  at,
  by: paused_by,
  ...(until !== null && { until }),
});

/** Who said so, without a name of a credential: whoever may see the pause is shown it. */
function byOf({ over, identity }: CommandOf<'pause.set'>): string {
  return over ? 'until' : (identity.human?.id ?? 'operator');
}

/** In the one form in which times are kept. Throws `unprocessable_entity`. */
function untilOf(given: string | undefined, at: string): string | null {
  const text = (given ?? '').trim();
  if (text === '') return null;
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time) || time <= Date.parse(at) || new Date(time).getUTCFullYear() > 9999) {
    throw new MoltnetError(
      'unprocessable_entity',
      `until: must be a time in the future, such as ${new Date(Date.parse(at) + 3_600_000).toISOString()}, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  return new Date(time).toISOString();
}

/** Throws `not_found`. To go on is possible for what is gone, too. */
function requirePausable(state: State, scope: PauseScope): void {
  if (scope === '*') return;
  const colon = scope.indexOf(':');
  const id = scope.slice(colon + 1);
  const room = scope.startsWith('room:');
  if (room ? state.room(id) : (state.agent(id) ?? state.roomsOf(id).size > 0)) return;
  throw new MoltnetError('not_found', `no such ${room ? 'room' : 'agent'}: ${id}`);
}

/** To observers; of an agent to itself too, of a room to those who may read it. */
function told(
  id: string,
  at: string,
  change: PauseChange,
  row: RowWrite,
): { writes: { events: EventWrite[]; rows: [] }; answer: PauseChange } {
  const { scope } = change;
  const event: EventWrite = {
    id,
    type: 'pause.changed',
    created_at: at,
    payload: JSON.stringify(change),
    ...(scope.startsWith('room:') && { room_id: scope.slice('room:'.length) }),
    ...(scope.startsWith('agent:') && { agent_id: scope.slice('agent:'.length) }),
    held: false,
    rows: [row],
  };
  return { writes: { events: [event], rows: [] }, answer: change };
}
