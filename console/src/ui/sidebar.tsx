import { useState, type ReactNode } from 'react';
import { useApp } from '../live/client.ts';
import { roomKey } from '../model/conversation.ts';
import { mayAdminister } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { needsCount } from '../model/needs.ts';
import { texts } from '../texts.ts';
import { Hidden, IconButton } from './controls.tsx';
import { cx } from './cx.ts';
import { Icon, type IconName } from './icons.tsx';
import { openJump } from './jump.tsx';
import { Link } from './link.tsx';
import { Me } from './me.tsx';
import { CreateRoomDialog } from './room-dialogs.tsx';
import { paths, type Route } from './router.ts';
import { AgentList, Badge, DmList, RoomItem } from './side-lists.tsx';
import styles from './sidebar.module.css';

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const ROOMS_SHOWN = 100;

/** What is there: the way to everything, what waits for the person, rooms, direct conversations and agents. */
export function Sidebar({ route }: { route: Route }) {
  const network = useApp((state) => state.network);
  const rooms = useApp((state) => state.rooms);
  const boot = useApp((state) => state.boot);
  const agents = useApp((state) => state.agents);
  const held = useApp((state) => state.held);
  const waiting = useApp(needsCount);
  const administers = useApp((state) => mayAdminister(state.identity));
  const [creating, setCreating] = useState(false);
  const unread = useApp((state) => state.unread);
  const current = route.page === 'room' ? route.id : route.page === 'files' ? route.room : undefined;
  // Of very many rooms those are listed in which something is new; all are found by their name.
  const shownRooms =
    rooms.length <= ROOMS_SHOWN
      ? rooms
      : rooms.filter(
          (room, index) =>
            index < ROOMS_SHOWN ||
            room.id === current ||
            unread[roomKey(room.id)] !== undefined ||
            held[roomKey(room.id)] !== undefined,
        );
  const hasDms = useApp(
    (state) =>
      state.network?.capabilities.direct_messages === true &&
      (Object.keys(state.dms).length > 0 || state.network.console?.can_send_human === true),
  );
  return (
    <>
      <header className={styles.header}>
        <Link href={paths.home} className={styles.network} dir="auto">
          {plainName(network?.name ?? '') || network?.id || texts.product}
        </Link>
        <ConnectionDot />
      </header>
      <div className={styles.lists}>
        <ul className={styles.places}>
          <li>
            <button type="button" className={styles.item} onClick={openJump}>
              <Icon name="search" size={15} />
              <span className={styles.label}>{texts.jump}</span>
              <kbd className={styles.kbd}>{texts.jumpKeys(MAC)}</kbd>
            </button>
          </li>
          <Place icon="bell" href={paths.needs} current={route.page === 'needs'} words={texts.needs}>
            {waiting > 0 && <Badge count={waiting} words={texts.needsCount(waiting)} urgent />}
          </Place>
          <Place
            icon="network"
            href={paths.network}
            current={route.page === 'network' || route.page === 'events'}
            words={texts.networkPage}
          />
        </ul>
        <section aria-labelledby="side-rooms">
          <div className={styles.titleRow}>
            <h2 id="side-rooms" className={styles.title}>
              {texts.rooms}
            </h2>
            {administers && (
              <IconButton icon="plus" label={texts.createRoom} onClick={() => setCreating(true)} />
            )}
          </div>
          {boot === 'loading' && rooms.length === 0 ? (
            <p className={styles.quiet}>{texts.loading}</p>
          ) : (
            <ul>
              {shownRooms.map((room) => (
                <RoomItem
                  key={room.id}
                  room={room}
                  current={current === room.id}
                  held={held[roomKey(room.id)] !== undefined}
                />
              ))}
              {shownRooms.length < rooms.length && (
                <li>
                  <button type="button" className={styles.item} onClick={openJump}>
                    <span className={styles.label}>{texts.moreRooms(rooms.length - shownRooms.length)}</span>
                  </button>
                </li>
              )}
            </ul>
          )}
        </section>
        {hasDms && (
          <section aria-labelledby="side-dms">
            <h2 id="side-dms" className={styles.title}>
              <Link
                href={paths.dms}
                className={styles.titleLink}
                aria-current={route.page === 'dms' ? 'page' : undefined}
              >
                {texts.dms}
              </Link>
            </h2>
            <DmList route={route} />
          </section>
        )}
        <section aria-labelledby="side-agents">
          <h2 id="side-agents" className={styles.title}>
            <Link
              href={paths.agents}
              className={styles.titleLink}
              aria-current={route.page === 'agents' ? 'page' : undefined}
            >
              {texts.agents}
              {agents.length > 0 && (
                <span className={styles.count}>
                  {texts.connectedCount(agents.filter((agent) => agent.connected).length, agents.length)}
                </span>
              )}
            </Link>
          </h2>
          <AgentList agents={agents} />
        </section>
      </div>
      <Me />
      {creating && <CreateRoomDialog onClose={() => setCreating(false)} />}
    </>
  );
}

function Place({
  icon,
  href,
  current,
  words,
  children,
}: {
  icon: IconName;
  href: string;
  current: boolean;
  words: string;
  children?: ReactNode;
}) {
  return (
    <li>
      <Link
        href={href}
        className={cx(styles.item, current && styles.current)}
        aria-current={current ? 'page' : undefined}
      >
        <Icon name={icon} size={15} />
        <span className={styles.label}>{words}</span>
        {children}
      </Link>
    </li>
  );
}

function ConnectionDot() {
  const connection = useApp((state) => state.connection);
  const words =
    connection === 'lost' ? texts.lost : connection === 'connecting' ? texts.connecting : texts.live;
  return (
    <span className={cx(styles.dot, styles[connection === 'back' ? 'live' : connection])} title={words}>
      <Hidden>{words}</Hidden>
    </span>
  );
}
