import type { ConversationKey } from '../../protocol/conversation.ts';
import type { MessagePage } from '../../protocol/pages.ts';
import type { Client } from '../../client/http.ts';
import { explained, openClient, statusOf } from '../api.ts';
import type { Args, Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { formatMessage, OUTPUT_FLAGS, print } from '../format.ts';
import { lastRead } from '../last-read.ts';
import { findSpeaker, SELECTION_FLAGS } from '../speaker.ts';
import { conversationNamed, parseTarget } from '../target.ts';

const DEFAULT_LIMIT = 20;

export const command: Command = {
  usage: 'read <target>',
  summary: 'read what was said, oldest first',
  positionals: 1,
  flags: [
    { name: 'target', value: 'TARGET', what: 'room:ID, thread:ID, dm:ID or dm:@agent' },
    { name: 'limit', value: 'N', what: 'how many messages at most (500)', fallback: String(DEFAULT_LIMIT) },
    {
      name: 'since-last',
      what: 'only what is new since the last time that this flag was used; the newest the first time',
    },
    { name: 'before', value: 'MESSAGE_ID', what: 'only older ones' },
    { name: 'after', value: 'MESSAGE_ID', what: 'only newer ones' },
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const target = parseTarget(args.text('target') ?? args.positionals[0]);
    const limit = limitOf(args);
    const [before, after, sinceLast] = [
      args.text('before'),
      args.text('after'),
      args.on('since-last') === true,
    ];
    if (before !== undefined && after !== undefined)
      throw usageFailure('--before and --after exclude each other');
    if (sinceLast && (before ?? after) !== undefined)
      throw usageFailure('--since-last knows its place itself: leave --before and --after out');
    const speaker = await findSpeaker(args, io, { speaks: false });
    const client = openClient(speaker);
    await explained(async () => {
      const conversation = await conversationNamed(target, speaker, client);
      const last = sinceLast ? lastRead(speaker, conversation) : undefined;
      const cursor = last?.cursor();
      const from = cursor ?? after;
      const page = await readPage(
        client,
        conversation,
        {
          limit,
          ...(before === undefined ? {} : { before }),
          ...(from === undefined ? {} : { after: from }),
        },
        cursor,
        (text) => io.err(text),
      );
      await print(args, io, page, (color) => {
        if (page.messages.length === 0)
          return color.dim(sinceLast && cursor !== undefined ? 'nothing new' : 'no messages');
        const lines = page.messages.map((message) => formatMessage(message, color, { ids: !io.terminal }));
        const more = page.page.has_more ? moreHint(page, sinceLast && cursor !== undefined) : undefined;
        return [...lines, ...(more === undefined ? [] : [color.dim(more)])].join('\n');
      });
      const newest = page.messages.at(-1);
      if (last && newest) last.advance(newest.id);
    });
  },
};

/** A cursor of ours that the server does not know (another database, a pruned history) starts over at the newest. */
async function readPage(
  client: Client,
  conversation: ConversationKey,
  page: { limit: number; before?: string; after?: string },
  own: string | undefined,
  warn: (text: string) => void,
): Promise<MessagePage> {
  try {
    return await client.messages(conversation, page);
  } catch (error) {
    if (own === undefined || statusOf(error) !== 422) throw error;
    warn('moltnet: the server no longer knows where you left off; these are the newest messages\n');
    return client.messages(conversation, { limit: page.limit });
  }
}

function moreHint(page: MessagePage, forward: boolean): string | undefined {
  if (forward) return '(there is more: run it again)';
  if (page.page.next_before !== undefined) return `(older ones: --before ${page.page.next_before})`;
  return page.page.next_after === undefined ? undefined : `(newer ones: --after ${page.page.next_after})`;
}

function limitOf(args: Args): number {
  const text = args.text('limit');
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1)
    throw usageFailure(`--limit ${JSON.stringify(text)} is not a number of messages`, 'write 1 to 500');
  return Math.min(limit, 500);
}
