import { RelayAnswer, RelayRequest } from '../../protocol/pairings.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';

/** What paired servers of ours tell each other, many at a time. A server of the original uses POST /v1/messages. */
export async function relayRoutes(app: App, context: ServerContext): Promise<void> {
  const { pairings, rates } = context;
  app.post(
    '/v1/relay',
    {
      onRequest: asks(context, 'relay'),
      schema: {
        summary:
          'Between two servers: messages and redactions of a paired network, in order; stored when it is answered',
        tags: ['pairings'],
        body: RelayRequest,
        response: answers(
          { 200: RelayAnswer },
          'bad_request',
          'body_too_large',
          'unauthorized',
          'forbidden',
          'pairing_quota',
          'rate_limited',
          'overloaded',
          'storage_unavailable',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const { items } = request.body;
      return sendValue(
        reply,
        await pairings.intake.takeItems(identity, items, () => rates.send(identity, items.length)),
      );
    },
  );
}
