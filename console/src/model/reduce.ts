import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { AgentEvent, Event } from '../../../src/protocol/events.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import type { PauseChange } from '../../../src/protocol/pauses.ts';
import type { ReadPosition } from '../../../src/protocol/reads.ts';
import type { ReceiptEvent } from '../../../src/protocol/receipts.ts';
import type { Room } from '../../../src/protocol/rooms.ts';
import { conversationOf, type ConversationKey } from './conversation.ts';
import { agentKey } from './names.ts';
import type { State } from './state.ts';
import { AWAY, trimmed, withAppended, withRedacted, type Timeline } from './timeline.ts';

/** The state after these events, which came in this order. `seen`: the person looks at what is on screen now. */
export function applyEvents(state: State, events: readonly Event[], seen: boolean): State {
  let next = state;
  // Messages are applied together: one copy of a timeline per batch, however many arrived.
  const arrived: Message[] = [];
  for (const event of events) {
    if (event.type === 'message.created' && event.message) {
      arrived.push(event.message);
      continue;
    }
    if (event.type === 'message.redacted' && arrived.length > 0)
      next = applyMessages(next, arrived.splice(0), seen);
    next = applyEvent(next, event);
  }
  return applyMessages(next, arrived, seen);
}

function applyMessages(state: State, messages: readonly Message[], seen: boolean): State {
  if (messages.length === 0) return state;
  const timelines: Record<string, Timeline> = { ...state.timelines };
  const unread = { ...state.unread };
  const mine = state.me.id;
  const isMine = ({ from }: Message) => from.type === 'human' && from.id === mine;
  for (const [key, arrived] of Map.groupBy(messages, (message) => conversationOf(message.target))) {
    const timeline = timelines[key];
    const onScreen = state.onScreen.includes(key);
    const known = new Set(timeline?.messages.slice(-1_000).map((message) => message.id));
    const news = arrived.filter((message) => !known.has(message.id) && !isMine(message));
    const [first] = news;
    if (first && !(seen && onScreen) && concerns(state, first)) {
      const before = unread[key];
      unread[key] = before
        ? { ...before, count: before.count + news.length }
        : { count: news.length, from: first.id };
    }
    if (!timeline) continue;
    const appended = withAppended(timeline, arrived, news.length);
    const next = !onScreen && appended.messages.length > 2 * AWAY ? trimmed(appended, AWAY) : appended;
    // The person looked away while it is on screen: the line marks where.
    const marked = first && !seen && onScreen && state.unread[key] === undefined;
    timelines[key] = marked ? { ...next, newFrom: first.id } : next;
  }
  return {
    ...state,
    timelines,
    unread,
    dms: withDmMessages(state, messages),
    mentions: withMentions(state, messages, seen),
    outbox: withoutStored(state, messages),
  };
}

/** What came in a conversation since this browser last saw it: unread, as if it had arrived now. */
export function withMissed(state: State, key: ConversationKey, messages: readonly Message[]): State {
  const news = messages.filter(({ from }) => !(from.type === 'human' && from.id === state.me.id));
  const [first] = news;
  if (!first || state.unread[key] || state.onScreen.includes(key)) return state;
  return {
    ...state,
    unread: concerns(state, first)
      ? { ...state.unread, [key]: { count: news.length, from: first.id } }
      : state.unread,
    mentions: withMentions(state, news, false),
  };
}

/** The person has read so far, in whatever window. */
export function withRead(state: State, { conversation, message_id, unread: left }: ReadPosition): State {
  const known = state.unread[conversation];
  if (left > 0) {
    if (!known || known.count <= left) return state;
    const messages = state.timelines[conversation]?.messages ?? [];
    const from = messages[messages.findIndex(({ id }) => id === message_id) + 1]?.id ?? known.from;
    return { ...state, unread: { ...state.unread, [conversation]: { count: left, from } } };
  }
  const mentions = state.mentions.filter(({ target }) => conversationOf(target) !== conversation);
  if (!known && mentions.length === state.mentions.length) return state;
  const { [conversation]: _, ...unread } = state.unread;
  return {
    ...state,
    unread,
    mentions: mentions.length === state.mentions.length ? state.mentions : mentions,
  };
}

/** What others say to each other in a direct conversation is nobody's unread. */
function concerns({ dms, me }: State, { target }: Message): boolean {
  if (target.kind !== 'dm') return true;
  const participants = dms[target.dm_id ?? '']?.participant_ids ?? target.participant_ids;
  return participants?.includes(me.id) ?? false;
}

/** Direct conversations move to the front as something is said in them. */
function withDmMessages({ dms }: State, messages: readonly Message[]): State['dms'] {
  let next = dms;
  for (const { target, created_at } of messages) {
    if (target.kind !== 'dm' || target.dm_id === undefined) continue;
    const known = next[target.dm_id];
    const dm = {
      ...known,
      id: target.dm_id,
      participant_ids: known?.participant_ids ?? target.participant_ids,
      message_count: (known?.message_count ?? 0) + 1,
      last_message_at: created_at,
    };
    next = { ...next, [dm.id]: dm };
  }
  return next;
}

const MENTIONS_KEPT = 200;

/** What names the person at this screen waits for them until they have looked at it. */
function withMentions(state: State, messages: readonly Message[], seen: boolean): State['mentions'] {
  const names = namedIn(state);
  const known = new Set(state.mentions.map(({ id }) => id));
  const news = messages.filter(
    (message) =>
      names(message) &&
      !known.has(message.id) &&
      !(message.from.type === 'human' && message.from.id === state.me.id) &&
      !(seen && state.onScreen.includes(conversationOf(message.target))),
  );
  return news.length === 0 ? state.mentions : [...state.mentions, ...news].slice(-MENTIONS_KEPT);
}

/**
 * Whether a message names the person at this screen. Where the server knows people it says so in `mentions`; in mode
 * none it knows none, and the text is looked at.
 */
function namedIn({ me, network, identity }: State): (message: Message) => boolean {
  const fqid = `molt://${network?.id ?? ''}/agents/${me.id}`;
  if (identity?.mode !== 'none') return ({ mentions }) => mentions?.includes(fqid) ?? false;
  const name = `@${me.id}`;
  const whole = new RegExp(`(?:^|[^A-Za-z0-9._-])${name.replace(/[.]/g, '[.]')}(?![A-Za-z0-9_-])`);
  return ({ mentions, parts }) =>
    mentions?.includes(fqid) ||
    parts.some(({ text }) => text !== undefined && text.includes(name) && whole.test(text));
}

/** The outbox without what has arrived. */
function withoutStored(state: State, messages: readonly Message[]): State['outbox'] {
  if (state.outbox.length === 0) return state.outbox;
  const stored = new Set(messages.map((message) => message.id));
  const rest = state.outbox.filter((outgoing) => !stored.has(outgoing.message.id));
  return rest.length === state.outbox.length ? state.outbox : rest;
}

function applyEvent(state: State, event: Event): State {
  switch (event.type) {
    case 'message.redacted': {
      if (!event.redaction) return state;
      const key = conversationOf(event.redaction.target);
      const timeline = state.timelines[key];
      if (!timeline) return state;
      const next = withRedacted(timeline, event.redaction.message_id, event.created_at);
      return next === timeline ? state : { ...state, timelines: { ...state.timelines, [key]: next } };
    }
    case 'room.created':
    case 'room.updated':
    case 'room.members.updated':
      return event.room ? { ...state, rooms: withRoom(state.rooms, event.room) } : state;
    case 'room.removed':
      return event.room
        ? { ...state, rooms: state.rooms.filter((room) => room.id !== event.room?.id) }
        : state;
    case 'thread.created': {
      if (!event.thread) return state;
      return {
        ...state,
        threads: { ...state.threads, [event.thread.id]: state.threads[event.thread.id] ?? event.thread },
      };
    }
    case 'dm.created': {
      if (!event.dm) return state;
      return { ...state, dms: { ...state.dms, [event.dm.id]: state.dms[event.dm.id] ?? event.dm } };
    }
    case 'conversation.held':
      return event.guard
        ? { ...state, held: { ...state.held, [event.guard.conversation]: event.guard } }
        : state;
    case 'conversation.resumed': {
      if (!event.guard || !state.held[event.guard.conversation]) return state;
      const { [event.guard.conversation]: _, ...held } = state.held;
      return { ...state, held };
    }
    case 'read.moved':
      return event.read ? withRead(state, event.read) : state;
    case 'pause.changed':
      return event.pause ? { ...state, pauses: withPause(state.pauses, event.pause) } : state;
    case 'message.receipt':
      return event.receipt ? { ...state, receipts: withReceipt(state.receipts, event.receipt) } : state;
    case 'agent.connected':
    case 'agent.disconnected':
    case 'agent.registered':
    case 'agent.removed':
    case 'agent.wake.failed':
      return event.agent ? applyAgentEvent(state, event, event.agent) : state;
    default:
      return state;
  }
}

function withPause(pauses: State['pauses'], { paused, ...pause }: PauseChange): State['pauses'] {
  const { [pause.scope]: _, ...rest } = pauses;
  return paused ? { ...rest, [pause.scope]: pause } : rest;
}

/** Receipts are kept of so many messages, the latest. */
const RECEIPTS_KEPT = 500;

function withReceipt(receipts: State['receipts'], event: ReceiptEvent): State['receipts'] {
  const { message_ids, conversation: _, ...facts } = event;
  const next = { ...receipts };
  for (const id of message_ids) {
    const known = next[id];
    // Behind the others: the one that something was told of last.
    delete next[id];
    next[id] = { ...known, [facts.agent_id]: { ...facts, fqid: facts.agent_id } };
  }
  const keys = Object.keys(next);
  for (const key of keys.slice(0, Math.max(0, keys.length - RECEIPTS_KEPT))) delete next[key];
  return next;
}

/** Room events carry no `access`: what was known of it stays. */
function withRoom(rooms: readonly Room[], room: Room): Room[] {
  const access = room.access ?? rooms.find((known) => known.id === room.id)?.access;
  return byId([...rooms.filter((known) => known.id !== room.id), access ? { ...room, access } : room]);
}

function applyAgentEvent(state: State, event: Event, agent: AgentEvent): State {
  const key = agentKey({ id: agent.agent_id, ...(agent.fqid ? { fqid: agent.fqid } : {}) });
  if (event.type === 'agent.removed')
    return { ...state, agents: state.agents.filter((known) => agentKey(known) !== key) };
  const known: AgentSummary = state.agents.find((candidate) => agentKey(candidate) === key) ?? {
    id: agent.agent_id,
    network_id: agent.network_id ?? event.network_id,
    connected: false,
    ...(agent.fqid ? { fqid: agent.fqid } : {}),
  };
  const changed: AgentSummary = { ...known, ...(agent.name ? { name: agent.name } : {}) };
  let { offlineSince } = state;
  if (event.type === 'agent.connected') {
    changed.connected = true;
    changed.connected_since = event.created_at;
  } else if (event.type === 'agent.disconnected') {
    changed.connected = false;
    delete changed.connected_since;
    offlineSince = { ...offlineSince, [key]: event.created_at };
  } else if (event.type === 'agent.wake.failed') {
    changed.last_wake_failure = {
      at: event.created_at,
      ...(agent.message_id ? { message_id: agent.message_id } : {}),
      ...(agent.error ? { error: agent.error } : {}),
      ...(agent.classification ? { classification: agent.classification } : {}),
    };
  }
  return {
    ...state,
    offlineSince,
    agents: byId([...state.agents.filter((other) => agentKey(other) !== key), changed]),
  };
}

/** Ascending by id, as the server sorts. */
export const byId = <T extends { id: string }>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
