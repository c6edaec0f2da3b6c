import type { SearchPage, SearchQuery } from '../../protocol/search.ts';
import { explained, openClient } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { actorName, localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { findSpeaker, SELECTION_FLAGS } from '../speaker.ts';
import { safe, type Paint } from '../style.ts';
import { conversationNamed, parseTarget } from '../target.ts';

const DEFAULT_LIMIT = 20;
const MOST = 100;
const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;

export const command: Command = {
  usage: 'search [words…]',
  summary: 'find what was said: messages that hold every word, newest first',
  positionals: 100,
  flags: [
    {
      name: 'in',
      value: 'TARGET',
      what: 'only there: room:ID (with its threads), thread:ID, dm:ID or dm:@agent',
    },
    { name: 'from', value: 'NAME', what: 'only what this agent or person wrote' },
    { name: 'since', value: 'TIME', what: 'a date, a time in RFC 3339, or how long ago: 90m, 12h, 7d, 2w' },
    { name: 'until', value: 'TIME', what: 'the same; that day included' },
    { name: 'has', value: 'artifact', what: 'only messages with a part that is more than text' },
    { name: 'limit', value: 'N', what: `how many at most (${MOST})`, fallback: String(DEFAULT_LIMIT) },
    { name: 'before', value: 'MESSAGE_ID', what: 'only older ones: where the last answer ended' },
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const [place, from, has, before] = ['in', 'from', 'has', 'before'].map((name) => args.text(name));
    const [since, until] = [timeOf(args.text('since')), timeOf(args.text('until'))];
    // A word that holds a space was in quotes when it was typed.
    const q = args.positionals
      .map((word) => (/\s/.test(word) && !word.includes('"') ? `"${word}"` : word))
      .join(' ');
    if (q === '' && [place, from, since, until, has].every((given) => given === undefined))
      throw usageFailure('nothing to look for', 'write words, or a filter such as --from or --since');
    const limit = Number(args.text('limit') ?? DEFAULT_LIMIT);
    if (!Number.isInteger(limit) || limit < 1)
      throw usageFailure(
        `--limit ${JSON.stringify(args.text('limit'))} is not a number of messages`,
        `write 1 to ${MOST}`,
      );
    const target = place === undefined ? undefined : parseTarget(place);
    const speaker = await findSpeaker(args, io, { speaks: false });
    const client = openClient(speaker);
    await explained(async () => {
      const query: SearchQuery = {
        ...(q !== '' && { q }),
        ...(target && { conversation: await conversationNamed(target, speaker, client) }),
        ...(from !== undefined && { from: from.replace(/^@/, '') }),
        ...(since !== undefined && { since }),
        ...(until !== undefined && { until }),
        ...(has !== undefined && { has }),
        ...(before !== undefined && { before }),
        limit: String(limit),
      };
      const page = await client.search(query);
      await print(args, io, page, (color) => lines(page, color, !io.terminal).join('\n'));
    });
  },
};

function lines({ results, page, unindexed }: SearchPage, color: Paint, ids: boolean): string[] {
  const found = results.map(({ message, conversation, snippet }) => {
    const time = ids ? `${message.created_at.slice(0, 19)}Z` : localTime(message.created_at, new Date());
    const text = snippet
      .map((piece) => (piece.hit ? color.name(safe(piece.text)) : safe(piece.text)))
      .join('');
    const id = ids ? ` ${color.dim(`[${message.id}]`)}` : '';
    return `${color.dim(time)} ${color.dim(conversation)} ${actorName(message.from, color)}${id}  ${text.replace(/\s*\n\s*/g, ' ')}`;
  });
  return [
    ...(found.length > 0 ? found : [color.dim('nothing found')]),
    ...(page.next_before === undefined ? [] : [color.dim(`(older ones: --before ${page.next_before})`)]),
    ...(unindexed === undefined
      ? []
      : [color.dim(`(the newest ${unindexed} events are not in the index yet; ask again in a moment)`)]),
  ];
}

/** RFC 3339 or a date as it is; `7d` as the time so long ago. */
function timeOf(given: string | undefined): string | undefined {
  const ago = /^(\d{1,5})([mhdw])$/.exec(given ?? '');
  if (!ago) return given;
  return new Date(Date.now() - Number(ago[1]) * UNITS[ago[2] as keyof typeof UNITS]).toISOString();
}
