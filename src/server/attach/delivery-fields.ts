/** The fields of the delivery protocol's frames, checked as they are read. All throw bad_frame. */
import { CANNOT_WAKE_CAUSES, WAKE_FAILURES, type WakeFailure } from '../../protocol/agents.ts';
import type { WakeFrame } from '../../log/delivery-types.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { parseConversation } from '../../protocol/conversation.ts';
import { isId } from '../../protocol/ids.ts';
import { WakeUsage } from '../../protocol/receipts.ts';
import { storableText } from '../../protocol/text.ts';
import type { CannotWake } from './delivery-attachment.ts';
import type { ClientFrame } from './frames.ts';

export function textField(frame: ClientFrame, field: string): string {
  const value = frame[field];
  if (typeof value !== 'string' || value === '')
    throw new MoltnetError('bad_frame', `${frame.op}.${field}: must be a string`);
  return value;
}
export function optionalText(frame: ClientFrame, field: string): string | undefined {
  const value = frame[field];
  return value === undefined || value === null || value === '' ? undefined : textField(frame, field);
}
export function optionalCount(frame: ClientFrame, field: string): number | undefined {
  const value = frame[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 1_000_000) {
    throw new MoltnetError('bad_frame', `${frame.op}.${field}: must be a whole number`);
  }
  return value;
}
export function outcome(value: unknown): 'ok' | 'failed' | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'ok' || value === 'failed') return value;
  throw new MoltnetError('bad_frame', 'ACK.outcome: must be "ok" or "failed"');
}
export function classification(value: unknown): WakeFailure | undefined {
  if (value === undefined || value === null) return undefined;
  const known = WAKE_FAILURES.find((failure) => failure === value);
  if (known) return known;
  throw new MoltnetError('bad_frame', `ACK.classification: must be one of ${WAKE_FAILURES.join(', ')}`);
}
export function usage(value: unknown): WakeUsage | undefined {
  if (value === undefined || value === null) return undefined;
  const parsed = WakeUsage.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new MoltnetError(
    'bad_frame',
    'ACK.usage: must be {input_tokens, output_tokens, cost_usd}, none negative',
  );
}
/** Of STATUS. A cause that is not known here is passed over, and so is a time that is none. */
export function cannotWake(frame: ClientFrame): CannotWake {
  const why = optionalText(frame, 'cannot_wake');
  if (why === undefined) return {};
  const cause = CANNOT_WAKE_CAUSES.find((known) => known === frame['cannot_wake_cause']);
  const until = Date.parse(optionalText(frame, 'cannot_wake_until') ?? '');
  return {
    cannot_wake: oneLine(why),
    ...(cause && { cannot_wake_cause: cause }),
    ...(Math.abs(until) < 8e15 && { cannot_wake_until: new Date(until).toISOString() }),
  };
}
/** As it may be shown in a list. */
const oneLine = (text: string): string => storableText(text.replaceAll(/\p{Cc}+/gu, ' ').trim(), 500);
export function wakeId(frame: ClientFrame): string {
  const value = textField(frame, 'wake_id');
  if (!isId(value))
    throw new MoltnetError('bad_frame', `WAKE.wake_id: not an id: ${JSON.stringify(value.slice(0, 160))}`);
  return value;
}
export function conversation(frame: ClientFrame): WakeFrame['conversation'] {
  const { kind, id } = parseConversation(textField(frame, 'conversation'));
  return `${kind}:${id}`;
}
export function rooms(frame: ClientFrame): string[] {
  const value = frame['rooms'];
  if (
    !Array.isArray(value) ||
    value.length > 4_096 ||
    !value.every((room): room is string => typeof room === 'string')
  ) {
    throw new MoltnetError('bad_frame', 'BOOTSTRAP.rooms: must be a list of at most 4096 room ids');
  }
  return value;
}
