import type { BackfillResult } from '../../protocol/pairings.ts';
import { adminFlagsWithout, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { countOf, statusWord } from '../pairing-lines.ts';

export const command: Command = {
  usage: "pair accept 'CODE'",
  summary: 'pair with the network that made the code',
  positionals: 1,
  flags: [
    { name: 'code-env', value: 'NAME', what: 'environment variable that holds the code' },
    {
      name: 'url',
      value: 'URL',
      what: 'where the other server reaches this one',
      fallback: 'server.public_url; without, this server keeps a link to the other',
    },
    {
      name: 'backfill',
      value: 'N',
      what: 'take in the last N messages of each room from before',
      fallback: 'none',
    },
    { name: 'room', value: 'ID', many: true, what: 'a private room of this network that may be shared' },
    {
      name: 'again',
      what: 'the network is paired already and has lost that: give its pairing new credentials',
    },
    ...adminFlagsWithout('member'),
    ...OUTPUT_FLAGS,
  ],
  details: `The rooms that the code names are shared with that network from now on; a room that is not here is made. Both
servers are at work when this ends, without a restart. moltnet pair list shows how it stands, pair revoke ends it.`,
  async run(args, io) {
    const name = args.text('code-env');
    const code = args.positionals[0] ?? (name === undefined ? undefined : io.env[name]?.trim());
    if (!code)
      throw usageFailure(
        'the code is missing',
        "write: moltnet pair accept 'moltnet-pair:…', with the quotes",
      );
    const count = countOf(args.text('backfill'), 'backfill');
    const [url, rooms] = [args.text('url'), args.list('room')];
    const client = await openAdminClient(args, io, { member: false });
    const accepted = await explained(() =>
      client.acceptPairing({
        code,
        ...(url === undefined ? {} : { url }),
        ...(rooms.length === 0 ? {} : { rooms }),
        ...(args.on('again') === true ? { again: true } : {}),
      }),
    );
    const { pairing } = accepted;
    const history: BackfillResult[] = [];
    if (count !== undefined)
      for (const room_id of accepted.rooms)
        history.push(await explained(() => client.backfillPairing(pairing.id, { room_id, count })));
    await print(args, io, count === undefined ? accepted : { ...accepted, history }, (color) =>
      [
        `${color.green('paired')} with ${pairing.remote_network_id}: ${statusWord(pairing, color)}`,
        ...accepted.rooms.map((room) => `  room:${room} is shared`),
        ...history.map(({ room_id, taken }) => `  room:${room_id}: ${taken} messages from before`),
        color.dim(
          `  agents there are called ${pairing.remote_network_id}:name here; moltnet pair show ${pairing.id}`,
        ),
      ].join('\n'),
    );
  },
};
