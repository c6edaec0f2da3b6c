import { useMemo } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { DirectConversation, Room } from '../../../src/protocol/rooms.ts';
import { useApp } from '../live/client.ts';
import { roomKey } from '../model/conversation.ts';
import { byActivity, dmName } from '../model/dms.ts';
import { agentKey, agentName, plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { Hidden } from './controls.tsx';
import { cx } from './cx.ts';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { paths, type Route } from './router.ts';
import styles from './sidebar.module.css';

/** How many agents are listed beside the rooms; the others are on their page. */
const AGENTS_SHOWN = 24;
const DMS_SHOWN = 8;

export function RoomItem({ room, current, held }: { room: Room; current: boolean; held: boolean }) {
  const unread = useApp((state) => state.unread[roomKey(room.id)]);
  const paused = useApp((state) => state.pauses[`room:${room.id}`] !== undefined);
  return (
    <li>
      <Link
        href={paths.room(room.id)}
        className={cx(styles.item, current && styles.current, unread && styles.unread)}
        aria-current={current ? 'page' : undefined}
      >
        <Icon name={room.visibility === 'private' ? 'lock' : 'hash'} size={15} />
        <bdi className={styles.label}>{plainName(room.name) || room.id}</bdi>
        {(held || paused) && <PausedMark />}
        {unread && <Badge count={unread.count} words={texts.unread(unread.count)} />}
      </Link>
    </li>
  );
}

const PausedMark = () => (
  <span className={styles.held} title={texts.pausedMark}>
    <Icon name="pause" size={13} />
    <Hidden>{texts.pausedMark}</Hidden>
  </span>
);

export function Badge({ count, words, urgent }: { count: number; words: string; urgent?: boolean }) {
  return (
    <span className={cx(styles.badge, urgent && styles.urgent)}>
      <span aria-hidden="true">{count > 99 ? '99+' : count}</span>
      <Hidden>{words}</Hidden>
    </span>
  );
}

/** The liveliest direct conversations, and whatever of them is unread. */
export function DmList({ route }: { route: Route }) {
  const dms = useApp((state) => state.dms);
  const unread = useApp((state) => state.unread);
  const me = useApp((state) => state.me.id);
  const all = useMemo(() => Object.values(dms), [dms]);
  const sorted = useMemo(() => byActivity(all.filter((dm) => dm.participant_ids?.includes(me))), [all, me]);
  const others = all.length - sorted.length;
  const shown = sorted.filter(
    (dm, index) => index < DMS_SHOWN || unread[`dm:${dm.id}`] || (route.page === 'dm' && route.id === dm.id),
  );
  return (
    <ul>
      {shown.map((dm) => (
        <DmItem key={dm.id} dm={dm} current={route.page === 'dm' && route.id === dm.id} />
      ))}
      {sorted.length > DMS_SHOWN && sorted.length > shown.length && (
        <li>
          <Link href={paths.dms} className={cx(styles.item, styles.offline)}>
            <span className={styles.label}>{texts.moreDms(sorted.length - shown.length)}</span>
          </Link>
        </li>
      )}
      {others > 0 && (
        <li>
          <Link href={paths.dms} className={cx(styles.item, styles.offline)}>
            <span className={styles.label}>{texts.dmsOfOthers(others)}</span>
          </Link>
        </li>
      )}
      {sorted.length === 0 && (
        <li>
          <Link href={paths.dms} className={cx(styles.item, styles.offline)}>
            <Icon name="plus" size={15} />
            <span className={styles.label}>{texts.newDm}</span>
          </Link>
        </li>
      )}
    </ul>
  );
}

function DmItem({ dm, current }: { dm: DirectConversation; current: boolean }) {
  const unread = useApp((state) => state.unread[`dm:${dm.id}`]);
  const held = useApp((state) => state.held[`dm:${dm.id}`] !== undefined);
  const me = useApp((state) => state.me.id);
  const agents = useApp((state) => state.agents);
  const others = (dm.participant_ids ?? []).filter((id) => id !== me);
  const live = others.some((id) => agents.find((agent) => agent.id === id)?.connected);
  return (
    <li>
      <Link
        href={paths.dm(dm.id)}
        className={cx(styles.item, current && styles.current, unread && styles.unread)}
        aria-current={current ? 'page' : undefined}
      >
        <span className={cx(styles.dot, live && styles.live)} />
        <bdi className={styles.label}>{dmName(dm, me, agents)}</bdi>
        {held && <PausedMark />}
        {unread && <Badge count={unread.count} words={texts.unread(unread.count)} />}
      </Link>
    </li>
  );
}

export const presenceWords = (agent: AgentSummary): string =>
  agent.state === 'cannot_wake'
    ? texts.cannotWake
    : agent.state === 'working'
      ? texts.working
      : agent.connected
        ? texts.connected
        : texts.offline;

export function AgentList({ agents }: { agents: readonly AgentSummary[] }) {
  const pauses = useApp((state) => state.pauses);
  const sorted = useMemo(
    () => agents.toSorted((a, b) => Number(b.connected) - Number(a.connected)),
    [agents],
  );
  const hidden = sorted.length - AGENTS_SHOWN;
  return (
    <ul>
      {sorted.slice(0, AGENTS_SHOWN).map((agent) => (
        <li key={agentKey(agent)}>
          <Link href={paths.agent(agent.id)} className={cx(styles.item, !agent.connected && styles.offline)}>
            <span
              className={cx(
                styles.dot,
                agent.connected && styles.live,
                agent.state === 'working' && styles.working,
                agent.state === 'cannot_wake' && styles.lost,
              )}
            />
            <bdi className={styles.label}>{agentName(agent)}</bdi>
            <Hidden>{presenceWords(agent)}</Hidden>
            {pauses[`agent:${agent.id}`] && <PausedMark />}
          </Link>
        </li>
      ))}
      {hidden > 0 && (
        <li>
          <Link href={paths.agents} className={cx(styles.item, styles.offline)}>
            <span className={styles.label}>{texts.moreAgents(hidden)}</span>
          </Link>
        </li>
      )}
      {sorted.length === 0 && (
        <li>
          <Link href={paths.agents} className={styles.item}>
            <Icon name="plus" size={15} />
            <span className={styles.label}>{texts.addAgent}</span>
          </Link>
        </li>
      )}
    </ul>
  );
}
