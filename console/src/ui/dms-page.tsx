import { useMemo, useState } from 'react';
import { useApp } from '../live/client.ts';
import { byActivity, dmName } from '../model/dms.ts';
import { agentKey, agentName, agentActorKey, plainName } from '../model/names.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { Avatar, Field } from './controls.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { Empty, PageHeader } from './page.tsx';
import styles from './panel.module.css';
import { paths } from './router.ts';

const SHOWN = 200;

/** The direct conversations that the viewer may see, and whom to begin one with. */
export function DmsPage() {
  const dms = useApp((state) => state.dms);
  const me = useApp((state) => state.me.id);
  const agents = useApp((state) => state.agents);
  const enabled = useApp((state) => state.network?.capabilities.direct_messages !== false);
  const canWrite = useApp((state) => state.network?.console?.can_send_human === true);
  const [wanted, setWanted] = useState('');
  const sorted = useMemo(() => byActivity(Object.values(dms)), [dms]);
  const people = agents.filter((agent) =>
    `${agent.id} ${agentName(agent)}`.toLowerCase().includes(wanted.trim().toLowerCase()),
  );
  return (
    <>
      <PageHeader
        title={texts.dms}
        mark={<Icon name="dm" />}
        about={sorted.length > 0 && texts.conversationsCount(sorted.length)}
      />
      {!enabled ? (
        <Empty title={texts.dmsOffTitle} text={texts.dmsOffText} />
      ) : sorted.length === 0 && agents.length === 0 ? (
        <Empty title={texts.noDmsTitle} text={texts.noDms}>
          <Link href={paths.agents}>{texts.addAgent}</Link>
        </Empty>
      ) : (
        <div className={styles.scroller} tabIndex={-1}>
          <div className={styles.column}>
            {sorted.length === 0 && <p className={styles.lead}>{texts.noDms}</p>}
            <ul className={styles.list}>
              {sorted.slice(0, SHOWN).map((dm) => (
                <li key={dm.id}>
                  <Link href={paths.dm(dm.id)} className={styles.line}>
                    <bdi className={styles.name}>{dmName(dm, me, agents)}</bdi>
                    <span className={styles.about}>{texts.messagesCount(dm.message_count)}</span>
                    {millis(dm.last_message_at) > 0 && (
                      <time
                        className={styles.end}
                        dateTime={dm.last_message_at}
                        title={exactTime(dm.last_message_at)}
                      >
                        {shortTime(dm.last_message_at)}
                      </time>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
            {canWrite && agents.length > 0 && (
              <section className={styles.section} aria-labelledby="dm-new">
                <h2 id="dm-new">{texts.newDm}</h2>
                {agents.length > 8 && (
                  <Field
                    value={wanted}
                    onChange={(event) => setWanted(event.target.value)}
                    placeholder={texts.findAgent}
                    aria-label={texts.findAgent}
                  />
                )}
                <ul className={styles.list}>
                  {people.slice(0, SHOWN).map((agent) => (
                    <li key={agentKey(agent)}>
                      <Link href={paths.dmWith(agent.id)} className={styles.line}>
                        <Avatar name={agentName(agent)} id={agentActorKey(agent)} type="agent" small />
                        <bdi className={styles.name}>{agentName(agent)}</bdi>
                        <bdi className={styles.about}>@{plainName(agent.id)}</bdi>
                        <span className={styles.end}>
                          {agent.connected ? texts.connected : texts.offline}
                        </span>
                      </Link>
                    </li>
                  ))}
                </ul>
              </section>
            )}
          </div>
        </div>
      )}
    </>
  );
}
