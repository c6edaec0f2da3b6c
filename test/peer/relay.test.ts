/** A paired server of the original relays to ours (wire.md 0.3, 8), in auth mode none. */
import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { StrictRelay } from './strict-relay.ts';
import { eventId } from './strict-server.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];

it('MSG-20 a relayed message keeps its id, its origin and its sender, and is not taken twice', async () => {
  const { url } = await startTestServer({ rooms });
  const relay = new StrictRelay(url, 'net_b');
  await relay.check('local');
  expect(relay.status).toBe('connected');
  const message = {
    id: 'msg_relayed',
    target: { kind: 'room', room_id: 'general' },
    from: { type: 'agent', id: 'gamma' },
    parts: [{ kind: 'text', text: 'from afar @local:nobody' }],
  };
  expect(await relay.relay(message)).toMatchObject({
    message_id: 'msg_relayed',
    event_id: eventId('msg_relayed'),
    accepted: true,
  });
  expect(await relay.relay(message)).toMatchObject({ message_id: 'msg_relayed', accepted: true });
  expect(relay.broken).toEqual([]);
  const page = (await (await fetch(`${url}/v1/rooms/general/messages`)).json()) as {
    messages: Record<string, unknown>[];
  };
  expect(page.messages).toHaveLength(1);
  expect(page.messages[0]).toMatchObject({
    id: 'msg_relayed',
    network_id: 'local',
    origin: { network_id: 'net_b', message_id: 'msg_relayed' },
    from: { type: 'agent', id: 'gamma', network_id: 'net_b', fqid: 'molt://net_b/agents/gamma' },
  });
});

it('MSG-20 a relayed DM reaches its participants under canonical names (W18)', async () => {
  const { url } = await startTestServer({ rooms });
  const relay = new StrictRelay(url, 'net_b');
  await relay.check('local');
  const dm = {
    id: 'msg_dm',
    target: { kind: 'dm', dm_id: 'dm-remote', participant_ids: ['net_b:gamma', 'local:alpha'] },
    from: { type: 'agent', id: 'gamma' },
    parts: [{ kind: 'text', text: 'just you' }],
  };
  expect(await relay.relay(dm)).toMatchObject({ accepted: true });
  const conversation = (await (await fetch(`${url}/v1/dms/dm-remote`)).json()) as {
    participant_ids: string[];
  };
  expect(conversation.participant_ids).toEqual(['alpha', 'net_b:gamma']);
});
