import { useMemo, useState, type ReactNode } from 'react';
import { useApp } from '../live/client.ts';
import { mayNotify, notifies, setNotifies } from '../live/notify.ts';
import { conversationOf } from '../model/conversation.ts';
import { useConversationName } from './conversation-name.ts';
import { needsCount, stuckAgents, troubledPairings } from '../model/needs.ts';
import { actorName, agentKey, agentName, plainName } from '../model/names.ts';
import { exactTime, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { Button } from './controls.tsx';
import { FailedWake } from './failed-wakes.tsx';
import { ContinueButton, heldWords } from './held.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { Empty, PageHeader } from './page.tsx';
import styles from './panel.module.css';
import { paths } from './router.ts';

/** Everything that waits for a person, in one place: the most pressing first. */
export function NeedsPage() {
  const count = useApp(needsCount);
  const mentions = useApp((state) => state.mentions);
  const heldRecord = useApp((state) => state.held);
  const held = useMemo(() => Object.values(heldRecord), [heldRecord]);
  const failed = useApp((state) => state.failed);
  const agents = useApp((state) => state.agents);
  const stuck = useMemo(() => stuckAgents(agents), [agents]);
  const pairings = useApp((state) => state.pairings);
  const troubled = useMemo(() => troubledPairings(pairings), [pairings]);
  const nameOf = useConversationName();
  return (
    <>
      <PageHeader
        title={texts.needs}
        mark={<Icon name="bell" />}
        about={count > 0 && texts.needsCount(count)}
      >
        <NotifyButton />
      </PageHeader>
      {count === 0 ? (
        <Empty title={texts.needsNothing} text={texts.needsNothingText} />
      ) : (
        <div className={styles.scroller} tabIndex={-1}>
          <div className={styles.column}>
            <Section title={texts.needsHeld} items={held.length}>
              {held.map((guard) => (
                <li key={guard.conversation} className={styles.line}>
                  <Icon name="pause" size={15} />
                  <div className={styles.wide}>
                    <p>
                      <Link href={paths.conversation(guard.conversation)}>
                        <bdi>{nameOf(guard.conversation, guard.room_id)}</bdi>
                      </Link>
                    </p>
                    <p className={styles.small}>{heldWords(guard)}</p>
                  </div>
                  <span className={styles.actions}>
                    <ContinueButton
                      conversation={guard.conversation}
                      name={nameOf(guard.conversation, guard.room_id)}
                      compact
                    />
                  </span>
                </li>
              ))}
            </Section>
            <Section title={texts.needsMentions} items={mentions.length}>
              {mentions.toReversed().map((message) => (
                <li key={message.id}>
                  <Link
                    href={paths.conversation(conversationOf(message.target), message.id)}
                    className={styles.line}
                  >
                    <div className={styles.wide}>
                      <p>
                        <bdi className={styles.name}>{actorName(message.from)}</bdi>{' '}
                        <span className={styles.small}>
                          {texts.inPlace} {nameOf(conversationOf(message.target), message.target.room_id)}
                        </span>
                      </p>
                      <p className={styles.text} dir="auto">
                        {message.parts
                          .map((part) => part.text ?? '')
                          .join(' ')
                          .slice(0, 600)}
                      </p>
                    </div>
                    <time
                      className={styles.end}
                      dateTime={message.created_at}
                      title={exactTime(message.created_at)}
                    >
                      {shortTime(message.created_at)}
                    </time>
                  </Link>
                </li>
              ))}
            </Section>
            <Section title={texts.failedTitle} text={texts.failedText} items={failed.length} plain>
              {failed.map((item) => (
                <FailedWake key={item.wake_id ?? `${item.agent_id} ${item.conversation}`} item={item} />
              ))}
            </Section>
            <Section title={texts.needsStuck} text={texts.needsStuckText} items={stuck.length}>
              {stuck.map((agent) => (
                <li key={agentKey(agent)}>
                  <Link href={paths.agent(agent.id)} className={styles.line}>
                    <Icon name="warning" size={15} />
                    <div className={styles.wide}>
                      <bdi className={styles.name}>{agentName(agent)}</bdi>
                      {agent.cannot_wake && (
                        <p className={styles.small} dir="auto">
                          {plainName(agent.cannot_wake).slice(0, 400)}
                        </p>
                      )}
                    </div>
                  </Link>
                </li>
              ))}
            </Section>
            <Section title={texts.needsPairings} items={troubled.length}>
              {troubled.map((pairing) => (
                <li key={pairing.id}>
                  <Link href={paths.network} className={styles.line}>
                    <Icon name="network" size={15} />
                    <bdi className={styles.name}>
                      {plainName(pairing.remote_network_name ?? '') || plainName(pairing.id)}
                    </bdi>
                    <span className={styles.end}>
                      {texts.pairingStatus[pairing.status ?? ''] ?? plainName(pairing.status ?? '')}
                    </span>
                  </Link>
                </li>
              ))}
            </Section>
          </div>
        </div>
      )}
    </>
  );
}

function Section({
  title,
  text,
  items,
  plain,
  children,
}: {
  title: string;
  text?: string;
  items: number;
  /** The items have frames of their own. */
  plain?: boolean;
  children: ReactNode;
}) {
  if (items === 0) return null;
  return (
    <section className={styles.section} aria-label={title}>
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      <ul className={plain ? styles.plain : styles.list}>{children}</ul>
    </section>
  );
}

/** Notifications of the browser's, for those who want them, where it has them. */
function NotifyButton() {
  const [on, setOn] = useState(notifies);
  if (!mayNotify()) return null;
  return (
    <Button
      narrow
      aria-pressed={on}
      aria-label={on ? texts.notifyOn : texts.notifyOff}
      onClick={() => void setNotifies(!on).then(setOn)}
      title={texts.notifyHelp}
    >
      <Icon name="bell" size={14} />
      <span>{on ? texts.notifyOn : texts.notifyOff}</span>
    </Button>
  );
}
