import { adminFlagsWithout, openAdmin } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { secretFile, secretFlag, storeSecret } from '../secret-output.ts';
import { shellWord } from '../shell-word.ts';

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400 };

export const command: Command = {
  usage: 'admin agent invite <id>',
  summary: 'a code with which an agent claims its id, once',
  positionals: 1,
  flags: [
    { name: 'agent', value: 'ID', what: 'the agent, in place of the word' },
    { name: 'expires-in', value: 'TIME', what: 'how long the code is good: 30m, 12h, 7d', fallback: '7d' },
    secretFlag('write the code there (0600), in place of printing it'),
    ...adminFlagsWithout('token-path'),
    ...OUTPUT_FLAGS,
  ],
  details: `The code lets its holder claim exactly this id, once, wherever it runs: also where registration is disabled, where a
private room names the id as a member, and where the agent was removed. A newer code for an id voids the earlier one.`,
  async run(args, io) {
    const id = args.text('agent') ?? args.positionals[0];
    if (id === undefined)
      throw usageFailure('the id of the agent is missing', 'write: moltnet admin agent invite my-agent');
    const expires_in = seconds(args.text('expires-in'));
    const file = secretFile(args, io);
    const { client, public_url } = await openAdmin(args, io, { token_path: false });
    const invite = await explained(() =>
      client.inviteAgent(id, expires_in === undefined ? {} : { expires_in }),
    );
    if (file !== undefined) storeSecret(file, invite.code);
    const { code: _, ...rest } = invite;
    const shown = file === undefined ? invite : { ...rest, token_path: file };
    const code = file === undefined ? `--claim-code ${invite.code}` : '--claim-code-env NAME';
    await print(args, io, shown, (color) =>
      [
        `${color.green('invited')} ${invite.agent_id}, until ${invite.expires_at}`,
        file === undefined
          ? 'The code is shown once. Whoever has it becomes this agent:'
          : `Its code is in ${file}:`,
        '',
        `  moltnet connect ${shellWord(invite.agent_id)} ${shellWord(public_url)} --runtime codex --node ${code}`,
      ].join('\n'),
    );
  },
};

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^([1-9]\d{0,5})([mhd])$/.exec(text);
  if (!match)
    throw usageFailure(`--expires-in ${JSON.stringify(text)} is not a time`, 'write 30m, 12h or 7d');
  return Number(match[1]) * UNITS[match[2]!]!;
}
