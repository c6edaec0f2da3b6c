/** What a rule is: a pure function from the state and a command to writes and an answer; it throws MoltnetError to refuse. */
import type { EventType } from '../protocol/events.ts';
import type { Writes, EventWrite, RowWrite } from '../store/writes.ts';
import type { Answer, CommandKind, CommandOf } from './commands.ts';
import type { Random } from './random.ts';
import type { NetworkSettings } from './settings.ts';
import type { State } from './state.ts';

export interface Decided<K extends CommandKind> {
  writes: Writes;
  answer: Answer<K>;
  /** In the place of the network's settings, once the writes are on disk. */
  settings?: NetworkSettings;
}

export type Rule<K extends CommandKind> = (state: State, command: CommandOf<K>, random: Random) => Decided<K>;

/** An answer that changes nothing. */
export function unchanged<K extends CommandKind>(answer: Answer<K>): Decided<K> {
  return { writes: { events: [], rows: [] }, answer };
}

/** An event about a room as such. */
export function roomEvent(
  random: Random,
  type: EventType,
  at: string,
  room_id: string,
  payload: object,
  rows: RowWrite[],
): EventWrite {
  return {
    id: random.eventId(),
    type,
    created_at: at,
    payload: JSON.stringify(payload),
    room_id,
    held: false,
    rows,
  };
}

/** An event about an agent: for observers and for itself. */
export function agentEvent(
  random: Random,
  type: EventType,
  at: string,
  agent_id: string,
  payload: object,
  rows: RowWrite[],
): EventWrite {
  return {
    id: random.eventId(),
    type,
    created_at: at,
    payload: JSON.stringify(payload),
    agent_id,
    held: false,
    rows,
  };
}
