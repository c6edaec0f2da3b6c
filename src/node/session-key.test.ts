import { expect, it } from 'vitest';
import { sessionKey } from './session-key.ts';

it('NODE-14 a session belongs to an agent, a network and a conversation', () => {
  const attachment = { agent: { id: 'alpha' }, network_id: 'local', runtime: { kind: 'codex' } };
  expect(sessionKey(attachment, 'room:general')).toBe('agent:alpha:local:room:general');
  expect(sessionKey({ ...attachment, runtime: { kind: 'codex', session_prefix: 'mine' } }, 'dm:d1')).toBe(
    'mine:local:dm:d1',
  );
});
