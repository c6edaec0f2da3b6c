/** How much one pairing may bring: messages in a minute, bytes in a day (UTC). Of this process, since its start. */
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';

interface Used {
  minute: number;
  messages: number;
  day: number;
  bytes: number;
}

const MINUTE = 60_000;
const DAY = 86_400_000;

export interface Quota {
  /** Counts a message. Throws `pairing_quota`, with the seconds to wait. */
  take(pairing_id: string, bytes: number): void;
  /** The message was not stored. */
  giveBack(pairing_id: string, bytes: number): void;
}

export function createQuota(
  most = { messages: limits.pairing_messages.value as number, bytes: limits.pairing_bytes.value as number },
  clock: () => number = Date.now,
): Quota {
  const all = new Map<string, Used>();

  function now(id: string, at: number): Used {
    let used = all.get(id);
    if (!used) all.set(id, (used = { minute: 0, messages: 0, day: 0, bytes: 0 }));
    const [minute, day] = [Math.floor(at / MINUTE), Math.floor(at / DAY)];
    if (used.minute !== minute) Object.assign(used, { minute, messages: 0 });
    if (used.day !== day) Object.assign(used, { day, bytes: 0 });
    return used;
  }

  return {
    take(id, bytes) {
      const at = clock();
      const used = now(id, at);
      if (used.messages >= most.messages)
        throw over(`${most.messages} messages in a minute`, MINUTE - (at % MINUTE));
      if (used.bytes + bytes > most.bytes) throw over(`${most.bytes} bytes in a day`, DAY - (at % DAY));
      used.messages++;
      used.bytes += bytes;
    },
    giveBack(id, bytes) {
      const used = all.get(id);
      if (used) used.bytes = Math.max(0, used.bytes - bytes);
    },
  };
}

const over = (what: string, wait: number): MoltnetError =>
  new MoltnetError('pairing_quota', `the pairing has sent ${what}, as much as it may`, {
    retry_after: Math.max(1, Math.ceil(wait / 1_000)),
  });
