import type { UsageItem, UsageReport } from '../../protocol/receipts.ts';
import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Args, Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { safeLine, type Paint } from '../style.ts';

const MOST_DAYS = 90;

export const command: Command = {
  usage: 'usage',
  summary: 'wakes, tokens and cost of each agent by room and day (UTC)',
  positionals: 0,
  flags: [
    { name: 'days', value: 'N', what: 'so many days, today included', fallback: '7' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: 'Tokens and cost are those that the runtimes tell; where one tells none, nothing is shown.',
  async run(args, io) {
    const days = daysOf(args);
    const client = await openAdminClient(args, io);
    const report = await explained(() => client.usage(days));
    await print(args, io, report, (color) => table(report, color));
  },
};

function daysOf(args: Args): number {
  const text = args.text('days') ?? '7';
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS)
    throw usageFailure(`--days ${JSON.stringify(text)} is not a number of days`, `write 1 to ${MOST_DAYS}`);
  return days;
}

function table({ usage, caps }: UsageReport, color: Paint): string {
  const head = ['DAY', 'AGENT', 'ROOM', 'WAKES', 'TOKENS IN', 'OUT', 'COST'];
  const rows = usage.map((item) => [
    item.day,
    `@${safeLine(item.agent_id)}`,
    item.room_id === undefined ? 'DMs' : safeLine(item.room_id),
    String(item.wakes),
    number(item.input_tokens),
    number(item.output_tokens),
    dollars(item),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const lined = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ');
  const capped = caps.map(
    ({ agent_id, daily_wakes, today }) =>
      `@${safeLine(agent_id)}: ${today} of ${daily_wakes} wakes today${today >= daily_wakes ? color.yellow('  held back until tomorrow') : ''}`,
  );
  const used =
    rows.length === 0 ? [color.dim('no agent was woken')] : [color.dim(lined(head)), ...rows.map(lined)];
  return [...used, ...capped].join('\n');
}

const number = (value: number | undefined): string =>
  value === undefined ? '' : value.toLocaleString('en-US');
const dollars = ({ cost_usd }: UsageItem): string =>
  cost_usd === undefined ? '' : `$${cost_usd.toFixed(2)}`;
