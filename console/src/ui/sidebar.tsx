import { useMemo, useState, type FormEvent } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { GuardState } from '../../../src/protocol/events.ts';
import type { Room } from '../../../src/protocol/rooms.ts';
import { useApp, useClient } from '../live/client.ts';
import { roomKey, splitKey, threadKey } from '../model/conversation.ts';
import { actorKey, agentKey, agentName, personActor, personId, plainName } from '../model/names.ts';
import { isAnonymous, type Me as MeType } from '../model/me.ts';
import { texts, wordsOf } from '../texts.ts';
import { Avatar, Button, Dialog, DialogButtons, Field, Hidden, IconButton } from './controls.tsx';
import { cx } from './cx.ts';
import { ContinueButton } from './held.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { paths, type Route } from './router.ts';
import styles from './sidebar.module.css';
import { SignInDialog } from './sign-in.tsx';

/** How many agents are listed beside the rooms; the others are on their page. */
const AGENTS_SHOWN = 24;

/** What is there: rooms, agents, and what waits for the person. */
export function Sidebar({ route }: { route: Route }) {
  const network = useApp((state) => state.network);
  const rooms = useApp((state) => state.rooms);
  const boot = useApp((state) => state.boot);
  const agents = useApp((state) => state.agents);
  const heldRecord = useApp((state) => state.held);
  const held = useMemo(() => Object.values(heldRecord), [heldRecord]);
  return (
    <>
      <header className={styles.header}>
        <Link href={paths.home} className={styles.network} dir="auto">
          {plainName(network?.name ?? '') || network?.id || texts.product}
        </Link>
        <ConnectionDot />
      </header>
      <div className={styles.lists}>
        {held.length > 0 && (
          <section aria-labelledby="side-held">
            <h2 id="side-held" className={styles.title}>
              {texts.waiting}
            </h2>
            <ul>
              {held.map((guard) => (
                <HeldItem key={guard.conversation} guard={guard} rooms={rooms} />
              ))}
            </ul>
          </section>
        )}
        <section aria-labelledby="side-rooms">
          <h2 id="side-rooms" className={styles.title}>
            {texts.rooms}
          </h2>
          {boot === 'loading' && rooms.length === 0 ? (
            <p className={styles.quiet}>{texts.loading}</p>
          ) : (
            <ul>
              {rooms.map((room) => (
                <RoomItem
                  key={room.id}
                  room={room}
                  current={route.page === 'room' && route.id === room.id}
                  held={heldRecord[roomKey(room.id)] !== undefined}
                />
              ))}
            </ul>
          )}
        </section>
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
    </>
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

function RoomItem({ room, current, held }: { room: Room; current: boolean; held: boolean }) {
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
        {unread && (
          <span className={styles.badge}>
            <span aria-hidden="true">{unread.count > 99 ? '99+' : unread.count}</span>
            <Hidden>{texts.unread(unread.count)}</Hidden>
          </span>
        )}
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

function HeldItem({ guard, rooms }: { guard: GuardState; rooms: readonly Room[] }) {
  const { kind, id } = splitKey(guard.conversation);
  const roomName = (roomId: string) =>
    plainName(rooms.find((room) => room.id === roomId)?.name ?? '') || roomId;
  const name =
    kind === 'room'
      ? roomName(id)
      : kind === 'thread'
        ? `${texts.thread} ${texts.threadIn(roomName(guard.room_id ?? '?'))}`
        : texts.directConversation;
  const inner = (
    <>
      <Icon name="pause" size={15} />
      <bdi className={styles.label}>{name}</bdi>
    </>
  );
  return (
    <li className={styles.heldItem}>
      {kind === 'dm' ? (
        <span className={styles.item}>{inner}</span>
      ) : (
        <Link href={kind === 'room' ? paths.room(id) : paths.thread(id)} className={styles.item}>
          {inner}
        </Link>
      )}
      <ContinueButton
        conversation={kind === 'room' ? roomKey(id) : kind === 'thread' ? threadKey(id) : `dm:${id}`}
        name={name}
        compact
      />
    </li>
  );
}

function AgentList({ agents }: { agents: readonly AgentSummary[] }) {
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
          <Link href={paths.agents} className={cx(styles.item, !agent.connected && styles.offline)}>
            <span className={cx(styles.dot, agent.connected && styles.live)} />
            <bdi className={styles.label}>{agentName(agent)}</bdi>
            <Hidden>{agent.connected ? texts.connected : texts.offline}</Hidden>
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

/** Who is at this screen: under which name they write, and the way in or out. */
function Me() {
  const me = useApp((state) => state.me);
  const identity = useApp((state) => state.identity);
  const canWrite = useApp((state) => state.network?.console?.can_send_human === true);
  const networkId = useApp((state) => state.network?.id ?? '');
  const anonymous = isAnonymous(identity);
  if (!canWrite && !anonymous && identity?.credential !== 'session') return null;
  return (
    <footer className={styles.me}>
      {anonymous ? (
        <SignIn />
      ) : !canWrite ? (
        <span className={styles.meButton}>
          <span className={cx(styles.label, styles.meHint)}>{texts.readingOnly}</span>
        </span>
      ) : me.bound ? (
        <span className={styles.meButton}>
          <Self me={me} networkId={networkId} hint={texts.signedInAs} />
        </span>
      ) : (
        <ChangeName me={me} networkId={networkId} />
      )}
      {identity?.credential === 'session' && <SignOut />}
    </footer>
  );
}

function Self({ me, networkId, hint }: { me: MeType; networkId: string; hint: string }) {
  return (
    <>
      <Avatar name={me.name} id={actorKey(personActor(me, networkId))} type="human" small />
      <span className={styles.label}>
        <span className={styles.meHint}>{hint}</span> <bdi>{me.name}</bdi>
      </span>
    </>
  );
}

function ChangeName({ me, networkId }: { me: MeType; networkId: string }) {
  const [changing, setChanging] = useState(false);
  return (
    <>
      <button
        type="button"
        className={styles.meButton}
        onClick={() => setChanging(true)}
        title={texts.changeName}
      >
        <Self me={me} networkId={networkId} hint={texts.writingAs} />
      </button>
      {changing && <NameDialog onClose={() => setChanging(false)} />}
    </>
  );
}

function SignIn() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button className={styles.signIn} onClick={() => setOpen(true)}>
        {texts.signIn}
      </Button>
      {open && <SignInDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function SignOut() {
  const client = useClient();
  const [error, setError] = useState<string>();
  return (
    <>
      <IconButton
        icon="leave"
        label={texts.signOut}
        onClick={() => client.signOut().catch((reason: unknown) => setError(wordsOf(reason)))}
      />
      {error !== undefined && <Hidden>{error}</Hidden>}
    </>
  );
}

function NameDialog({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const [name, setName] = useState(client.store.get().me.name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const plain = plainName(name).slice(0, 64);
    if (plain !== '') client.setName(plain);
    onClose();
  };
  return (
    <Dialog title={texts.nameTitle} onClose={onClose}>
      <form onSubmit={submit}>
        <p>{texts.nameHelp}</p>
        <Field
          value={name}
          onChange={(event) => setName(event.target.value)}
          aria-label={texts.nameTitle}
          maxLength={64}
          autoFocus
          autoComplete="nickname"
          spellCheck={false}
        />
        <p>{texts.nameId(personId(name))}</p>
        <DialogButtons>
          <Button onClick={onClose}>{texts.cancel}</Button>
          <Button kind="primary" type="submit">
            {texts.save}
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}
