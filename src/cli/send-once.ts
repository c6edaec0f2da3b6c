/** Which id a message goes out under: one given, one of the wake that this command runs in, or a new one. */
import { takeSend, WAKE_ENV, wakeOfTurn } from '../config/wake-folder.ts';
import { RefusedError, type SendRequest } from '../client/http.ts';
import { newMessageId } from '../protocol/ids.ts';
import type { MessageAccepted } from '../protocol/messages.ts';
import type { Io } from './command.ts';
import { Failure } from './failure.ts';
import { sendWithRetries } from './retry.ts';
import type { Speaker } from './speaker.ts';

/**
 * Sends a message so that a turn which is run again says nothing twice: the same words are answered like the first
 * time, other words in their place are refused unless `again` is given. Throws a Failure.
 */
export async function sendOnce(
  speaker: Speaker,
  message: Omit<SendRequest, 'id'>,
  { id, again }: { id: string | undefined; again: boolean },
  io: Pick<Io, 'env' | 'interactive' | 'err'>,
): Promise<MessageAccepted> {
  for (;;) {
    const derived = id === undefined ? idOfWake(speaker, message, again, io.env) : undefined;
    try {
      return await sendWithRetries(speaker, { id: id ?? derived ?? newMessageId(), ...message }, io);
    } catch (error) {
      if (derived === undefined || !isOtherContent(error)) throw error;
      // What was said under this number is not known here, perhaps another machine ran it: the next one.
      if (again) continue;
      throw new Failure(
        'an earlier attempt of this wake has said something else here already; this was not sent',
        { hint: 'see what it said: moltnet read; if this has to be said too, send it with --again' },
      );
    }
  }
}

function idOfWake(
  speaker: Speaker,
  message: Omit<SendRequest, 'id'>,
  again: boolean,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const folder = env[WAKE_ENV] || undefined;
  const wake = folder === undefined || speaker.from.type !== 'agent' ? undefined : wakeOfTurn(folder);
  if (folder === undefined || wake === undefined) return undefined;
  const { kind, room_id, thread_id, dm_id } = message.target;
  const target = `${kind}:${thread_id ?? dm_id ?? room_id ?? ''}`;
  const { target: to, from: _, ...content } = message;
  return takeSend(folder, wake, target, JSON.stringify([to.parent_message_id, content]), again);
}

const isOtherContent = (error: unknown): boolean =>
  error instanceof Failure &&
  error.cause instanceof RefusedError &&
  (error.cause.wire_code || error.cause.code) === 'message_id_conflict';
