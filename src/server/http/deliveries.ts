import { z } from 'zod';
import { storedWakeId, wireWakeId } from '../../log/receipt.ts';
import { requireAccess } from '../../network/access.ts';
import { server } from '../../network/identity.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { canonicalMemberId, parseMemberId } from '../../protocol/ids.ts';
import { DELIVERY_LISTS, DeliveryItem, DeliveryList } from '../../protocol/receipts.ts';
import type { WakeRow } from '../../store/delivery-rows.ts';
import type { ServerContext } from '../context.ts';
import { heldAway } from '../held.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { runAgain } from '../retries.ts';

/** Failed wakes among which one is looked for by its id alone. */
const SEARCHED = 500;

const ListQuery = z.object({
  state: z
    .enum(DELIVERY_LISTS)
    .optional()
    .describe('open, failed and held when left out; `ended`: how the last turns of `agent` ended'),
  agent: z.string().optional(),
  limit: z.coerce.number().optional().describe('of each state, at most 500; 100 when left out'),
});
const WakeParams = z.object({ wakeID: z.string() });
const AgentQuery = z.object({
  agent: z.string().optional().describe('whose wake it is, where two agents have the same id'),
});

/** What became of a wake; one that ended before that was kept was at least not `failed`. */
const stateOf = ({ state, outcome }: WakeRow): DeliveryItem['state'] =>
  state === 'open' || state === 'failed'
    ? state
    : outcome === 'dropped' || outcome === 'answered'
      ? outcome
      : 'silent';

export async function deliveryRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store, tail, gateway, receipts } = context;
  const tags = ['deliveries'];

  const agentOf = (value: string | undefined): string | undefined => {
    if (value === undefined || value.trim() === '') return undefined;
    if (!parseMemberId(value))
      throw new MoltnetError('bad_request', `agent: not an id: ${value.slice(0, 160)}`);
    return canonicalMemberId(value, network.settings.id);
  };

  async function item(row: WakeRow): Promise<DeliveryItem> {
    const { conversation, last_seq } = row;
    const [last] = await store.conversationEvents(conversation, last_seq - 1, 1, last_seq);
    return {
      wake_id: wireWakeId(row),
      agent_id: row.agent_id,
      conversation,
      state: stateOf(row),
      attempts: row.attempt,
      ...(row.error !== null && { error: row.error }),
      ...(row.classification !== null && { classification: row.classification }),
      ...(row.answer_id !== null && { answer_id: row.answer_id }),
      ...(last && { message_id: (JSON.parse(last.payload) as { id: string }).id }),
      opened_at: row.opened_at,
      ...(row.closed_at !== null && { closed_at: row.closed_at }),
    };
  }

  /** A wake that failed. Throws not_found or conflict. */
  async function failedWake(id: string, agent: string | undefined): Promise<WakeRow> {
    const found =
      agent === undefined
        ? (await store.failedWakes(undefined, SEARCHED)).filter((row) => wireWakeId(row) === id)
        : [await store.wake(storedWakeId(agent, id))].filter((row) => row !== undefined);
    const [row, ...others] = found;
    if (!row)
      throw new MoltnetError(
        'not_found',
        `no failed delivery ${JSON.stringify(id.slice(0, 160))}: moltnet deliveries lists them`,
      );
    if (others.length > 0)
      throw new MoltnetError('conflict', 'several agents have a failed wake of this id: name the agent');
    if (row.state !== 'failed')
      throw new MoltnetError('conflict', `the delivery is ${row.outcome ?? row.state}, not failed`);
    return row;
  }

  app.get(
    '/v1/deliveries',
    {
      schema: {
        summary: 'Wakes that failed for good, that are open, and what is held back',
        tags,
        querystring: ListQuery,
        response: answers({ 200: DeliveryList }, 'bad_request', 'unauthorized', 'forbidden'),
      },
    },
    async (request, reply) => {
      requireAccess(network.settings, context.identify(request.raw), 'observe');
      const { state, limit } = request.query;
      const agent = agentOf(request.query.agent);
      const most = Math.min(Math.max(Math.trunc(limit ?? 100) || 100, 1), 500);
      const deliveries: DeliveryItem[] = [];
      if (state === undefined || state === 'failed')
        for (const row of await store.failedWakes(agent, most)) deliveries.push(await item(row));
      if (state === 'ended') {
        if (agent === undefined) throw new MoltnetError('bad_request', 'agent: say whose turns');
        for (const row of await store.endedWakes(agent, most)) deliveries.push(await item(row));
      }
      if (state === undefined || state === 'open') {
        const open = agent === undefined ? store.allOpenWakes(most) : store.openWakes(agent);
        for (const row of (await open).slice(0, most)) deliveries.push(await item(row));
      }
      if (state === undefined || state === 'held') {
        let left = most;
        for (const held of gateway.held()) {
          if (agent !== undefined && held.agent_id !== agent) continue;
          if (left-- === 0) break;
          deliveries.push({ ...held, state: 'held' });
        }
        if (left > 0)
          for await (const held of heldAway(context, agent)) {
            if (left-- === 0) break;
            deliveries.push({ ...held, state: 'held' });
          }
      }
      return sendValue(reply, { deliveries });
    },
  );

  app.post(
    '/v1/deliveries/:wakeID/retry',
    {
      onRequest: asks(context, 'guard.resume'),
      schema: {
        summary: 'Run a failed wake again, with its next attempt, before what comes later',
        tags,
        params: WakeParams,
        querystring: AgentQuery,
        response: answers(
          { 200: DeliveryItem },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'conflict',
        ),
      },
    },
    async (request, reply) => {
      const row = await failedWake(request.params.wakeID, agentOf(request.query.agent));
      const { wake_id } = row;
      const at = new Date(tail.now()).toISOString();
      const retry = { op: 'wake.retry', wake_id, at, opened_seq: tail.head } as const;
      await network.execute('delivery.save', { writes: [retry] }, server);
      const open = await runAgain({ store, gateway }, wake_id);
      if (open?.state !== 'open' || open.opened_at !== at)
        throw new MoltnetError('conflict', 'somebody else has retried or dropped it meanwhile');
      await receipts.tell(open);
      return sendValue(reply, await item(open));
    },
  );

  app.post(
    '/v1/deliveries/:wakeID/drop',
    {
      onRequest: asks(context, 'guard.resume'),
      schema: {
        summary: 'Give a failed wake up: it is listed no more',
        tags,
        params: WakeParams,
        querystring: AgentQuery,
        response: answers(
          { 200: DeliveryItem },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'conflict',
        ),
      },
    },
    async (request, reply) => {
      const { wake_id } = await failedWake(request.params.wakeID, agentOf(request.query.agent));
      await network.execute('delivery.save', { writes: [{ op: 'wake.drop', wake_id }] }, server);
      const dropped = await store.wake(wake_id);
      if (dropped?.outcome !== 'dropped')
        throw new MoltnetError('conflict', 'somebody else has retried or dropped it meanwhile');
      await receipts.tell(dropped);
      return sendValue(reply, await item(dropped));
    },
  );
}
