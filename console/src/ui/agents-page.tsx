import { useMemo, useState } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import { useApp } from '../live/client.ts';
import { agentActorKey, agentKey, agentName, plainName } from '../model/names.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import styles from './agents-page.module.css';
import { AddAgentDialog } from './agent-dialogs.tsx';
import { AttachHelp } from './attach-help.tsx';
import { Avatar, Button } from './controls.tsx';
import { cx } from './cx.ts';
import { FailedWakes } from './failed-wakes.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { PageHeader } from './page.tsx';
import { PauseButton, PausedNote } from './pause.tsx';
import { paths } from './router.ts';

/** Who is attached, since when, and what went wrong; and how to attach one more. */
export function AgentsPage() {
  const agents = useApp((state) => state.agents);
  const boot = useApp((state) => state.boot);
  const sorted = useMemo(
    () => agents.toSorted((a, b) => Number(b.connected) - Number(a.connected)),
    [agents],
  );
  const [adding, setAdding] = useState(false);
  const connected = agents.filter((agent) => agent.connected).length;
  const none = boot === 'ready' && agents.length === 0;
  return (
    <>
      <PageHeader
        title={texts.agents}
        mark={<Icon name="agents" />}
        about={agents.length > 0 && texts.connectedCount(connected, agents.length)}
      >
        {boot === 'ready' && (
          <Button narrow aria-label={texts.addAgentShort} onClick={() => setAdding(true)}>
            <Icon name="plus" size={14} />
            <span>{texts.addAgentShort}</span>
          </Button>
        )}
        {agents.length > 0 && <PauseButton scope="*" name={texts.everything} label={texts.pauseAll} />}
      </PageHeader>
      <div className={styles.scroller} tabIndex={-1}>
        <div className={styles.column}>
          {none && (
            <div className={styles.none}>
              <h2>{texts.noAgentsTitle}</h2>
              <AttachHelp />
            </div>
          )}
          {sorted.length > 0 && (
            <ul className={styles.list}>
              {sorted.map((agent) => (
                <AgentItem key={agentKey(agent)} agent={agent} />
              ))}
            </ul>
          )}
          <FailedWakes />
        </div>
      </div>
      {adding && <AddAgentDialog onClose={() => setAdding(false)} />}
    </>
  );
}

function AgentItem({ agent }: { agent: AgentSummary }) {
  const offlineSince = useApp((state) => state.offlineSince[agentKey(agent)]);
  const rooms = useApp((state) => state.rooms);
  const name = agentName(agent);
  const since = agent.connected ? agent.connected_since : offlineSince;
  const working = agent.working?.[0];
  const presence = agent.connected
    ? agent.state === 'cannot_wake'
      ? texts.cannotWake
      : working
        ? texts.workingSince(shortTime(working.since))
        : since
          ? texts.connectedSince(shortTime(since))
          : texts.connected
    : since
      ? texts.offlineSince(shortTime(since))
      : texts.offline;
  const failure = agent.last_wake_failure;
  return (
    <li className={styles.agent}>
      <span className={cx(!agent.connected && styles.faded)}>
        <Avatar name={name} id={agentActorKey(agent)} type="agent" />
      </span>
      <div className={styles.what}>
        <p className={styles.head}>
          <Link href={paths.agent(agent.id)} className={styles.name}>
            {/* The id stands beside it. */}
            <bdi>{plainName(agent.name ?? '') || agent.id}</bdi>
          </Link>
          <bdi className={styles.id}>@{plainName(agent.id)}</bdi>
        </p>
        <p className={styles.rooms}>
          {agent.rooms && agent.rooms.length > 0 ? (
            <>
              {texts.inRooms}{' '}
              {agent.rooms.map((id, index) => (
                <span key={id}>
                  {index > 0 && ', '}
                  <Link href={paths.room(id)}>
                    #{plainName(rooms.find((room) => room.id === id)?.name ?? '') || id}
                  </Link>
                </span>
              ))}
            </>
          ) : (
            texts.noRooms
          )}
        </p>
      </div>
      <p
        className={cx(
          styles.presence,
          agent.connected && styles.connected,
          agent.state === 'working' && styles.working,
          agent.cannot_wake !== undefined && styles.stuck,
        )}
        title={since ? exactTime(millis(since)) : undefined}
      >
        {presence}
        <PausedNote scope={`agent:${agent.id}`} />
      </p>
      <div className={styles.pause}>
        <PauseButton scope={`agent:${agent.id}`} name={name} compact />
      </div>
      {agent.cannot_wake && (
        <div className={styles.failure}>
          <Icon name="warning" size={14} />
          <p>
            <strong>{texts.cannotWake}</strong>: <bdi>{plainName(agent.cannot_wake).slice(0, 600)}</bdi>
          </p>
        </div>
      )}
      {failure && (
        <div className={styles.failure}>
          <Icon name="warning" size={14} />
          <p>
            <strong title={exactTime(millis(failure.at))}>{texts.wakeFailed(shortTime(failure.at))}</strong>
            {failure.classification &&
              `: ${texts.wakeFailures[failure.classification] ?? plainName(failure.classification)}`}
            .{failure.error && <code dir="auto">{failure.error.slice(0, 600)}</code>}
          </p>
        </div>
      )}
    </li>
  );
}
