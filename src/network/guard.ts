/**
 * The storm guard: agents that answer each other are counted in turns, and over a limit the conversation is held. Three
 * limits: turns in the conversation without a person; turns in it in any hour; turns of two agents that answer each
 * other, wherever they do it, in any ten minutes, and four times as many without a person. A turn is a change of speaker between agents: a monologue is one, and an
 * `ack` is none. Held messages are stored and shown to observers, and wake nobody until the hold is let go: one of turns
 * by a person's message too, the others by a resume alone.
 */
import type { GuardMeters, GuardReason, GuardState } from '../protocol/events.ts';
import { limits } from '../protocol/limits.ts';
import type { GuardSettings, TurnLimit } from '../protocol/rooms.ts';
import type { ConversationRow, PairRow } from '../store/log-rows.ts';
import { HOUR, runOf, TEN_MINUTES, turnsIn, withPairTurn, withTurn } from './guard-window.ts';
import type { NetworkSettings } from './settings.ts';

export type GuardLimits = Required<GuardSettings>;

/** What the guard remembers of a conversation. */
export interface GuardMemory {
  /** Agent turns since a person wrote or the guard was resumed; it stands still while the conversation is held. */
  turns: number;
  /** FQID of the agent that spoke last, null after a person or a resume. */
  speaker: string | null;
  /** The same turns by the hour (HOUR), people or not. */
  window: string;
  held_by: string | null;
}
export const QUIET: GuardMemory = { turns: 0, speaker: null, window: '', held_by: null };

/** A message of an agent. */
export interface Heard {
  /** FQID. */
  speaker: string;
  /** Milliseconds since 1970. */
  now: number;
  /** What is known of the pairs whose turn it is: key and turns. */
  pairs: readonly Pick<PairRow, 'pair' | 'turns'>[];
}

/** What a message makes of it. `change` is what has to be told before the message. */
export interface GuardStep {
  next: GuardMemory;
  /** Pairs as they are then. */
  pairs: PairRow[];
  change?: 'held' | 'resumed';
}

/** A person wrote. */
export function hearPerson(memory: GuardMemory): GuardStep {
  const { held_by, window } = memory;
  const resumes = held_by !== null && reasonOf(held_by) === 'turns';
  const next = { turns: 0, speaker: null, window, held_by: resumes ? null : held_by };
  return { next, pairs: [], ...(resumes && { change: 'resumed' }) };
}

export function hearAgent(memory: GuardMemory, heard: Heard, max: GuardLimits): GuardStep {
  if (memory.held_by !== null) return { next: memory, pairs: [] };
  const { speaker, now, pairs } = heard;
  const turn = memory.speaker !== speaker;
  const held_by = tripped(memory, turn, heard, max);
  if (held_by !== undefined) return { next: { ...memory, held_by }, pairs: [], change: 'held' };
  return {
    next: turn
      ? { turns: memory.turns + 1, speaker, window: withTurn(memory.window, HOUR, now), held_by: null }
      : memory,
    pairs: pairs.map(({ pair, turns }) => ({
      pair,
      speaker,
      at: now,
      turns: withPairTurn(turns, now),
    })),
  };
}

/**
 * Which limit this message would break, as `held_by` keeps it. Those that only a resume lets go come first, so that a
 * person is not asked for what does not help. One turn is an answer to nobody, whatever the limit.
 */
function tripped(memory: GuardMemory, turn: boolean, heard: Heard, max: GuardLimits): string | undefined {
  if (turn) {
    const hour = turnsIn(memory.window, HOUR, heard.now);
    if (hour > 0 && exceeds(hour + 1, max.hour_turns)) return `hour ${hour}`;
  }
  for (const { pair, turns } of heard.pairs) {
    const had = turnsIn(turns, TEN_MINUTES, heard.now);
    if (had > 0 && exceeds(had + 1, max.pair_turns)) return `pair ${had} ${pair}`;
    const run = runOf(turns);
    if (run > 0 && exceeds(run + 1, pairLimit(max, true))) return `pair ${run}${RUN} ${pair}`;
  }
  if (turn && memory.turns > 0 && exceeds(memory.turns + 1, max.turns)) return `turns ${memory.turns}`;
  return undefined;
}

/** Behind the turns of a pair's hold: they are those without a person, however slow. */
const RUN = '~';
/** So many times `pair_turns` has a pair without a person. */
const RUNS = 4;
const pairLimit = ({ pair_turns }: GuardLimits, run: boolean | undefined): TurnLimit =>
  run && pair_turns !== 'off' ? RUNS * pair_turns : pair_turns;

function exceeds(turns: number, limit: TurnLimit): boolean {
  return limit !== 'off' && turns > limit;
}

/** A hold as `held_by` keeps it: which limit, and the turns that there were. */
export interface Hold {
  reason: GuardReason;
  turns: number;
  /** Key of the pair that is at it. */
  pair?: string;
  /** The pair's turns are those without a person. */
  run?: boolean;
}
export function holdOf(held_by: string): Hold {
  const [reason, turns, ...pair] = held_by.split(' ');
  return {
    reason: reason as GuardReason,
    turns: Number.parseInt(turns!, 10),
    ...(turns!.endsWith(RUN) && { run: true }),
    ...(pair.length > 0 && { pair: pair.join(' ') }),
  };
}
const reasonOf = (held_by: string): string => held_by.slice(0, held_by.indexOf(' '));

/** Would these limits hold it all the same? */
export function stillHeld({ reason, turns, run }: Hold, max: GuardLimits): boolean {
  return exceeds(
    turns + 1,
    reason === 'turns' ? max.turns : reason === 'hour' ? max.hour_turns : pairLimit(max, run),
  );
}

/** The limits of a room and its threads, or with no room those of DMs. */
export function guardLimits(
  { guard }: NetworkSettings,
  room: { guard: GuardSettings } | undefined,
): GuardLimits {
  const own = room?.guard;
  return {
    turns: own?.turns ?? guard.turns ?? limits.guard_turns.value,
    hour_turns: own?.hour_turns ?? guard.hour_turns ?? limits.guard_hour_turns.value,
    pair_turns: own?.pair_turns ?? guard.pair_turns ?? limits.guard_pair_turns.value,
  };
}

export function memoryOf(row: ConversationRow | undefined): GuardMemory {
  if (!row) return QUIET;
  return {
    turns: row.guard_turns,
    speaker: row.guard_speaker,
    window: row.guard_window,
    held_by: row.held_by,
  };
}

/** The key of two agents, by FQID. */
export const pairKey = (one: string, other: string): string =>
  one < other ? `${one} ${other}` : `${other} ${one}`;

/** A hold in words. */
export function detailOf({ reason, turns, pair, run }: Hold): string {
  switch (reason) {
    case 'turns':
      return `${turns} agent turns without a person`;
    case 'hour':
      return `${turns} agent turns in an hour`;
    default:
      return `${turns} turns of ${pair!.split(' ').map(shortName).join(' and ')} ${run ? 'without a person' : 'in ten minutes'}`;
  }
}
const shortName = (fqid: string): string => fqid.slice(fqid.lastIndexOf('/') + 1);

/** The guard's view of a conversation. `pairs`: those that its meters may show. */
export function guardState(
  row: ConversationRow,
  max: GuardLimits,
  now: number,
  pairs: readonly PairRow[] = [],
): GuardState {
  const hold = row.held_by === null ? undefined : holdOf(row.held_by);
  return {
    ...placeOf(row),
    turns: row.guard_turns,
    limit: max.turns,
    held: hold !== undefined,
    ...(hold && {
      ...(row.held_at !== null && { held_at: row.held_at }),
      held_messages: row.held_messages,
      reason: hold.reason,
      detail: detailOf(hold),
    }),
    meters: metersOf(row, max, now, hold, pairs),
  };
}

function placeOf(row: ConversationRow): { conversation: string; room_id?: string } {
  return { conversation: row.key, ...(row.room_id !== null && { room_id: row.room_id }) };
}

function metersOf(
  row: ConversationRow,
  max: GuardLimits,
  now: number,
  hold: Hold | undefined,
  pairs: readonly PairRow[],
): GuardMeters {
  // Of both counts the one that is nearer to its limit.
  const share = ({ turns, run }: { turns: number; run?: boolean }): number => turns / (run ? RUNS : 1);
  const nearest = pairs
    .flatMap(({ pair, turns }): { pair: string; turns: number; run?: true }[] => [
      { pair, turns: turnsIn(turns, TEN_MINUTES, now) },
      { pair, turns: runOf(turns), run: true },
    ])
    .sort((a, b) => share(b) - share(a))[0];
  const shown = hold?.pair === undefined ? nearest : { pair: hold.pair, turns: hold.turns, run: hold.run };
  return {
    turns: row.guard_turns,
    turns_limit: max.turns,
    hour: turnsIn(row.guard_window, HOUR, now),
    hour_limit: max.hour_turns,
    ...(shown && shown.turns > 0 && { pair: shown.turns, pair_agents: shown.pair.split(' ') }),
    pair_limit: pairLimit(max, shown?.run),
    ...(shown?.run && { pair_without_person: true as const }),
  };
}
