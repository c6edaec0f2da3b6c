/** Agents that speak the delivery protocol in two rooms, for tests of what they are sent. */
import { AttachClient, type Frame } from './attach-client.ts';
import { startAttachLab, type AttachLab, type AttachLabOptions } from './attach-lab.ts';
import { eventually } from './eventually.ts';
import type { Bindings, WakePolicy } from '../../src/protocol/wake.ts';

export function bind(
  rooms: Record<string, WakePolicy>,
  more: { catch_up?: Bindings['catch_up']; dms?: Bindings['dms'] } = {},
): Bindings {
  return {
    rooms: Object.entries(rooms).map(([id, wake]) => ({ id, wake })),
    dms: more.dms ?? { enabled: true, wake: 'all' },
    catch_up: more.catch_up ?? 'all',
  };
}
export const RESEARCH = bind({ research: 'all' });
export const ids = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

export async function lab(options: AttachLabOptions = {}): Promise<AttachLab> {
  const opened = await startAttachLab(options);
  for (const id of ['research', 'other']) if (!opened.network.topology.room(id)) await opened.createRoom(id);
  return opened;
}
export const attach = (
  at: AttachLab,
  bindings: Bindings = RESEARCH,
  more: object = {},
): Promise<AttachClient> => AttachClient.attach({ url: at.url, bindings, ...more });
export async function post(
  at: AttachLab,
  names: string[],
  target = 'room:research',
  as = 'human:me',
): Promise<void> {
  for (const id of names) await at.send(as, target, { id });
}
export async function mention(at: AttachLab, id: string, target = 'room:research'): Promise<void> {
  await at.send('human:me', target, { id, parts: [{ kind: 'text', text: '@alpha look' }] });
}
/** Ends the connection and waits until its positions are stored. */
export async function leave(at: AttachLab, client: AttachClient): Promise<void> {
  await client.drop();
  await eventually(() => at.gateway.connections === 0);
  await at.execute('delivery.save', { writes: [] });
}
export const cursorOf = (client: AttachClient, message: string): string =>
  client.events.find((frame) => frame.event!.message?.id === message)!.cursor!;
export async function wake(
  client: AttachClient,
  wake_id: string,
  message: string,
  more: object = {},
): Promise<Frame> {
  const before = client.of('WAKE').length;
  client.send({
    op: 'WAKE',
    wake_id,
    conversation: 'room:research',
    cursor: cursorOf(client, message),
    attempt: 1,
    ...more,
  });
  await client.until(() => client.of('WAKE').length > before || client.closed);
  return client.of('WAKE')[before]!;
}
/** What comes on a new connection, as `WAKE id/attempt` and message ids. */
export async function story(client: AttachClient): Promise<string[]> {
  await client.settle();
  await client.settle();
  return client.frames.flatMap((frame) =>
    frame.op === 'WAKE'
      ? [`WAKE ${frame.wake_id}/${frame.attempt}`]
      : frame.op === 'EVENT'
        ? [frame.event!.message?.id ?? frame.event!.type]
        : [],
  );
}
