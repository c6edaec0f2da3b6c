import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { remember } from './live/remember.ts';
import { useApp, useClient } from './live/client.ts';
import { roomKey } from './model/conversation.ts';
import { plainName } from './model/names.ts';
import { needsCount } from './model/needs.ts';
import { texts } from './texts.ts';
import { AgentsPage } from './ui/agents-page.tsx';
import styles from './ui/app.module.css';
import { Banners } from './ui/banners.tsx';
import { Button, CopyLine, IconButton, SkipLink } from './ui/controls.tsx';
import { useConversationName } from './ui/conversation-name.ts';
import { cx } from './ui/cx.ts';
import { DmPage, NewDmPage } from './ui/dm-page.tsx';
import { DmsPage } from './ui/dms-page.tsx';
import { DrawerContext } from './ui/drawer.ts';
import { Jump } from './ui/jump.tsx';
import { NeedsPage } from './ui/needs-page.tsx';
import { Empty, NotFound, PageHeader } from './ui/page.tsx';
import { RoomPage } from './ui/room-page.tsx';
import { navigate, parseRoute, paths, usePath, type Route } from './ui/router.ts';
import { Sidebar } from './ui/sidebar.tsx';
import { SignInPage } from './ui/sign-in.tsx';
import { Toast } from './ui/toast.tsx';
import { useMedia } from './ui/use-media.ts';
import { ThreadPage } from './ui/thread-page.tsx';

// Not of the first picture: loaded when they are gone to.
const AgentPage = lazy(async () => ({ default: (await import('./ui/agent-page.tsx')).AgentPage }));
const EventsPage = lazy(async () => ({ default: (await import('./ui/events-page.tsx')).EventsPage }));
const FilesPage = lazy(async () => ({ default: (await import('./ui/files-page.tsx')).FilesPage }));
const NetworkPage = lazy(async () => ({ default: (await import('./ui/network-page.tsx')).NetworkPage }));
const SearchPage = lazy(async () => ({ default: (await import('./ui/search-page.tsx')).SearchPage }));

/** The console, and the way in where the server shows nothing without a credential. */
export function App() {
  const signedOut = useApp((state) => state.boot === 'signed-out');
  return signedOut ? <SignInPage /> : <Shell />;
}

/** The sidebar (a drawer on a narrow screen), banners, and the page. */
function Shell() {
  const path = usePath();
  const route = useMemo(() => parseRoute(path), [path]);
  const [drawer, setDrawer] = useState(false);
  useEffect(() => setDrawer(false), [path]);
  useEffect(() => {
    if (!drawer) return;
    const close = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) setDrawer(false);
    };
    document.addEventListener('keydown', close);
    return () => document.removeEventListener('keydown', close);
  }, [drawer]);
  const narrow = useMedia('(max-width: 720px)');
  return (
    <DrawerContext value={useMemo(() => ({ open: drawer, setOpen: setDrawer }), [drawer])}>
      <div className={styles.app}>
        <SkipLink href="#messages">{texts.skipToMessages}</SkipLink>
        <nav
          className={cx(styles.side, drawer && styles.open)}
          aria-label={texts.navigation}
          inert={narrow && !drawer}
        >
          {narrow && (
            <IconButton
              icon="close"
              label={texts.close}
              className={styles.close}
              onClick={() => setDrawer(false)}
            />
          )}
          <Sidebar route={route} />
        </nav>
        {narrow && drawer && <div className={styles.scrim} onClick={() => setDrawer(false)} />}
        <main className={styles.main} inert={narrow && drawer}>
          <Banners />
          <Suspense fallback={null}>
            <Page route={route} />
          </Suspense>
        </main>
        <Jump />
        <Title route={route} />
        <Toast />
      </div>
    </DrawerContext>
  );
}

function Page({ route }: { route: Route }) {
  const client = useClient();
  const failed = useApp((state) => (state.boot === 'failed' ? (state.bootError ?? '') : undefined));
  if (failed !== undefined) {
    return (
      <Empty title={texts.bootFailed} text={failed}>
        <Button onClick={() => client.restart()}>{texts.tryAgain}</Button>
      </Empty>
    );
  }
  switch (route.page) {
    case 'home':
      return <Home />;
    case 'room':
      return (
        <RoomPage
          key={route.id}
          id={route.id}
          message={route.message}
          thread={route.thread}
          reply={route.reply}
        />
      );
    case 'thread':
      return <ThreadPage key={route.id} id={route.id} message={route.message} />;
    case 'dm':
      return <DmPage key={route.id} id={route.id} message={route.message} />;
    case 'dms':
      return route.with === undefined ? <DmsPage /> : <NewDmPage key={route.with} participant={route.with} />;
    case 'needs':
      return <NeedsPage />;
    case 'agent':
      return <AgentPage key={route.id} id={route.id} />;
    case 'files':
      return <FilesPage key={route.room} room={route.room} />;
    case 'network':
      return <NetworkPage />;
    case 'events':
      return <EventsPage />;
    case 'search':
      return <SearchPage query={route.q} />;
    case 'agents':
      return <AgentsPage />;
    default:
      return (
        <>
          <PageHeader title={texts.product} />
          <NotFound />
        </>
      );
  }
}

/** Goes on to the room that was open last, or the first one; without rooms it says how to get one. */
function Home() {
  const rooms = useApp((state) => state.rooms);
  const boot = useApp((state) => state.boot);
  const last = remember.lastRoom();
  const room =
    rooms.find((candidate) => candidate.id === last) ??
    rooms.find((candidate) => candidate.id === 'general') ??
    rooms[0];
  useEffect(() => {
    if (room) navigate(paths.room(room.id), { replace: true });
  }, [room]);
  return (
    <>
      <PageHeader title={texts.product} />
      {boot === 'ready' && !room && (
        <Empty title={texts.noRoomsTitle} text={texts.noRoomsText}>
          <CopyLine text={texts.createRoomCommand(location.origin)} label="moltnet room create" />
        </Empty>
      )}
    </>
  );
}

/** `(3) #general · Local Lab`: the number counts what was not seen, anywhere, and what else waits for the person. */
function Title({ route }: { route: Route }): null {
  const network = useApp((state) => plainName(state.network?.name ?? '') || texts.product);
  const waiting = useApp(
    (state) =>
      Object.values(state.unread).reduce((sum, entry) => sum + entry.count, 0) +
      needsCount({ ...state, mentions: [] }),
  );
  const nameOf = useConversationName();
  const place = titleOf(route, nameOf);
  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ''}${place ? `${place} · ` : ''}${network}`;
  }, [network, waiting, place]);
  return null;
}

function titleOf(route: Route, nameOf: (key: string) => string): string {
  switch (route.page) {
    case 'room':
      return nameOf(roomKey(route.id));
    case 'files':
      return `${texts.files} ${texts.inPlace} ${nameOf(roomKey(route.room))}`;
    case 'thread':
      return texts.thread;
    case 'dm':
      return nameOf(`dm:${route.id}`);
    case 'dms':
      return texts.dms;
    case 'agent':
      return `@${plainName(route.id)}`;
    case 'agents':
      return texts.agents;
    case 'needs':
      return texts.needs;
    case 'network':
      return texts.networkPage;
    case 'events':
      return texts.events;
    case 'search':
      return texts.search;
    default:
      return '';
  }
}
