import { useCallback, useEffect, useState } from 'react';
import type { Message } from '../../../src/protocol/messages.ts';
import type { MessageRelay } from '../../../src/protocol/pairings.ts';
import type { Receipt } from '../../../src/protocol/receipts.ts';
import { api } from '../live/api.ts';
import { useApp, useClient } from '../live/client.ts';
import { mayContinue } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { texts, wordsOf } from '../texts.ts';
import { Button, Dialog, DialogButtons, DialogError } from './controls.tsx';
import { cx } from './cx.ts';
import { SettleDialog } from './failed-wakes.tsx';
import styles from './receipts.module.css';

/** Under a message: what its agents make of it, as far as this window has heard. */
export function ReceiptLine({ messageId }: { messageId: string }) {
  const receipts = useApp((state) => state.receipts[messageId]);
  if (!receipts) return null;
  return (
    <p className={styles.line}>
      {Object.values(receipts).map((receipt) => (
        <span
          key={receipt.agent_id}
          className={cx(styles.receipt, styles[receipt.state])}
          title={receipt.error}
        >
          <bdi>{plainName(receipt.agent_id)}</bdi> {wordsOfReceipt(receipt)}
        </span>
      ))}
    </p>
  );
}

/** Every agent that the message was for, and what became of it. */
export function DeliveryDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const client = useClient();
  const [state, setState] = useState<Receipt[] | { error: string } | undefined>();
  const [relays, setRelays] = useState<readonly MessageRelay[]>([]);
  const paired = useApp((appState) => appState.pairings.length > 0);
  const operates = useApp(({ identity }) => mayContinue(identity));
  const read = useCallback(() => {
    if (paired) api.relays(message.id).then(setRelays, () => {});
    client.receipts(message.id).then(setState, (error: unknown) => setState({ error: wordsOf(error) }));
  }, [client, message.id, paired]);
  useEffect(read, [read]);
  return (
    <Dialog title={texts.deliveryTitle} onClose={onClose}>
      {state === undefined ? (
        <p>{texts.loading}</p>
      ) : !Array.isArray(state) ? (
        <DialogError>{state.error}</DialogError>
      ) : state.length === 0 ? (
        <p>{texts.deliveryNobody}</p>
      ) : (
        <ul className={styles.list}>
          {state.map((receipt) => (
            <li key={receipt.fqid}>
              <bdi className={styles.name}>{plainName(receipt.agent_id)}</bdi>
              <span className={cx(styles.receipt, styles[receipt.state])}>{wordsOfReceipt(receipt)}</span>
              {receipt.at && (
                <time className={styles.time} dateTime={receipt.at} title={exactTime(millis(receipt.at))}>
                  {shortTime(receipt.at)}
                </time>
              )}
              {receipt.error && <code dir="auto">{receipt.error.slice(0, 600)}</code>}
              {operates && receipt.state === 'failed' && receipt.wake_id !== undefined && (
                <RetryButton wakeId={receipt.wake_id} agent={receipt.agent_id} onDone={read} />
              )}
            </li>
          ))}
        </ul>
      )}
      {relays.length > 0 && (
        <ul className={styles.list} aria-label={texts.pairings}>
          {relays.map((relay) => (
            <li key={relay.pairing_id}>
              <bdi className={styles.name}>{plainName(relay.remote_network_id ?? relay.pairing_id)}</bdi>
              <span className={cx(styles.receipt, relay.state === 'refused' && styles.failed)}>
                {texts.relayStates[relay.state]}
              </span>
              {relay.reason && <code dir="auto">{plainName(relay.reason).slice(0, 400)}</code>}
            </li>
          ))}
        </ul>
      )}
      <DialogButtons>
        <Button onClick={onClose} autoFocus>
          {texts.close}
        </Button>
      </DialogButtons>
    </Dialog>
  );
}

/** Runs the wake that failed once more. */
function RetryButton({ wakeId, agent, onDone }: { wakeId: string; agent: string; onDone: () => void }) {
  const [asking, setAsking] = useState(false);
  return (
    <span className={styles.retry}>
      <Button aria-label={`${texts.retry}: ${plainName(agent)}`} onClick={() => setAsking(true)}>
        {texts.retry}
      </Button>
      {asking && (
        <SettleDialog
          how="retry"
          wakeId={wakeId}
          agent={agent}
          onDone={onDone}
          onClose={() => setAsking(false)}
        />
      )}
    </span>
  );
}

function wordsOfReceipt({ state, reason, attempts }: Pick<Receipt, 'state' | 'reason' | 'attempts'>): string {
  const why = reason === undefined ? undefined : (texts.receiptReasons[reason] ?? plainName(reason));
  const more = [why, attempts !== undefined && attempts > 1 && texts.attempts(attempts)].filter(Boolean);
  return more.length > 0 ? `${texts.receipt[state]} (${more.join(', ')})` : texts.receipt[state];
}
