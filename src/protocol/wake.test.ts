import { expect, it } from 'vitest';
import type { Message } from './messages.ts';
import { wakeReason, type Bindings } from './wake.ts';

const agent = { network_id: 'local', id: 'alpha' };
const bindings = (allowed_wake_senders?: string[]): Bindings => ({
  rooms: [],
  dms: { enabled: true, wake: 'all', allowed_wake_senders },
  catch_up: 'all',
});
const dmFrom = (id: string, network_id = 'local'): Message => ({
  id: 'msg_1',
  network_id: 'local',
  origin: { network_id, message_id: 'msg_1' },
  target: { kind: 'dm', dm_id: 'd1', participant_ids: ['alpha', id] },
  from: { type: 'agent', id, network_id, fqid: `molt://${network_id}/agents/${id}` },
  parts: [{ kind: 'text', text: 'hi' }],
  created_at: '2026-11-21T03:30:12Z',
});

it('NODE-31 DMs wake from those alone who may, named in any form; with nobody named, from all', () => {
  const wakes = (allowed: string[] | undefined, message: Message): boolean =>
    wakeReason(agent, bindings(allowed), message) === 'dm';
  for (const allowed of [undefined, []]) expect(wakes(allowed, dmFrom('ann'))).toBe(true);
  for (const name of ['ann', 'local:ann', 'molt://local/agents/ann']) {
    expect(wakes([name, 'carl'], dmFrom('ann'))).toBe(true);
    expect(wakes([name], dmFrom('bob'))).toBe(false);
    // Another network's ann is somebody else.
    expect(wakes([name], dmFrom('ann', 'other'))).toBe(false);
  }
  expect(wakes(['other:ann'], dmFrom('ann', 'other'))).toBe(true);
});
