import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { pairingLine } from '../pairing-lines.ts';
import { safeLine } from '../style.ts';

export const command: Command = {
  usage: 'pair show <pairing | message>',
  summary: 'one paired network: what waits for it, what it refused; or where one message stands',
  positionals: 1,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  async run(args, io) {
    const id = args.positionals[0];
    if (id === undefined) throw usageFailure('which pairing is missing', 'moltnet pair list shows them');
    const client = await openAdminClient(args, io);
    if (id.startsWith('msg_')) {
      const relays = await explained(() => client.relays(id));
      return print(args, io, relays, (color) =>
        relays.relays.length === 0
          ? color.dim('shared with no pairing')
          : relays.relays
              .map(({ pairing_id, state, code, reason }) =>
                [
                  `${pairing_id}  ${state}`,
                  safeLine([code, reason].filter((one) => one !== undefined).join(': ')),
                ]
                  .filter((one) => one !== '')
                  .join('  '),
              )
              .join('\n'),
      );
    }
    const pairing = await explained(() => client.pairing(id));
    return print(args, io, pairing, (color) => {
      const { relay, diagnostics, waiting, refusals } = pairing;
      const lines = [pairingLine(pairing, color)];
      if (diagnostics?.remote_version !== undefined)
        lines.push(`  version ${safeLine(diagnostics.remote_version)}`);
      if (relay)
        lines.push(
          `  since the server started: ${relay.relayed} relayed, ${relay.refused} refused there, ${relay.received} taken, ${relay.not_taken} refused here`,
        );
      for (const { conversation, since, attempts, error } of waiting)
        lines.push(
          `  ${color.yellow('waiting')} ${conversation}${since === undefined ? '' : ` since ${localTime(since, new Date())}`}, ${attempts} tries${error === undefined ? '' : `: ${safeLine(error)}`}`,
        );
      for (const { message_id, conversation, code, reason } of refusals)
        lines.push(
          `  ${color.red('refused')} ${message_id} ${conversation}: ${safeLine(`${code}, ${reason}`)}`,
        );
      return lines.join('\n');
    });
  },
};
