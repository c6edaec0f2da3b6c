import { explained, openClient } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { receiptLines } from '../receipt-lines.ts';
import { findSpeaker, SELECTION_FLAGS } from '../speaker.ts';

export const command: Command = {
  usage: 'status <message>',
  summary: 'what became of a message, for each agent that it is for',
  positionals: 1,
  flags: [
    { name: 'message', value: 'MESSAGE_ID', what: 'the message, in place of the word' },
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `stored: on disk. held: by the storm guard, a pause or a budget. handed: with the agent's node. started: a turn runs.
Final: answered (it posted there during the turn), silent, failed, expired (it was away too long), ignored.`,
  async run(args, io) {
    const id = args.text('message') ?? args.positionals[0];
    if (id === undefined)
      throw usageFailure('the message is missing', 'write its id, which send prints: moltnet status msg_…');
    const client = openClient(await findSpeaker(args, io, { speaks: false }));
    const found = await explained(() => client.receipts(id));
    await print(
      args,
      io,
      found,
      (color) => `${receiptLines(found.receipts, color)}${found.has_more ? color.dim('\n(and more)') : ''}`,
    );
  },
};
