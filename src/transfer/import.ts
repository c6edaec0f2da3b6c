/**
 * Writes items into an empty store, in durable batches. How far it got stands in the store and is committed with what
 * it tells: an import that is broken off goes on where it was, and a server does not start on half a network.
 */
import { artifactId } from '../protocol/ids.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { parseConversation, type ConversationKey } from '../protocol/conversation.ts';
import type { Part } from '../protocol/messages.ts';
import { declarationKey, FIRST_ROOM } from '../network/declaration.ts';
import { HELD } from '../network/fold.ts';
import { isPlainText } from '../network/parts.ts';
import { ConstraintError } from '../store/errors.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import type { EventWrite, RowWrite, Writes } from '../store/writes.ts';
import { EXPORT_KIND, EXPORT_VERSION, type EventItem, type HeadItem, type Item } from './items.ts';
import { IMPORT_STATE, readImportState, type ImportState } from './import-state.ts';
import { repaired } from './repaired-text.ts';

/** Of one batch. */
const EVENTS = 500;
const CHARACTERS = 2_000_000;
/** Conversations whose counts are kept in memory; others are read again. */
const CONVERSATIONS = 50_000;

export interface ImportProgress {
  items: number;
  events: number;
  /** seq of the export's newest event: as many events at most. */
  head: number;
}
export interface ImportResult {
  events: number;
  messages: number;
  rooms: number;
  agents: number;
  /** Values whose text no engine holds (U+0000, half characters): it was replaced by U+FFFD. */
  repaired: number;
  /** Items that an earlier run had taken in. */
  skipped: number;
}

/**
 * Takes all items in. Throws MoltnetError: `bad_request` for items that are not whole or not in order, `network_mismatch`
 * for those of another network, `conflict` for a store that holds something else.
 */
export async function importItems(
  store: Store,
  items: AsyncIterable<Item>,
  onProgress: (progress: ImportProgress) => void = () => {},
): Promise<ImportResult> {
  const run = new Import(store, onProgress);
  for await (const item of items) await run.take(item);
  return run.result();
}

class Import {
  readonly #store: Store;
  readonly #onProgress: (progress: ImportProgress) => void;
  readonly #conversations = new Map<ConversationKey, ConversationRow>();
  #head: HeadItem | undefined;
  #state: ImportState | undefined;
  readonly #rooms = new Set<string>();
  #items = 0;
  #ended = false;
  #batch: Writes[] = [];
  #characters = 0;
  /** Since the start of this run, and what the state of an earlier one brings along. */
  #skipped = 0;

  constructor(store: Store, onProgress: (progress: ImportProgress) => void) {
    this.#store = store;
    this.#onProgress = onProgress;
  }

  async take(given: Item): Promise<void> {
    if (this.#ended) throw new MoltnetError('bad_request', 'there is more after the end of the export');
    this.#items++;
    if (!this.#state) return this.#begin(given);
    // Also of items that an earlier run has taken in.
    if (given.kind === 'room') this.#rooms.add(given.row.id);
    if ((given.kind === 'members' || given.kind === 'share') && !this.#rooms.has(given.room_id))
      throw new MoltnetError(
        'bad_request',
        `line ${this.#items} is of the room ${JSON.stringify(given.room_id)}, which is not in this export`,
      );
    if (given.kind === 'meta' && !isOfDeclaration(given.key))
      throw new MoltnetError(
        'bad_request',
        `line ${this.#items} is of ${JSON.stringify(given.key)}, which no export has`,
      );
    if (this.#items <= this.#state.items && given.kind !== 'end') {
      this.#skipped++;
      return;
    }
    const { value: item, count } = repaired(given);
    this.#state.repaired += count;
    switch (item.kind) {
      case EXPORT_KIND:
        throw new MoltnetError('bad_request', 'a second export begins in the middle of this one');
      case 'room':
        this.#state.rooms++;
        this.#add([{ op: 'room', row: item.row }]);
        break;
      case 'agent':
        this.#state.agents++;
        this.#add([{ op: 'agent', row: item.row }]);
        break;
      case 'members':
        this.#add(item.members.map((member_id) => ({ op: 'member.add', room_id: item.room_id, member_id })));
        break;
      case 'invite':
        this.#add([{ op: 'invite', row: item.row }]);
        break;
      case 'pause':
        this.#add([{ op: 'pause', row: item.row }]);
        break;
      case 'pairing':
        // It waits until it is paired again.
        this.#add([{ op: 'pairing', row: { ...item.row, token: null } }]);
        break;
      case 'relay':
        this.#add([{ op: 'relay.begin', pairing_id: item.pairing_id }]);
        break;
      case 'share':
        this.#add([
          { op: 'share', room_id: item.room_id, pairing_id: item.pairing_id, since_seq: item.since },
        ]);
        break;
      case 'relayed':
        this.#add(relayedRows(item));
        break;
      case 'meta':
        this.#add([{ op: 'meta', key: item.key, value: item.value }]);
        break;
      case 'held':
        await this.#hold(item);
        break;
      case 'event':
        await this.#event(item);
        break;
      case 'end':
        return this.#end(item.events);
    }
    if (this.#batch.length >= EVENTS || this.#characters >= CHARACTERS) await this.#commit();
  }

  result(): ImportResult {
    if (!this.#state || !this.#head) throw new MoltnetError('bad_request', 'there is nothing in this file');
    if (!this.#ended)
      throw new MoltnetError(
        'bad_request',
        `the export is not whole: its end is missing after ${this.#items} lines. What was read is kept; run it again with the whole file`,
      );
    const { events, messages, rooms, agents, repaired: replaced } = this.#state;
    return { events, messages, rooms, agents, repaired: replaced, skipped: this.#skipped };
  }

  async #begin(item: Item): Promise<void> {
    if (item.kind !== EXPORT_KIND)
      throw new MoltnetError('bad_request', 'this is no export of moltnet: its first line is missing');
    if (item.version > EXPORT_VERSION)
      throw new MoltnetError(
        'bad_request',
        `this export has version ${item.version}; update moltnet to read it`,
      );
    if (item.network_id !== this.#store.networkId)
      throw new MoltnetError(
        'network_mismatch',
        `this export is of the network ${JSON.stringify(item.network_id)}, and the storage is ${JSON.stringify(this.#store.networkId)}'s; set network.id to it`,
      );
    const before = await readImportState(this.#store);
    if (before ? before.id !== item.id : this.#store.head > 0)
      throw new MoltnetError(
        'conflict',
        before
          ? 'another import into this storage was begun; go on with that file, or take an empty storage'
          : 'the storage holds a network already; an import goes into an empty one',
      );
    this.#head = item;
    this.#state = before ?? {
      id: item.id,
      done: false,
      items: 1,
      events: 0,
      messages: 0,
      rooms: 0,
      agents: 0,
      repaired: 0,
    };
    if (!before) await this.#commit();
  }

  async #event(item: EventItem): Promise<void> {
    const { message, payload, id, type, created_at, conversation, room_id, dm_id, participants, agent_id } =
      item;
    const state = this.#state!;
    state.events++;
    const rows: RowWrite[] = [];
    if (message) {
      state.messages++;
      rows.push(...(await this.#messageRows(item, payload, message)));
    }
    const text = JSON.stringify(payload);
    const write: EventWrite = {
      id,
      type,
      created_at,
      ...(conversation !== undefined && { conversation }),
      ...(room_id !== undefined && { room_id }),
      ...(dm_id !== undefined && { dm_id }),
      ...(participants && { participants }),
      ...(agent_id !== undefined && { agent_id }),
      payload: text,
      held: false,
      rows,
    };
    this.#batch.push({ events: [write], rows: [] });
    this.#characters += text.length;
  }

  async #messageRows(
    event: EventItem,
    payload: EventItem['payload'],
    message: NonNullable<EventItem['message']>,
  ): Promise<RowWrite[]> {
    const { conversation, room_id, created_at, participants } = event;
    if (conversation === undefined)
      throw new MoltnetError('bad_request', `the message ${String(payload['id'])} is in no conversation`);
    const { kind, id } = parseConversation(conversation);
    const message_id = String(payload['id']);
    const known = await this.#conversation(conversation);
    if (known && !isSamePlace(known, event))
      throw new MoltnetError(
        'bad_request',
        `the message ${message_id} says that ${conversation} is ${placeOf(event)}, and an earlier one that it is ${placeOf(known)}`,
      );
    const row: ConversationRow = {
      ...(known ?? emptyConversation(conversation, room_id ?? null, participants ?? null)),
      parent_message_id: known?.parent_message_id ?? (kind === 'thread' ? parentOf(payload['target']) : null),
      message_count: (known?.message_count ?? 0) + 1,
      last_message_at: created_at,
    };
    this.#remember(conversation, row);
    const { first_seq: _, last_seq: __, participants: ___, message_count: ____, ...written } = row;
    const rows: RowWrite[] = [
      { op: 'message', id: message_id, ...message, conversation, room_id: room_id ?? null },
      { op: 'conversation', row: written, messages: 1 },
    ];
    if (!known)
      for (const participant of participants ?? []) rows.push({ op: 'participant', dm_id: id, participant });
    const local = `molt://${this.#store.networkId}/agents/`;
    for (const mention of stringsOf(payload['mentions']))
      if (mention.startsWith(local))
        rows.push({ op: 'mention', agent_id: mention.slice(local.length), conversation });
    const parts = Array.isArray(payload['parts']) ? (payload['parts'] as Part[]) : [];
    parts.forEach((part, part_index) => {
      if (isPlainText(part)) return;
      const artifact = artifactId(message_id, part_index);
      rows.push({
        op: 'artifact',
        id: artifact,
        message_id,
        part_index,
        conversation,
        room_id: room_id ?? null,
        payload: JSON.stringify(artifactOf(this.#store.networkId, artifact, payload, part, part_index)),
      });
    });
    return rows;
  }

  /** The hold of a conversation is kept: only who may lets it go on. */
  async #hold(item: Item & { kind: 'held' }): Promise<void> {
    const known = await this.#conversation(item.conversation);
    if (!known) return;
    const { guard_turns, guard_speaker, guard_window, held_at, held_messages, held_by } = item;
    const {
      first_seq: _first,
      last_seq: _last,
      participants: _participants,
      message_count: _count,
      ...row
    } = known;
    const guard = { guard_turns, guard_speaker, guard_window, held_at, held_messages, held_by };
    this.#add([{ op: 'conversation', row: { ...row, ...guard, held_seq: HELD }, messages: 0 }]);
  }

  async #conversation(key: ConversationKey): Promise<ConversationRow | undefined> {
    const known = this.#conversations.get(key);
    if (known) return known;
    const stored = (await this.#store.conversations([key])).get(key);
    if (stored) this.#remember(key, stored);
    return stored;
  }

  #remember(key: ConversationKey, row: ConversationRow): void {
    this.#conversations.set(key, row);
  }

  async #end(events: number): Promise<void> {
    const state = this.#state!;
    if (state.events !== events)
      throw new MoltnetError(
        'bad_request',
        `the export is not whole: it says ${events} events and holds ${state.events}`,
      );
    state.done = true;
    await this.#commit();
    this.#ended = true;
  }

  #add(rows: RowWrite[]): void {
    this.#batch.push({ events: [], rows });
    this.#characters += 200 * rows.length;
  }

  async #commit(): Promise<void> {
    const state = this.#state!;
    const before = state.items;
    state.items = this.#items;
    const meta: RowWrite = { op: 'meta', key: IMPORT_STATE, value: JSON.stringify(state) };
    try {
      await this.#store.commit([...this.#batch, { events: [], rows: [meta] }]);
    } catch (error) {
      if (!(error instanceof ConstraintError)) throw error;
      throw new MoltnetError(
        'bad_request',
        `an id stands twice in this export (${error.message}), the second time in lines ${before + 1} to ${this.#items}`,
        { cause: error },
      );
    }
    this.#batch = [];
    this.#characters = 0;
    if (this.#conversations.size > CONVERSATIONS) this.#conversations.clear();
    this.#onProgress({ items: this.#items, events: state.events, head: this.#head!.head });
  }
}

/** What stands beside the tables of a network is about its rooms; anything else is this storage's own. */
const isOfDeclaration = (key: string): boolean => key === FIRST_ROOM || key.startsWith(declarationKey(''));

/** Events have their numbers for seqs: the storage was empty. */
function relayedRows({ pairing_id, settled, positions }: Item & { kind: 'relayed' }): RowWrite[] {
  return [
    { op: 'relay.settled', pairing_id, settled_seq: settled },
    ...positions.map(({ conversation, acked }): RowWrite => ({
      op: 'relay.position',
      pairing_id,
      conversation,
      acked_seq: acked,
    })),
  ];
}

type Place = { room_id?: string | null | undefined; participants?: readonly string[] | null | undefined };
const placeOf = ({ room_id, participants }: Place): string =>
  room_id == null ? `of ${(participants ?? []).toSorted().join(', ')}` : `in ${room_id}`;
/** A thread is in one room, and a DM of the same people, all along. */
const isSamePlace = (known: ConversationRow, event: EventItem): boolean => placeOf(known) === placeOf(event);

function emptyConversation(
  key: ConversationKey,
  room_id: string | null,
  participants: string[] | null,
): ConversationRow {
  const { kind, id } = parseConversation(key);
  return {
    key,
    kind,
    id,
    room_id,
    parent_message_id: null,
    participants,
    message_count: 0,
    first_seq: 0,
    last_seq: 0,
    last_message_at: '',
    guard_turns: 0,
    guard_speaker: null,
    guard_window: '',
    held_at: null,
    held_seq: null,
    held_messages: 0,
    held_by: null,
  };
}

const stringsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];

const parentOf = (target: unknown): string | null =>
  ((target as { parent_message_id?: string } | undefined)?.parent_message_id ?? '') || null;

/** As wire.md 1.2 has it. */
const artifactOf = (
  network_id: string,
  id: string,
  message: EventItem['payload'],
  part: Part,
  part_index: number,
) => ({
  id,
  network_id,
  fqid: `molt://${network_id}/artifacts/${id}`,
  message_id: message['id'],
  target: message['target'],
  part_index,
  kind: part.kind,
  ...(part.media_type !== undefined && { media_type: part.media_type }),
  ...(part.filename !== undefined && { filename: part.filename }),
  ...(part.url !== undefined && { url: part.url }),
  created_at: message['created_at'],
});
