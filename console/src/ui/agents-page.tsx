import { useMemo, useState } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { DeliveryItem } from '../../../src/protocol/receipts.ts';
import { useApp, useClient } from '../live/client.ts';
import { splitKey, type ConversationKey } from '../model/conversation.ts';
import { mayContinue } from '../model/me.ts';
import { agentActorKey, agentKey, agentName, plainName } from '../model/names.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { texts, wordsOf } from '../texts.ts';
import styles from './agents-page.module.css';
import { Avatar, Button, CopyLine } from './controls.tsx';
import { cx } from './cx.ts';
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
  const connected = agents.filter((agent) => agent.connected).length;
  const none = boot === 'ready' && agents.length === 0;
  return (
    <>
      <PageHeader
        title={texts.agents}
        mark={<Icon name="agents" />}
        about={agents.length > 0 && texts.connectedCount(connected, agents.length)}
      >
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
          {sorted.length > 0 && (
            <details className={styles.help}>
              <summary>
                <Icon name="plus" size={14} /> {texts.addAgent}
              </summary>
              <AttachHelp />
            </details>
          )}
        </div>
      </div>
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
          <bdi className={styles.name}>{name}</bdi>
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
        className={cx(styles.presence, agent.connected && styles.connected)}
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

/** Dead letters: what was tried, and can be tried again. */
function FailedWakes() {
  const failed = useApp((state) => state.failed);
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

function FailedWake({ item }: { item: DeliveryItem }) {
  const client = useClient();
  const allowed = useApp(({ identity }) => mayContinue(identity));
  const [state, setState] = useState<'idle' | 'working' | { error: string }>('idle');
  const { wake_id, conversation } = item;
  const settle = (how: 'retry' | 'drop') => {
    if (wake_id === undefined) return;
    setState('working');
    client.settleWake(wake_id, how).then(
      () => setState('idle'),
      (error: unknown) => setState({ error: wordsOf(error) }),
    );
  };
  const { kind, id } = splitKey(conversation as ConversationKey);
  return (
    <li className={styles.failure}>
      <Icon name="warning" size={14} />
      <p>
        <strong>
          <bdi>{plainName(item.agent_id)}</bdi>
        </strong>{' '}
        {texts.failedIn}{' '}
        {kind === 'dm' ? (
          texts.directConversation
        ) : (
          <Link href={kind === 'room' ? paths.room(id) : paths.thread(id)}>{conversation}</Link>
        )}
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

function AttachHelp() {
  const networkId = useApp((state) => state.network?.id ?? 'local');
  const room = useApp((state) =>
    state.rooms.some((candidate) => candidate.id === 'general')
      ? 'general'
      : (state.rooms[0]?.id ?? 'general'),
  );
  return (
    <div className={styles.attach}>
      <p>{texts.addAgentText}</p>
      <CopyLine text={texts.connectCommand(location.origin, networkId, room)} label="moltnet connect" />
      <CopyLine text={texts.nodeCommand} label={texts.nodeCommand} />
      <p className={styles.small}>{texts.addAgentRuntime}</p>
    </div>
  );
}
