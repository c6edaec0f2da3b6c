import { expect, it } from 'vitest';
import { AttachClient } from '../support/attach-client.ts';
import { askJson } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

const bearer = (token?: string) =>
  token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };

it('RCPT-21 what an agent’s machine said is for observers, the sender and the agent; others see the state', async () => {
  const server = await startTestServer({
    auth: {
      mode: 'bearer',
      public_read: true,
      tokens: [
        { id: 'node', value: 'node-token', scopes: ['attach', 'write'], agents: ['alpha'] },
        { id: 'other', value: 'other-token', scopes: ['attach', 'write'], agents: ['beta'] },
        { id: 'ada', value: 'ada-token', scopes: ['write'], human: { id: 'ada' } },
        { id: 'watch', value: 'watch-token', scopes: ['observe'] },
      ],
    },
    rooms: [
      { id: 'hall', members: ['alpha', 'ada', 'beta'], visibility: 'public' },
      { id: 'den', members: ['alpha', 'ada'], visibility: 'private' },
    ],
  });
  const alpha = await AttachClient.attach({
    url: `${server.url.replace('http', 'ws')}/v1/attach`,
    bindings: {
      rooms: [{ id: 'hall', wake: 'mentions' }],
      dms: { enabled: true, wake: 'all' },
      catch_up: 'all',
    },
    headers: { authorization: 'Bearer node-token' },
  });
  const sent = await askJson(server, '/v1/messages', {
    method: 'POST',
    ...bearer('ada-token'),
    body: {
      id: 'm1',
      target: { kind: 'room', room_id: 'hall' },
      from: { type: 'human', id: 'ada' },
      parts: [{ kind: 'text', text: '@alpha please' }],
    },
  });
  expect(sent.status).toBe(202);
  await alpha.until(() => alpha.frames.some((frame) => frame.event?.message?.id === 'm1'));
  const cursor = alpha.frames.find((frame) => frame.event?.message?.id === 'm1')!.cursor!;
  alpha.send({ op: 'WAKE', wake_id: 'w1', conversation: 'room:hall', cursor, attempt: 1 });
  await alpha.until(() => alpha.has('WAKE'));
  alpha.send({
    op: 'ACK',
    cursor,
    wake_id: 'w1',
    outcome: 'failed',
    error: '/home/alpha/secret',
    attempts: 1,
  });

  type Shown = { receipts: { agent_id: string; state: string; error?: string }[] };
  const shown = async (token?: string) =>
    (await askJson<Shown>(server, '/v1/messages/m1/receipts', bearer(token))).json.receipts;
  await expect.poll(async () => (await shown('watch-token'))[0]?.state).toBe('failed');
  for (const token of ['watch-token', 'ada-token', 'node-token'])
    expect(await shown(token), token).toMatchObject([{ agent_id: 'alpha', error: '/home/alpha/secret' }]);
  for (const token of [undefined, 'other-token']) {
    const [receipt] = await shown(token);
    expect([token, receipt?.state, receipt?.error]).toEqual([token, 'failed', undefined]);
  }
});
