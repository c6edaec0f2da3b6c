import { useEffect, useId, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent } from 'react';
import { createStore } from '../live/store.ts';
import { useApp } from '../live/client.ts';
import { allPlaces, placesFor, type Place } from '../model/jump.ts';
import { texts } from '../texts.ts';
import { Hidden } from './controls.tsx';
import { cx } from './cx.ts';
import { Icon, type IconName } from './icons.tsx';
import styles from './jump.module.css';
import { navigate, paths } from './router.ts';

const shown = createStore(false);
export const openJump = (): void => shown.update(() => true);

/** Ctrl-K (on a Mac Cmd-K) opens it from anywhere: the way to every place by its name. */
export function Jump() {
  const open = useSyncExternalStore(shown.subscribe, shown.get);
  useEffect(() => {
    const key = (event: globalThis.KeyboardEvent) => {
      if (
        event.key.toLowerCase() !== 'k' ||
        !(event.ctrlKey || event.metaKey) ||
        event.altKey ||
        event.shiftKey
      )
        return;
      event.preventDefault();
      shown.update((now) => !now);
    };
    document.addEventListener('keydown', key);
    return () => document.removeEventListener('keydown', key);
  }, []);
  return open ? <JumpDialog onClose={() => shown.update(() => false)} /> : null;
}

const ICONS: Record<Place['kind'], IconName> = {
  room: 'hash',
  dm: 'dm',
  agent: 'agents',
  page: 'pulse',
  search: 'search',
};

const PAGES: readonly Place[] = [
  { key: 'page:needs', kind: 'page', name: texts.needs, href: paths.needs },
  { key: 'page:agents', kind: 'page', name: texts.agents, href: paths.agents },
  { key: 'page:dms', kind: 'page', name: texts.dms, href: paths.dms },
  { key: 'page:network', kind: 'page', name: texts.networkPage, href: paths.network },
  { key: 'page:events', kind: 'page', name: texts.events, href: paths.events },
  { key: 'page:search', kind: 'page', name: texts.search, href: paths.search() },
];

function JumpDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [typed, setTyped] = useState('');
  const [chosen, setChosen] = useState(0);
  const rooms = useApp((state) => state.rooms);
  const dms = useApp((state) => state.dms);
  const agents = useApp((state) => state.agents);
  const unread = useApp((state) => state.unread);
  const me = useApp((state) => state.me);
  const places = useMemo(
    () => allPlaces({ rooms, dms, agents, unread, me }, paths, PAGES),
    [rooms, dms, agents, unread, me],
  );
  const wanted = typed.trim();
  const found = placesFor(places, typed);
  const items: Place[] =
    wanted === ''
      ? found
      : [
          ...found,
          { key: 'search', kind: 'search', name: texts.searchFor(wanted), href: paths.search({ q: wanted }) },
        ];
  const active = Math.min(chosen, items.length - 1);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: 'nearest' });
  }, [active, id]);
  const go = (place: Place | undefined) => {
    if (!place) return;
    dialog.current?.close();
    navigate(place.href);
  };
  const keyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? items.length - 1 : 0;
    if (step > 0) {
      event.preventDefault();
      setChosen((active + step) % items.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      go(items[active]);
    }
  };
  return (
    <dialog
      ref={dialog}
      className={styles.dialog}
      aria-label={texts.jump}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <div className={styles.head}>
        <Icon name="search" />
        <input
          className={styles.field}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            setChosen(0);
          }}
          onKeyDown={keyDown}
          placeholder={texts.jumpTo}
          aria-label={texts.jumpTo}
          role="combobox"
          aria-expanded="true"
          aria-autocomplete="list"
          aria-controls={id}
          aria-activedescendant={items.length > 0 ? `${id}-${active}` : undefined}
          autoFocus
          autoComplete="off"
          spellCheck={false}
        />
      </div>
      <ul id={id} role="listbox" aria-label={texts.places} className={styles.list}>
        {items.map((place, index) => (
          <li
            key={place.key}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            className={cx(styles.place, index === active && styles.active)}
            onMouseMove={() => setChosen(index)}
            onClick={() => go(place)}
          >
            <Icon name={ICONS[place.kind]} size={15} />
            <bdi className={styles.name}>{place.name}</bdi>
            {place.about && <bdi className={styles.about}>{place.about}</bdi>}
            {unread[place.key] && (
              <span className={styles.unread}>
                {unread[place.key]!.count}
                <Hidden> {texts.unreadWord}</Hidden>
              </span>
            )}
          </li>
        ))}
      </ul>
    </dialog>
  );
}
