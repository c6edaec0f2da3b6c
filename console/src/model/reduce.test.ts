import { expect, it } from 'vitest';
import type { Event } from '../../../src/protocol/events.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { applyEvents } from './reduce.ts';
import { initialState, type State } from './state.ts';
import { loadingTimeline } from './timeline.ts';

const message = (id: string, room = 'general', from = 'alpha', type = 'agent'): Message => ({
  id,
  network_id: 'local',
  origin: { network_id: 'local', message_id: id },
  target: { kind: 'room', room_id: room, participant_ids: undefined },
  from: { type, id: from },
  parts: [{ kind: 'text', text: id, data: undefined }],
  created_at: '2026-11-20T12:00:00Z',
});
const event = (type: string, payload: Partial<Event>): Event => ({
  id: `evt_${type}`,
  type,
  network_id: 'local',
  created_at: '2026-11-20T12:34:00Z',
  ...payload,
});
const created = (...args: Parameters<typeof message>) =>
  event('message.created', { message: message(...args) });
const at = (changes: Partial<State> = {}): State => ({
  ...initialState('operator'),
  onScreen: ['room:general'],
  timelines: {
    'room:general': { ...loadingTimeline(), status: 'ready', messages: [message('m0')] },
  },
  ...changes,
});

it('CON-2 messages elsewhere, or while the person looks away, count as unread; those on screen and one’s own do not', () => {
  const here = applyEvents(at(), [created('m1')], true);
  expect(here.unread).toEqual({});
  expect(here.timelines['room:general']?.messages.map(({ id }) => id)).toEqual(['m0', 'm1']);
  const elsewhere = applyEvents(at(), [created('m1', 'lab'), created('m2', 'lab')], true);
  expect(elsewhere.unread).toEqual({ 'room:lab': { count: 2, from: 'm1' } });
  const away = applyEvents(at(), [created('m1')], false);
  expect(away.unread).toEqual({ 'room:general': { count: 1, from: 'm1' } });
  expect(away.timelines['room:general']?.newFrom).toBe('m1');
  expect(applyEvents(at(), [created('m1', 'lab', 'operator', 'human')], true).unread).toEqual({});
  // A replayed message is not news.
  expect(applyEvents(at(), [created('m0')], false).unread).toEqual({});
});

it('CON-22 what others say to each other is not counted as unread; what is said to oneself is', () => {
  const dm = (id: string, ...participant_ids: string[]) =>
    event('message.created', {
      message: {
        ...message(id),
        target: { kind: 'dm', dm_id: participant_ids.join('-'), participant_ids },
      },
    });
  const state = applyEvents(at(), [dm('m1', 'alpha', 'beta'), dm('m2', 'alpha', 'operator')], true);
  expect(state.unread).toEqual({ 'dm:alpha-operator': { count: 1, from: 'm2' } });
  expect(Object.keys(state.dms)).toEqual(['alpha-beta', 'alpha-operator']);
});

it('CON-25 a person of mode none is named by their name in the text, whole', () => {
  const identity = {
    mode: 'none',
    credential: 'anonymous',
    scopes: [],
    can_send_human: true,
  } as const satisfies State['identity'];
  const say = (id: string, text: string) =>
    event('message.created', {
      message: { ...message(id, 'lab'), parts: [{ kind: 'text', text, data: undefined }] },
    });
  const named = (text: string) =>
    applyEvents(at({ identity: { ...identity, scopes: [] } }), [say('m1', text)], true).mentions.length;
  expect(['@operator?', 'ask @operator.', '(@operator)', '@operator: yes'].map(named)).toEqual([1, 1, 1, 1]);
  expect(['@operators', 'x@operator', '@operator-2', '@Operator'].map(named)).toEqual([0, 0, 0, 0]);
});

it('CON-13 a conversation that is not on screen keeps the newest messages only', () => {
  let state = at({ onScreen: [] });
  for (let i = 0; i < 1_000; i++) state = applyEvents(state, [created(`n${i}`)], true);
  const { messages, older } = state.timelines['room:general']!;
  expect(messages.length).toBeLessThanOrEqual(400);
  expect([messages.at(-1)?.id, older]).toEqual(['n999', 'some']);
});

it('CON-9 a removal that follows its message in one batch removes it', () => {
  const redaction = event('message.redacted', {
    redaction: { message_id: 'm1', target: message('m1').target },
  });
  const state = applyEvents(at(), [created('m1'), redaction, created('m2')], true);
  expect(
    state.timelines['room:general']?.messages.map((each) => [each.id, each.redacted_at !== undefined]),
  ).toEqual([
    ['m0', false],
    ['m1', true],
    ['m2', false],
  ]);
});

it('CON-5 a stored message leaves the outbox', () => {
  const state = at({
    outbox: [
      { key: 'room:general', message: message('own', 'general', 'operator', 'human'), status: 'sent' },
    ],
  });
  expect(applyEvents(state, [created('own', 'general', 'operator', 'human')], true).outbox).toEqual([]);
});

it('CON-8 held and resumed conversations come and go', () => {
  const guard = { conversation: 'room:general', turns: 31, limit: 30, held: true };
  const held = applyEvents(at(), [event('conversation.held', { guard })], true);
  expect(held.held).toEqual({ 'room:general': guard });
  expect(
    applyEvents(held, [event('conversation.resumed', { guard: { ...guard, held: false } })], true).held,
  ).toEqual({});
});

it('CON-10 agents come, go, fail and are removed; an unknown one is made known', () => {
  const agent = { agent_id: 'alpha', network_id: 'local', fqid: 'molt://local/agents/alpha', name: 'Alpha' };
  const on = applyEvents(at(), [event('agent.connected', { agent })], true);
  expect(on.agents).toMatchObject([
    { id: 'alpha', name: 'Alpha', connected: true, connected_since: '2026-11-20T12:34:00Z' },
  ]);
  const failed = applyEvents(
    on,
    [event('agent.wake.failed', { agent: { ...agent, error: 'no credit', classification: 'permanent' } })],
    true,
  );
  expect(failed.agents[0]?.last_wake_failure).toEqual({
    at: '2026-11-20T12:34:00Z',
    error: 'no credit',
    classification: 'permanent',
  });
  const off = applyEvents(failed, [event('agent.disconnected', { agent })], true);
  expect(off.agents[0]).toMatchObject({ connected: false });
  expect(off.offlineSince).toEqual({ 'molt://local/agents/alpha': '2026-11-20T12:34:00Z' });
  expect(applyEvents(off, [event('agent.removed', { agent })], true).agents).toEqual([]);
});

it('CON-2 a room event keeps what is known of the access, and events of unknown types change nothing', () => {
  const room = { id: 'general', name: 'general', created_at: '2026-11-20T12:00:00Z' };
  const state = at({ rooms: [{ ...room, access: { can_read: true, can_write: false } }] });
  const renamed = applyEvents(state, [event('room.updated', { room: { ...room, name: 'The Room' } })], true);
  expect(renamed.rooms).toEqual([
    { ...room, name: 'The Room', access: { can_read: true, can_write: false } },
  ]);
  expect(applyEvents(renamed, [event('comet.seen', {})], true)).toBe(renamed);
});
