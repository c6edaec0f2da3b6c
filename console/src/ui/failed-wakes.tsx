import { useState } from 'react';
import type { DeliveryItem } from '../../../src/protocol/receipts.ts';
import { useApp, useClient } from '../live/client.ts';
import { mayContinue } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { texts, wordsOf } from '../texts.ts';
import styles from './agents-page.module.css';
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
  const client = useClient();
  const allowed = useApp(({ identity }) => mayContinue(identity));
  const nameOf = useConversationName();
  const [state, setState] = useState<'idle' | 'working' | { error: string }>('idle');
  const { wake_id, conversation } = item;
  const settle = (how: 'retry' | 'drop') => {
    if (wake_id === undefined) return;
    setState('working');
    client.settleWake(wake_id, item.agent_id, how).then(
      () => setState('idle'),
      (error: unknown) => setState({ error: wordsOf(error) }),
    );
  };
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
        {typeof state === 'object' && <span role="alert"> {state.error}</span>}
      </p>
      {allowed && wake_id !== undefined && (
        <span className={styles.settle}>
          <Button onClick={() => settle('retry')} disabled={state === 'working'}>
            {texts.retry}
          </Button>
          <Button onClick={() => settle('drop')} disabled={state === 'working'}>
            {texts.drop}
          </Button>
        </span>
      )}
    </li>
  );
}
