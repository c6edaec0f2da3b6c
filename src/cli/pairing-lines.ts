/** Pairings as people read them. */
import type { Pairing } from '../protocol/pairings.ts';
import { usageFailure } from './failure.ts';
import { safeLine, type Paint } from './style.ts';

/** The status, and what is behind it when it is not good. */
export function statusWord({ status, diagnostics }: Pairing, color: Paint): string {
  const paint =
    status === 'connected'
      ? color.green
      : status === 'error' || status === 'incompatible'
        ? color.red
        : color.yellow;
  const why = diagnostics?.message ?? diagnostics?.reason;
  return `${paint(status)}${why === undefined || status === 'connected' ? '' : `: ${safeLine(why)}`}`;
}

export function pairingLine(pairing: Pairing, color: Paint): string {
  const { id, remote_network_id, remote_base_url, link, rooms = [], relay } = pairing;
  const where = link === undefined ? (remote_base_url ?? '') : `link ${link}`;
  const facts = [
    remote_network_id === undefined || remote_network_id === id ? '' : remote_network_id,
    where,
    rooms.length === 0 ? 'no room shared' : rooms.map((room) => `room:${room}`).join(' '),
    relay && relay.waiting > 0 ? color.yellow(`${relay.waiting} waiting`) : '',
    relay && relay.refused > 0 ? color.yellow(`${relay.refused} refused`) : '',
  ];
  return `${id}  ${statusWord(pairing, color)}  ${color.dim(facts.filter((one) => one !== '').join('  '))}`;
}

/** A number of messages; undefined when it is not given. Throws a usage Failure. */
export function countOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw usageFailure(`--${flag} ${JSON.stringify(text)} is not a number of messages`, 'write 1 to 1000');
  return Number(text);
}
