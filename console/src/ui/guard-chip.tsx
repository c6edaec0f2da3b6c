import { useEffect, useState } from 'react';
import type { GuardMeters } from '../../../src/protocol/events.ts';
import { api } from '../live/api.ts';
import { useApp, useClient } from '../live/client.ts';
import { conversationOf, type ConversationKey } from '../model/conversation.ts';
import { maySeeGuard } from '../model/me.ts';
import { texts } from '../texts.ts';
import styles from './pause.module.css';

/** From this share of a limit on it is worth saying. */
const NEAR = 0.6;
const AGAIN_MS = 4_000;

/** Says how near a conversation is to being held, before it is. */
export function GuardChip({ conversation }: { conversation: ConversationKey }) {
  const client = useClient();
  const observes = useApp((state) => maySeeGuard(state.identity));
  const held = useApp((state) => state.held[conversation] !== undefined);
  const [meters, setMeters] = useState<GuardMeters>();
  useEffect(() => {
    if (!observes) return;
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = () => {
      timer = undefined;
      api.guardOf(conversation).then(
        (state) => current && setMeters(state.meters),
        () => {},
      );
    };
    read();
    const end = client.watch(({ message }) => {
      if (message && conversationOf(message.target) === conversation) timer ??= setTimeout(read, AGAIN_MS);
    });
    return () => {
      current = false;
      clearTimeout(timer);
      end();
    };
  }, [client, conversation, observes]);
  const near = meters && !held && nearest(meters);
  if (!near) return null;
  return (
    <span className={styles.near} title={texts.guardNearHelp}>
      {texts.guardNear(near.name, near.value, near.limit)}
    </span>
  );
}

/** The limit that will be met first, if one is near. */
function nearest(meters: GuardMeters): { name: string; value: number; limit: number } | undefined {
  const all: { name: string; value: number; limit: number | 'off' }[] = [
    { name: texts.guardTurns, value: meters.turns, limit: meters.turns_limit },
    { name: texts.guardHour, value: meters.hour, limit: meters.hour_limit },
    { name: texts.guardPair, value: meters.pair ?? 0, limit: meters.pair_limit },
  ];
  const limited = all.flatMap(({ limit, ...meter }) => (limit === 'off' ? [] : [{ ...meter, limit }]));
  const share = (meter: { value: number; limit: number }) => meter.value / Math.max(1, meter.limit);
  const [first] = limited.toSorted((a, b) => share(b) - share(a));
  return first && share(first) >= NEAR ? first : undefined;
}
