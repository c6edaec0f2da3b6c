/** One message before the storm guard: whose turns it is, and what that makes of them. */
import { fqid, memberFqid } from '../protocol/ids.ts';
import type { ConversationRow, PairRow } from '../store/log-rows.ts';
import {
  guardLimits,
  hearAgent,
  hearPerson,
  memoryOf,
  pairKey,
  type GuardMemory,
  type GuardStep,
} from './guard.ts';
import { runOf, withoutRun } from './guard-window.ts';
import type { NewMessage } from './message-writes.ts';
import type { Sender } from './sender.ts';
import type { RoomState, State } from './state.ts';
import type { Place } from './target.ts';

/** Agents that one message can take turns with beside the one that it follows, and wakes that one can answer: more are not a pair at it. */
const ADDRESSED = 8;
/** Pairs of one agent that begin anew at one word of a person: more would make it dear. */
const BEGUN = 64;
/** And so many are looked at for that: one that writes to everybody has more. */
const LOOKED_AT = 512;

export function hear(
  state: State,
  message: NewMessage,
  place: Place,
  room: RoomState | undefined,
  sender: Sender,
): GuardStep {
  const memory = memoryOf(place.row);
  // Nobody says it now.
  if (message.backfilled !== undefined) return { next: memory, pairs: [] };
  if (sender.person) return hearPerson(memory);
  // It wakes nobody, so that nobody answers it.
  if (message.intent === 'ack' || memory.held_by !== null) return { next: memory, pairs: [] };
  const speaker = sender.actor.fqid;
  const woken = wokenBy(state, place, sender);
  // A person, or an operator's resume, had the last word here or where the speaker was woken.
  const anew = (place.row !== undefined && memory.speaker === null) || woken.person;
  const pairs = pairTurns(state, message, place, memory, speaker, woken);
  const heard = { speaker, now: Date.parse(message.created_at), pairs: anew ? pairs.map(begun) : pairs };
  const step = hearAgent(memory, heard, guardLimits(state.settings, room));
  if (anew && !step.change) step.pairs.push(...others(state, speaker, step.pairs).map(begun));
  return step;
}

/** A pair that counts its turns without a person from here on. */
const begun = <T extends Pick<PairRow, 'turns'>>(pair: T): T => ({ ...pair, turns: withoutRun(pair.turns) });

/** Pairs of the speaker that count anew though this is no turn of theirs. */
function others(state: State, speaker: string, turns: readonly PairRow[]): PairRow[] {
  const found: PairRow[] = [];
  let looked = 0;
  for (const row of state.pairsOf(speaker)) {
    if (found.length === BEGUN || looked++ === LOOKED_AT) break;
    if (runOf(row.turns) > 0 && !turns.some(({ pair }) => pair === row.pair)) found.push(row);
  }
  return found;
}

/**
 * The pairs whose turn this is: with the agent that it follows here; and with those that it is addressed to (in a DM all,
 * else who is mentioned) or whose word woke the speaker elsewhere, if the other had the last turn, wherever that was, or
 * the speaker has been waited for since it had it. So neither a new thread for every answer, nor a room for each of them,
 * nor a ring of them is a way around, and whoever names nobody is none either.
 */
function pairTurns(
  state: State,
  message: NewMessage,
  place: Place,
  memory: GuardMemory,
  speaker: string,
  woken: Woken,
): Pick<PairRow, 'pair' | 'turns'>[] {
  const pairs: Pick<PairRow, 'pair' | 'turns'>[] = [];
  const follows = memory.speaker;
  if (follows !== null && follows !== speaker) {
    const pair = pairKey(follows, speaker);
    pairs.push({ pair, turns: state.pair(pair)?.turns ?? '' });
  }
  let waited: number | undefined;
  for (const other of new Set([...addressed(state, message, place), ...woken.agents.keys()])) {
    if (other === speaker || other === follows) continue;
    const pair = pairKey(other, speaker);
    const known = state.pair(pair);
    const again =
      known?.speaker === speaker &&
      known.at >= (woken.agents.get(other) ?? 0) &&
      known.at >= (waited ??= waitedSince(state, speaker));
    if (!again) pairs.push({ pair, turns: known?.turns ?? '' });
  }
  return pairs;
}

interface Woken {
  /** By FQID: when it spoke last, of those of paired networks, whose own turns are not known here; 0 for those of ours. */
  agents: ReadonlyMap<string, number>;
  person: boolean;
}
const UNWOKEN: Woken = { agents: new Map(), person: false };

/** Who had the last word where turns of the speaker run, when none of these is here. */
function wokenBy(state: State, { key }: Place, { canonical }: Sender): Woken {
  const wakes = state.wakesOf(canonical);
  if (wakes.size === 0) return UNWOKEN;
  const ours = fqid(state.settings.id, 'agents', '');
  const agents = new Map<string, number>();
  let person = false;
  for (const conversation of wakes.values()) {
    if (conversation === key) return UNWOKEN;
    const row = state.conversation(conversation);
    if (row?.guard_speaker === null) person = true;
    else if (row && agents.size < ADDRESSED)
      agents.set(row.guard_speaker, row.guard_speaker.startsWith(ours) ? 0 : Date.parse(row.last_message_at));
  }
  // A turn that a person woke, and that hangs, is no word of theirs on what agents wake.
  return { agents, person: person && agents.size === 0 };
}

/** When an agent that still waits for this one last addressed it; 0 when none does. */
function waitedSince(state: State, speaker: string): number {
  let since = 0;
  for (const { at } of state.pairsAwaiting(speaker)) if (at > since) since = at;
  return since;
}

const NOBODY: readonly string[] = [];

/** FQIDs of those that it is written to, without the people that are known as such. */
function addressed({ settings }: State, message: NewMessage, place: Place): readonly string[] {
  const { id, people } = settings;
  const all = place.participants
    ? place.participants.slice(0, ADDRESSED + 1).map((participant) => memberFqid(participant, id))
    : message.mentions;
  if (!all) return NOBODY;
  const some = all.slice(0, ADDRESSED + 1);
  return people.size === 0 ? some : some.filter((each) => !isPerson(each, id, people));
}

function isPerson(named: string, network: string, people: ReadonlyMap<string, unknown>): boolean {
  const prefix = fqid(network, 'agents', '');
  return named.startsWith(prefix) && people.has(named.slice(prefix.length));
}

/** The row that a conversation without one has for the guard's events. */
export function emptyRow(place: Place, at: string): ConversationRow {
  const { target, key, room_id } = place;
  return {
    key,
    kind: target.kind as ConversationRow['kind'],
    id: target.thread_id ?? target.dm_id ?? room_id!,
    room_id,
    parent_message_id: target.kind === 'thread' ? (target.parent_message_id ?? null) : null,
    participants: place.participants ?? null,
    message_count: 0,
    first_seq: 0,
    last_seq: 0,
    last_message_at: at,
    guard_turns: 0,
    guard_speaker: null,
    guard_window: '',
    held_at: null,
    held_seq: null,
    held_messages: 0,
    held_by: null,
  };
}
