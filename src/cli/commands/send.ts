import { ConnectionError, type Client } from '../../client/http.ts';
import { explain, networkIdOf, openClient, statusOf } from '../api.ts';
import type { Args, Command, Io } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { receiptLines } from '../receipt-lines.ts';
import { sendOnce } from '../send-once.ts';
import { AS_FLAG, findSpeaker, SELECTION_FLAGS, type Speaker } from '../speaker.ts';
import type { NamedTarget } from '../../client/targets.ts';
import { dmWith, parseTarget } from '../target.ts';
import { WAIT_FLAGS, waitOf, waitFor } from '../wait.ts';

type Target = {
  kind: string;
  room_id?: string;
  thread_id?: string;
  parent_message_id?: string;
  dm_id?: string;
  participant_ids?: string[];
};

export const command: Command = {
  usage: 'send <target> <text>',
  summary: 'say something in a room, a thread or a DM',
  positionals: 2,
  flags: [
    { name: 'target', value: 'TARGET', what: 'room:ID, thread:ID, dm:ID, or dm:@agent which opens the DM' },
    { name: 'text', value: 'TEXT', what: 'what to say; - reads it from stdin' },
    { name: 'room', value: 'ID', what: 'the room of a new thread' },
    { name: 'parent', value: 'MESSAGE_ID', what: 'the message that a new thread is about' },
    {
      name: 'id',
      value: 'MESSAGE_ID',
      what: 'id of the message: sent again with the same id it is stored once',
    },
    {
      name: 'intent',
      value: 'INTENT',
      what: 'request (something is to be done), inform, or ack, which wakes nobody',
    },
    ...WAIT_FLAGS,
    { name: 'again', what: 'also when an earlier attempt of the same wake has said something else there' },
    AS_FLAG,
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `moltnet send room:general "The build is green."
moltnet send thread:deploy-42 "Rolled back." --room general
moltnet send dm:@bob - < report.txt

moltnet send dm:@bob "Is the build green?" --wait

@agent in the text wakes that agent. Exit code 0 means that the message is stored. A connection that breaks, or a
server that is busy, is tried again with the same id for up to ten seconds. In a turn that is run again, what an
earlier attempt has said is not said twice.`,
  async run(args, io) {
    const { target, text } = await whatToSay(args, io);
    const intent = intentOf(args);
    const wait = waitOf(args, io.env);
    const speaker = await findSpeaker(args, io, { speaks: true });
    const resolved = await resolve(target, speaker, args, openClient(speaker));
    mayWrite(speaker, resolved);
    const accepted = await sendOnce(
      speaker,
      {
        target: resolved,
        from: speaker.from,
        parts: [{ kind: 'text', text }],
        ...(intent === undefined ? {} : { intent }),
      },
      { id: args.text('id'), again: args.on('again') === true },
      io,
    );
    const opened = accepted.dm_created
      ? ' (opened the DM)'
      : accepted.thread_created
        ? ' (opened the thread)'
        : '';
    const waited = wait && (await waitFor(speaker, accepted.message_id, wait));
    await print(args, io, waited ? { ...accepted, ...waited } : accepted, (color) =>
      [
        `${color.green('sent')} as ${speaker.from.id}  ${color.dim(`${accepted.message_id}${opened}`)}`,
        ...(waited ? [receiptLines(waited.receipts, color)] : []),
      ].join('\n'),
    );
    return waited && !waited.reached ? 1 : 0;
  },
};

/** Target and text from flags or positionals, in either mix. */
async function whatToSay(args: Args, io: Io): Promise<{ target: NamedTarget; text: string }> {
  const rest = [...args.positionals];
  const target = parseTarget(args.text('target') ?? rest.shift());
  const given = args.given('text') ? args.text('text') : rest.shift();
  if (rest.length > 0)
    throw usageFailure(`too much on the command line: ${JSON.stringify(rest[0])}`, 'put the text in quotes');
  if (given === undefined)
    throw usageFailure(
      'the text is missing',
      'write: moltnet send room:general "hello", or - to read it from stdin',
    );
  const text = (given === '-' ? await io.stdin() : given).trim();
  if (text === '') throw usageFailure('the text is empty', 'nothing was sent');
  return { target, text };
}

const INTENTS = ['request', 'inform', 'ack'];

function intentOf(args: Args): string | undefined {
  const intent = args.text('intent');
  if (intent !== undefined && !INTENTS.includes(intent))
    throw usageFailure(`--intent ${JSON.stringify(intent)} is not an intent`, `write ${INTENTS.join(', ')}`);
  return intent;
}

/** A binding that says `can_write: false` keeps this agent from writing there; reading is another matter. */
function mayWrite({ attachment }: Speaker, target: Target): void {
  if (!attachment) return;
  if (
    target.room_id !== undefined &&
    attachment.rooms.some(({ id, can_write }) => id === target.room_id && can_write === false)
  ) {
    throw new Failure(
      `this agent may read room ${target.room_id} but not write there (can_write is false in its configuration)`,
      { hint: 'answer elsewhere, or say nothing' },
    );
  }
  if (target.kind === 'dm' && attachment.dms?.enabled === false) {
    throw new Failure('DMs are switched off for this agent (dms.enabled is false in its configuration)', {
      hint: 'answer in a room',
    });
  }
}

/**
 * The target as it goes out. A thread's room and a DM's participants are asked for when they are not given: servers
 * of the original want them, and so a mistyped id is told before anything is said. A caller that may not look
 * (an agent's token) leaves them to the server.
 */
async function resolve(target: NamedTarget, speaker: Speaker, args: Args, client: Client): Promise<Target> {
  const [room, parent] = [args.text('room'), args.text('parent')];
  if (target.kind !== 'thread' && (room !== undefined || parent !== undefined))
    throw usageFailure('--room and --parent belong to a thread:ID target');
  switch (target.kind) {
    case 'room':
      return { kind: 'room', room_id: target.id };
    case 'thread': {
      const known =
        room ??
        (
          await look(
            client.thread(target.id),
            () =>
              new Failure(`there is no thread ${target.id}`, {
                hint: `to begin it, say in which room: --room ID`,
              }),
          )
        )?.room_id;
      return {
        kind: 'thread',
        thread_id: target.id,
        ...(known === undefined ? {} : { room_id: known }),
        ...(parent === undefined ? {} : { parent_message_id: parent }),
      };
    }
    case 'dm': {
      const dm = await look(
        client.dm(target.id),
        () =>
          new Failure(`there is no DM ${target.id}`, {
            hint: 'to open one with an agent: moltnet send dm:@agent "…"',
          }),
      );
      return {
        kind: 'dm',
        dm_id: target.id,
        ...(dm?.participant_ids ? { participant_ids: dm.participant_ids } : {}),
      };
    }
    case 'peer': {
      const networkId = await networkIdOf(speaker, client);
      const dm = dmWith(speaker.from.id, target.agent, networkId);
      return { kind: 'dm', dm_id: dm.id, participant_ids: dm.participants };
    }
  }
}

/** Undefined when the caller may not look, or the server cannot be asked now: sending itself will tell. */
async function look<T>(answer: Promise<T>, missing: () => Failure): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) throw missing();
    if (error instanceof ConnectionError || status === 401 || status === 403 || (status ?? 0) >= 500)
      return undefined;
    throw explain(error);
  }
}
