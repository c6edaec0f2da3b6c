import { can } from '../../network/access.ts';
import { selvesOf } from '../../network/access-facts.ts';
import type { Identity } from '../../network/identity.ts';
import { mayReadAgent } from '../../network/views.ts';
import { parseConversation } from '../../protocol/conversation.ts';
import { memberFqid } from '../../protocol/ids.ts';
import { MessageReceipts, type Receipt } from '../../protocol/receipts.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { readableDm } from './dms.ts';
import { MessageParams, pathId } from './params.ts';
import { readableRoom, unreadable } from './rooms.ts';

export async function receiptRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store, receipts } = context;

  app.get(
    '/v1/messages/:messageID/receipts',
    {
      schema: {
        summary: 'What became of a message for each agent that it is for',
        tags: ['messages'],
        params: MessageParams,
        response: answers({ 200: MessageReceipts }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const id = pathId(request.params.messageID, 'message');
      const message = (await store.messages([id])).get(id);
      if (!message) throw unreadable(network, identity, `no such message: ${id}`);
      if (message.room_id !== null) readableRoom(context, identity, message.room_id, `message: ${id}`);
      else await readableDm(context, identity, parseConversation(message.conversation).id);
      const { receipts: all, ...rest } = await receipts.of(message);
      return sendValue(reply, { ...rest, receipts: shownTo(identity, message.sender, all) });
    },
  );

  /** Agents that the caller may know of; what an agent's machine said is for observers, the sender and the agent itself. */
  function shownTo(identity: Identity, sender: string, all: readonly Receipt[]): Receipt[] {
    const { settings, topology } = network;
    const observes = can(settings, identity, 'observe').allowed;
    const selves = new Set(selvesOf(identity).map((self) => memberFqid(self, settings.id)));
    return all
      .filter(({ agent_id }) => mayReadAgent(topology, identity, agent_id))
      .map(({ error, ...receipt }) =>
        error !== undefined && (observes || selves.has(sender) || selves.has(receipt.fqid))
          ? { ...receipt, error }
          : receipt,
      );
  }
}
