/** `deliveries retry` and `deliveries drop`: what becomes of a turn that failed for good. */
import type { Client } from '../../client/http.ts';
import type { DeliveryItem } from '../../protocol/receipts.ts';
import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Args, Command, Io } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { agentNamed } from '../scope.ts';
import { personOnly } from '../speaker.ts';

const FLAGS = [
  { name: 'all', what: 'every one that failed' },
  { name: 'agent', value: 'ID', what: 'only of this agent' },
  ...ADMIN_FLAGS,
  ...OUTPUT_FLAGS,
];

export const retry: Command = {
  usage: 'deliveries retry <wake> | --all',
  summary: 'run a turn again that failed for good, with its messages, before what came later',
  positionals: 1,
  flags: FLAGS,
  run: (args, io) =>
    settle(args, io, 'retry', 'is tried again', (client, ...wake) => client.retryDelivery(...wake)),
};

export const drop: Command = {
  usage: 'deliveries drop <wake> | --all',
  summary: 'give a turn that failed up: it is not shown any more, and its messages count as dropped',
  positionals: 1,
  flags: FLAGS,
  run: (args, io) =>
    settle(args, io, 'drop', 'is given up', (client, ...wake) => client.dropDelivery(...wake)),
};

async function settle(
  args: Args,
  io: Io,
  word: string,
  done: string,
  one: (client: Client, wakeId: string, agent?: string) => Promise<DeliveryItem>,
): Promise<void> {
  const named = args.positionals[0];
  const all = args.on('all') === true;
  const agent = args.text('agent') === undefined ? undefined : agentNamed(args.text('agent'));
  if (all === (named !== undefined))
    throw usageFailure(
      'name one wake, or --all of them',
      `write: moltnet deliveries ${word} wake_…, as moltnet deliveries lists them`,
    );
  personOnly(io, `${word} turns`, 'ask a person to run this');
  const client = await openAdminClient(args, io);
  const deliveries = await explained(async () => {
    const failed = all
      ? await client.deliveries({ state: 'failed', ...(agent === undefined ? {} : { agent }) })
      : [{ wake_id: named }];
    const settled: DeliveryItem[] = [];
    for (const { wake_id } of failed)
      if (wake_id !== undefined) settled.push(await one(client, wake_id, agent));
    return settled;
  });
  await print(args, io, { deliveries }, (color) =>
    deliveries.length === 0
      ? color.dim('nothing has failed')
      : deliveries
          .map((item) => `${color.green(done)}  @${item.agent_id} in ${item.conversation}`)
          .join('\n'),
  );
}
