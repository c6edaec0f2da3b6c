import type { DeliveryItem, DeliveryState } from '../../protocol/receipts.ts';
import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Args, Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { agentNamed } from '../scope.ts';
import { safeLine, type Paint } from '../style.ts';

const STATES: readonly DeliveryState[] = ['failed', 'open', 'held'];

export const command: Command = {
  usage: 'deliveries [list]',
  summary: 'turns that failed for good, that run now, and conversations that are held back',
  positionals: 0,
  flags: [
    { name: 'state', value: 'STATE', what: `only ${STATES.join(', ')}` },
    { name: 'agent', value: 'ID', what: 'only of this agent' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `What failed can be run again: moltnet deliveries retry <wake>, or given up: moltnet deliveries drop <wake>`,
  async run(args, io) {
    const state = stateOf(args);
    const agent = args.text('agent');
    const of = {
      ...(state === undefined ? {} : { state }),
      ...(agent === undefined ? {} : { agent: agentNamed(agent) }),
    };
    const client = await openAdminClient(args, io);
    const deliveries = await explained(() => client.deliveries(of));
    await print(args, io, { deliveries }, (color) =>
      deliveries.length === 0
        ? color.dim('nothing failed, nothing runs, nothing is held back')
        : deliveries.map((item) => line(item, color)).join('\n'),
    );
  },
};

function stateOf(args: Args): DeliveryState | undefined {
  const text = args.text('state');
  const state = STATES.find((one) => one === text);
  if (text !== undefined && state === undefined)
    throw usageFailure(`--state ${JSON.stringify(text)} is not a state`, `write ${STATES.join(', ')}`);
  return state;
}

function line(item: DeliveryItem, color: Paint): string {
  const { agent_id, attempts, classification, conversation, error, reason, state, wake_id } = item;
  const at = item.closed_at ?? item.opened_at;
  const shown = state === 'failed' ? color.red(state) : color.yellow(state);
  const tried = classification === 'permanent' ? 'no retry mends it' : attempts && `${attempts} attempts`;
  const notes = [reason, tried].filter(Boolean).join(', ');
  return [
    `${shown}  @${safeLine(agent_id)} in ${safeLine(conversation)}${notes ? ` (${safeLine(notes)})` : ''}`,
    ...(error === undefined ? [] : [`: ${safeLine(error)}`]),
    color.dim(
      [
        ...(at ? [`  ${localTime(at, new Date())}`] : []),
        ...(wake_id ? [`  ${safeLine(wake_id)}`] : []),
      ].join(''),
    ),
  ].join('');
}
