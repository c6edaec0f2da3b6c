/** Reads a store into items. Bounded reads, so a server that uses the same storage goes on meanwhile. */
import { randomUUID } from 'node:crypto';
import { declarationKey, FIRST_ROOM } from '../network/declaration.ts';
import type { ConversationRow, LogEvent } from '../store/log-rows.ts';
import type { RelayState } from '../store/relay-rows.ts';
import type { Store } from '../store/store.ts';
import { EXPORT_KIND, EXPORT_VERSION, type EventItem, type Item } from './items.ts';

const PAGE = 500;

/**
 * Everything but delivery positions, sessions, usage and the secrets of pairings: whoever comes from an export begins at its end. What is
 * committed after the call is not in it.
 */
export async function* exportItems(store: Store, now: string): AsyncGenerator<Item> {
  const topology = await store.loadTopology();
  const { head } = topology;
  yield {
    kind: EXPORT_KIND,
    version: EXPORT_VERSION,
    id: randomUUID(),
    network_id: store.networkId,
    exported_at: now,
    head,
  };
  for (const { created_seq: _, ...row } of topology.rooms) yield { kind: 'room', row };
  for (const row of topology.agents) yield { kind: 'agent', row };

  for (const { token: _token, ...row } of topology.pairings) yield { kind: 'pairing', row };
  const relays = await relayStates(store);
  for (const { pairing_id } of relays) yield { kind: 'relay', pairing_id };

  const ordinals = new Ordinals([
    ...topology.shares.map(({ since_seq }) => since_seq),
    ...relays.flatMap(({ state }) => [
      state.settled_seq,
      ...state.positions.map(({ acked_seq }) => acked_seq),
    ]),
  ]);
  let events = 0;
  for (let after = 0; after < head;) {
    const page = (await store.events({ all: true }, after, PAGE)).filter(({ seq }) => seq <= head);
    if (page.length === 0) break;
    yield* await eventItems(store, page);
    for (const { seq } of page) ordinals.passed(seq, ++events);
    after = page.at(-1)!.seq;
  }

  const members = Map.groupBy(topology.members, ({ room_id }) => room_id);
  for (const [room_id, rows] of members)
    yield { kind: 'members', room_id, members: rows.map(({ member_id }) => member_id) };
  for (const row of topology.held) if (isHeld(row)) yield heldItem(row);
  for (const row of topology.invites) yield { kind: 'invite', row };
  for (const row of topology.pauses) yield { kind: 'pause', row };
  for (const key of [FIRST_ROOM, ...topology.rooms.map(({ id }) => declarationKey(id))]) {
    const value = await store.meta(key);
    if (value !== undefined) yield { kind: 'meta', key, value };
  }
  for (const { room_id, pairing_id, since_seq } of topology.shares)
    yield { kind: 'share', room_id, pairing_id, since: ordinals.of(since_seq) };
  for (const { pairing_id, state } of relays) {
    const positions = state.positions.map(({ conversation, acked_seq }) => ({
      conversation,
      acked: ordinals.of(acked_seq),
    }));
    const settled = ordinals.of(state.settled_seq);
    // One has as many conversations as the network at most.
    do yield { kind: 'relayed', pairing_id, settled, positions: positions.splice(0, PAGE) };
    while (positions.length > 0);
  }
  yield { kind: 'end', events };
}

async function relayStates(store: Store): Promise<{ pairing_id: string; state: RelayState }[]> {
  const states: { pairing_id: string; state: RelayState }[] = [];
  for (const pairing_id of await store.relays()) {
    const state = await store.relayState(pairing_id);
    if (state) states.push({ pairing_id, state });
  }
  return states;
}

/** How many events of the export come before or at a seq: what the seq will be where they are counted anew. */
class Ordinals {
  readonly #wanted: number[];
  readonly #found = new Map<number, number>();
  #next = 0;
  #last = 0;

  constructor(seqs: readonly number[]) {
    this.#wanted = [...new Set(seqs)].sort((a, b) => a - b);
  }

  /** The event with this seq is the so-manieth. */
  passed(seq: number, count: number): void {
    for (; this.#next < this.#wanted.length && this.#wanted[this.#next]! < seq; this.#next++)
      this.#found.set(this.#wanted[this.#next]!, count - 1);
    this.#last = count;
  }

  of(seq: number): number {
    return this.#found.get(seq) ?? this.#last;
  }
}

async function eventItems(store: Store, page: readonly LogEvent[]): Promise<EventItem[]> {
  const payloads = page.map(({ payload }) => JSON.parse(payload) as Record<string, unknown>);
  const ids = page.flatMap(({ type }, i) => (type === 'message.created' ? [String(payloads[i]!['id'])] : []));
  const messages = await store.messages(ids);
  return page.map(({ seq: _seq, held: _held, payload: _payload, ...event }, i) => {
    const message = event.type === 'message.created' ? messages.get(String(payloads[i]!['id'])) : undefined;
    return {
      kind: 'event',
      ...event,
      payload: payloads[i]!,
      ...(message && {
        message: {
          ...originOf(payloads[i]!, store.networkId, message.id),
          content_hash: message.content_hash,
          sender: message.sender,
        },
      }),
    };
  });
}

/** As the message row has it: the message's own origin. */
function originOf(payload: Record<string, unknown>, networkId: string, messageId: string) {
  const origin = payload['origin'] as { network_id?: string; message_id?: string } | undefined;
  return {
    origin_network: origin?.network_id || networkId,
    origin_id: origin?.message_id || messageId,
  };
}

type Held = ConversationRow & { held_at: string; held_by: string };
const isHeld = (row: ConversationRow): row is Held => row.held_at !== null && row.held_by !== null;

const heldItem = (row: Held): Item => ({
  kind: 'held',
  conversation: row.key,
  guard_turns: row.guard_turns,
  guard_speaker: row.guard_speaker,
  guard_window: row.guard_window,
  held_at: row.held_at,
  held_messages: row.held_messages,
  held_by: row.held_by,
});
