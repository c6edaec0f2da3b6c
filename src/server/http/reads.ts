/**
 * How far people have read (READ rules): what a person has seen in one browser is read in all of them, and nobody else
 * is told. Kept for people of the configuration only: in mode none nobody is known, and browsers keep it themselves.
 */
import { server, type Identity, type Person } from '../../network/identity.ts';
import { ANONYMOUS } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { memberFqid } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import { ReadList, ReadPosition, ReadRequest } from '../../protocol/reads.ts';
import type { ReadRow } from '../../store/topology-rows.ts';
import type { ReadWrite } from '../../store/writes.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { ConversationParams, pathId } from './params.ts';
import { mayRead, readableConversation } from './readable.ts';

/** GET /v1/reads, PUT /v1/reads/:conversation */
export async function readRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store } = context;
  const tags = ['reads'];
  const most = limits.read_positions.value;

  async function positionsOf({ id }: Person, rows: readonly ReadRow[]): Promise<ReadPosition[]> {
    const unread = await store.unread(rows, memberFqid(id, network.settings.id), limits.unread_counted.value);
    return rows.map(({ conversation, message_id, at }, index) => ({
      conversation,
      message_id,
      unread: unread[index]!,
      at,
    }));
  }

  app.get(
    '/v1/reads',
    {
      schema: {
        summary: 'How far the person who asks has read, the latest first',
        tags,
        response: answers({ 200: ReadList }, 'unauthorized', 'forbidden'),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const person = requirePerson(identity);
      const rows = await store.reads(person.id, most);
      const conversations = await store.conversations(rows.map(({ conversation }) => conversation));
      const readable = rows.filter(({ conversation }) => {
        const row = conversations.get(conversation);
        return row !== undefined && mayRead(context, identity, row);
      });
      return sendValue(reply, { reads: await positionsOf(person, readable) });
    },
  );

  app.put(
    '/v1/reads/:conversation',
    {
      schema: {
        summary: 'The person who asks has read this conversation up to this message; never moves back',
        tags,
        params: ConversationParams,
        body: ReadRequest,
        response: answers(
          { 200: ReadPosition },
          'bad_request',
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'not_found',
          'overloaded',
          'storage_unavailable',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const person = requirePerson(identity);
      const conversation = await readableConversation(context, identity, request.params.conversation);
      const message_id = pathId(request.body.message_id, 'message');
      const message = (await store.messages([message_id])).get(message_id);
      if (message?.conversation !== conversation)
        throw new MoltnetError('not_found', `no such message in ${conversation}: ${message_id}`);
      const known = await store.reads(person.id, most);
      const before = known.find((row) => row.conversation === conversation);
      if (before && before.seq >= message.seq)
        return sendValue(reply, (await positionsOf(person, [before]))[0]!);
      const row: ReadRow = {
        person_id: person.id,
        conversation,
        seq: message.seq,
        message_id,
        at: new Date().toISOString(),
      };
      const over = before ? [] : known.slice(most - 1);
      const writes: ReadWrite[] = [{ op: 'read', row }, ...over.map(forgotten)];
      await network.execute('read.save', { writes }, server);
      const position = (await positionsOf(person, [row]))[0]!;
      context.tail.announce({ type: 'read.moved', person: person.id, payload: position });
      return sendValue(reply, position);
    },
  );
}

const forgotten = ({ person_id, conversation }: ReadRow): ReadWrite => ({
  op: 'read.remove',
  person_id,
  conversation,
});

/** Throws `unauthorized` for nobody, `forbidden` for who is no person of the configuration. */
function requirePerson({ human, mode, credential_key }: Identity): Person {
  if (human) return human;
  if (mode !== 'none' && credential_key === ANONYMOUS)
    throw new MoltnetError('unauthorized', 'a credential is needed');
  throw new MoltnetError(
    'forbidden',
    'read positions are kept for people of the configuration (auth.tokens[].human)',
  );
}
