import { adminFlagsWithout, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { secretFile, secretFlag, storeSecret } from '../secret-output.ts';
import { secondsOf } from '../scope.ts';

export const command: Command = {
  usage: 'pair invite --room ID',
  summary: 'a code with which another network pairs with this one, once',
  positionals: 0,
  flags: [
    { name: 'room', value: 'ID', many: true, what: 'a room to share; repeat it, or write a comma list' },
    { name: 'expires', value: 'TIME', what: 'how long the code is good: 30m, 24h, 7d', fallback: '24h' },
    {
      name: 'url',
      value: 'URL',
      what: 'where the other server reaches this one',
      fallback: "server.public_url, or this machine's address",
    },
    secretFlag('write the code there (0600), in place of printing it'),
    ...adminFlagsWithout('token-path'),
    ...OUTPUT_FLAGS,
  ],
  details: `Whoever has the code may pair with this network until it is used, revoked (moltnet pair revoke INVITE) or expired.
It holds no credential of the pairing: the two servers exchange those when it is accepted. Nothing restarts.`,
  async run(args, io) {
    const rooms = args.list('room');
    if (rooms.length === 0)
      throw usageFailure('which room is shared is missing', 'write: moltnet pair invite --room general');
    const [time, url] = [args.text('expires'), args.text('url')];
    const file = secretFile(args, io);
    const client = await openAdminClient(args, io, { token_path: false });
    const made = await explained(() =>
      client.invitePairing({
        rooms,
        ...(time === undefined ? {} : { expires_in: secondsOf('expires', time) }),
        ...(url === undefined ? {} : { url }),
      }),
    );
    if (file !== undefined) storeSecret(file, made.code);
    const { code: _, ...rest } = made;
    await print(args, io, file === undefined ? made : { ...rest, token_path: file }, (color) =>
      [
        `${color.green('invited')} ${made.id}, for ${made.rooms.join(', ')}, until ${localTime(made.expires_at, new Date())}`,
        file === undefined ? 'On the other side:' : `The code is in ${file}. On the other side:`,
        '',
        `  moltnet pair accept ${file === undefined ? `'${made.code}'` : 'CODE'}`,
      ].join('\n'),
    );
  },
};
