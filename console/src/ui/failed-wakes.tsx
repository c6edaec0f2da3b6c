import { useState } from 'react';
import type { DeliveryItem } from '../../../src/protocol/receipts.ts';
import { useApp, useClient } from '../live/client.ts';
import { mayContinue } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import styles from './agents-page.module.css';
import { ConfirmDialog } from './confirm.tsx';
import { Button } from './controls.tsx';
import { useConversationName } from './conversation-name.ts';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { paths } from './router.ts';

/** Dead letters: what was tried, and can be tried again. */
export function FailedWakes({ agentId }: { agentId?: string }) {
  const all = useApp((state) => state.failed);
  const failed = agentId === undefined ? all : all.filter((item) => item.agent_id === agentId);
  if (failed.length === 0) return null;
  return (
    <section className={styles.letters} aria-labelledby="failed-wakes">
      <h2 id="failed-wakes">{texts.failedTitle}</h2>
      <p>{texts.failedText}</p>
      <ul>
        {failed.map((item) => (
          <FailedWake key={item.wake_id ?? `${item.agent_id} ${item.conversation}`} item={item} />
        ))}
      </ul>
    </section>
  );
}

export function FailedWake({ item }: { item: DeliveryItem }) {
  const allowed = useApp(({ identity }) => mayContinue(identity));
  const nameOf = useConversationName();
  const [asking, setAsking] = useState<'retry' | 'drop'>();
  const { wake_id, conversation } = item;
  return (
    <li className={styles.failure}>
      <Icon name="warning" size={14} />
      <p>
        <strong>
          <bdi>{plainName(item.agent_id)}</bdi>
        </strong>{' '}
        {texts.failedIn}{' '}
        <Link href={paths.conversation(conversation, item.message_id)}>
          <bdi>{nameOf(conversation)}</bdi>
        </Link>
        {item.attempts !== undefined && `, ${texts.attempts(item.attempts)}`}
        {item.classification &&
          `: ${texts.wakeFailures[item.classification] ?? plainName(item.classification)}`}
        .{item.error && <code dir="auto">{item.error.slice(0, 600)}</code>}
      </p>
      {allowed && wake_id !== undefined && (
        <span className={styles.settle}>
          <Button onClick={() => setAsking('retry')}>{texts.retry}</Button>
          <Button onClick={() => setAsking('drop')}>{texts.drop}</Button>
        </span>
      )}
      {asking && wake_id !== undefined && (
        <SettleDialog
          how={asking}
          wakeId={wake_id}
          agent={item.agent_id}
          onClose={() => setAsking(undefined)}
        />
      )}
    </li>
  );
}

/** Tries a wake that failed once more, or gives it up. */
export function SettleDialog({
  how,
  wakeId,
  agent,
  onDone,
  onClose,
}: {
  how: 'retry' | 'drop';
  wakeId: string;
  agent: string;
  onDone?: () => void;
  onClose: () => void;
}) {
  const client = useClient();
  const name = plainName(agent);
  return (
    <ConfirmDialog
      title={how === 'retry' ? texts.retryTitle(name) : texts.dropTitle(name)}
      action={how === 'retry' ? texts.retry : texts.drop}
      kind={how === 'retry' ? 'primary' : 'danger'}
      run={() => client.settleWake(wakeId, agent, how)}
      onClose={onClose}
      {...(onDone && { onDone })}
    >
      {how === 'retry' ? texts.retryText(name) : texts.dropText(name)}
    </ConfirmDialog>
  );
}
