/** Agents that speak the delivery protocol frame by frame, for tests of what becomes of their messages. */
import { startAttachLab, type AttachLab, type AttachLabOptions } from './attach-lab.ts';
import { AttachClient } from './attach-client.ts';
import type { ReceiptEvent } from '../../src/protocol/receipts.ts';
import type { Bindings, WakePolicy } from '../../src/protocol/wake.ts';

export const bind = (rooms: Record<string, WakePolicy>, more: Partial<Bindings> = {}): Bindings => ({
  rooms: Object.entries(rooms).map(([id, wake]) => ({ id, wake })),
  dms: { enabled: true, wake: 'all' },
  catch_up: 'all',
  ...more,
});

/** With the public room `r`. */
export async function wakeLab(options: AttachLabOptions = {}): Promise<AttachLab> {
  const at = await startAttachLab(options);
  if (!at.network.topology.room('r')) await at.createRoom('r');
  return at;
}

/** Without bindings it is a client that decides wakes itself. */
export const attach = (at: AttachLab, bindings?: Bindings, agent = 'alpha'): Promise<AttachClient> =>
  AttachClient.attach({ url: at.url, agent, ...(bindings && { bindings }) });

export const say = (at: AttachLab, id: string, text = 'hello', target = 'room:r', as = 'human:me') =>
  at.send(as, target, { id, parts: [{ kind: 'text', text }] });

/** The cursor of a message that is on its way. */
export async function got(client: AttachClient, message: string): Promise<string> {
  await client.until(() => client.messages.includes(message));
  return client.events.find((frame) => frame.event!.message?.id === message)!.cursor!;
}

/** Begins a wake that ends at a message; its cursor. */
export async function wake(
  client: AttachClient,
  wake_id: string,
  message: string,
  attempt = 1,
): Promise<string> {
  const cursor = await got(client, message);
  const target = client.events.find((frame) => frame.cursor === cursor)!.event!.message!.target as {
    kind: string;
    [id: string]: string;
  };
  const before = client.of('WAKE').length;
  const conversation = `${target.kind}:${target[`${target.kind}_id`]}`;
  client.send({ op: 'WAKE', wake_id, conversation, cursor, attempt });
  await client.until(() => client.of('WAKE').length > before || client.closed);
  return cursor;
}

/** Ends a wake, and waits until that is stored. */
export async function end(at: AttachLab, client: AttachClient, cursor: string, more: object): Promise<void> {
  client.ack(cursor, { outcome: 'ok', ...more });
  await client.settle();
  await at.execute('delivery.save', { writes: [] });
}

/** The receipts that an observer, or a stream of these agents, is told live. */
export function watch(
  at: AttachLab,
  interest: { observer: true } | { agents: ReadonlySet<string> },
): ReceiptEvent[] {
  const seen: ReceiptEvent[] = [];
  at.tail.subscribe(
    {
      push() {},
      announce: ({ event }) =>
        void (event.type === 'message.receipt' && seen.push(JSON.parse(event.payload) as ReceiptEvent)),
    },
    { rooms: new Set(), ...interest },
  );
  return seen;
}
