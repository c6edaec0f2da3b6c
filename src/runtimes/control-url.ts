/**
 * An address that takes one message a POST and answers when its turn is over (wire.md 12.11): `pi`, and PicoClaw and
 * TinyClaw where they are behind one.
 */
import type { RuntimeField } from '../config/runtime-block.ts';
import type { AttachmentConfig } from '../config/types.ts';
import { httpCall, lostFailure, requireSuccess } from './http-call.ts';
import { parseObject, textOf } from './json.ts';
import {
  defineRuntime,
  endedWell,
  TURN_BY_TURN,
  type ProbeResult,
  type Runtime,
  type RuntimeContext,
  type TurnOutcome,
} from './runtime.ts';
import { TurnFailure, turnLine, type LineTurn } from './turn-line.ts';

export const CONTROL_URL = {
  type: 'url',
  schemes: ['http', 'https'],
  about: 'an address that takes one message a POST',
} as const satisfies RuntimeField;

/** The Runtime behind such an address. It is not known to dedupe, and what it answers is its final text. */
export function controlRuntime(context: RuntimeContext, kind: string, url: string): Runtime {
  const { attachment } = context;
  return {
    kind,
    capabilities: {
      ...TURN_BY_TURN,
      dedupes: false,
      reports_usage: false,
      // It can only be left: what it does is not known.
      cancels: false,
    },
    ...turnLine({ context, run: (turn) => run(attachment, url, turn) }),
    // It has no way to be asked that costs no turn.
    probe: (): Promise<ProbeResult> => Promise.resolve({ ready: true }),
  };
}

async function run(attachment: AttachmentConfig, url: string, turn: LineTurn): Promise<TurnOutcome> {
  const { token } = attachment.runtime;
  const { wake, events, signal } = turn;
  const body = {
    context_id: `moltnet:${attachment.network_id}:${wake.conversation}`,
    from: 'Moltnet',
    message: wake.text,
    to: attachment.agent.id,
  };
  try {
    const answer = await httpCall(url, {
      method: 'POST',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
      signal,
    });
    requireSuccess(url, answer, 'runtime.control_url', 'runtime.token');
    // It has answered: that is all that it says of having had the message.
    events.accepted();
    events.delivered();
    const said = parseObject(answer.body);
    if (said === undefined && answer.body.trim() !== '')
      throw new TurnFailure(`${url} answered with something else than a JSON object`, { cause: 'crashed' });
    return endedWell(textOf(said?.['message']));
  } catch (error) {
    throw lostFailure(error, 'runtime.control_url');
  }
}

export const pi = defineRuntime({
  kind: 'pi',
  about: 'pi, behind a control URL',
  fields: { control_url: { ...CONTROL_URL, required: 'write the URL that pi is controlled by' } },
  create: (context) => controlRuntime(context, 'pi', context.attachment.runtime.control_url ?? ''),
});
