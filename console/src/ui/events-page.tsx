import { useEffect, useState } from 'react';
import type { Event } from '../../../src/protocol/events.ts';
import { useApp, useClient } from '../live/client.ts';
import { maySeeGuard } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { exactTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { Button, Chips, Field } from './controls.tsx';
import styles from './events-page.module.css';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { PageHeader } from './page.tsx';
import panel from './panel.module.css';
import { paths } from './router.ts';

const SHOWN = 300;
const GROUPS: Record<string, (type: string) => boolean> = {
  messages: (type) => /^(?:message\.(?:created|redacted)|thread\.|dm\.)/.test(type),
  delivery: (type) => type === 'message.receipt' || type.startsWith('agent.wake.'),
  agents: (type) => type.startsWith('agent.') && !type.startsWith('agent.wake.'),
  rooms: (type) => type.startsWith('room.'),
  guard: (type) => /^(?:conversation|pause)\./.test(type),
  other: (type) => /^(?:pairing|stream)\./.test(type),
};

/** What the stream brings, as it comes: for finding out what happened. */
export function EventsPage() {
  const client = useClient();
  const observes = useApp((state) => maySeeGuard(state.identity));
  const [events, setEvents] = useState<readonly Event[]>(() => client.recentEvents().toReversed());
  const [held, setHeld] = useState(false);
  const [group, setGroup] = useState('');
  const [words, setWords] = useState('');
  useEffect(() => {
    if (held) return;
    let waiting = false;
    return client.watch(() => {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        setEvents(client.recentEvents().toReversed());
      }, 200);
    });
  }, [client, held]);
  const wanted = words.trim().toLowerCase();
  const shown = events
    .filter(
      (event) =>
        (group === '' || GROUPS[group]?.(event.type)) &&
        (wanted === '' || JSON.stringify(event).toLowerCase().includes(wanted)),
    )
    .slice(0, SHOWN);
  return (
    <>
      <PageHeader
        title={texts.events}
        mark={<Icon name="pulse" />}
        about={<Link href={paths.network}>{texts.networkPage}</Link>}
      >
        <Button aria-pressed={held} onClick={() => setHeld(!held)}>
          <Icon name={held ? 'play' : 'pause'} size={13} /> {held ? texts.eventsGoOn : texts.eventsHold}
        </Button>
      </PageHeader>
      <div className={panel.scroller} tabIndex={-1}>
        <div className={panel.column}>
          <p className={panel.lead}>{observes ? texts.eventsText : texts.eventsTextOwn}</p>
          <Chips
            label={texts.kindOfEvent}
            value={group}
            onChange={setGroup}
            options={[
              ['', texts.allKinds],
              ...Object.keys(GROUPS).map((name): [string, string] => [name, texts.eventGroups[name] ?? name]),
            ]}
          />
          <Field
            type="search"
            value={words}
            onChange={(event) => setWords(event.target.value)}
            placeholder={texts.eventsFilter}
            aria-label={texts.eventsFilter}
          />
          {shown.length === 0 ? (
            <p className={styles.none}>{texts.noEvents}</p>
          ) : (
            <ol className={styles.list}>
              {shown.map((event) => (
                <EventLine key={`${event.id} ${event.created_at}`} event={event} />
              ))}
            </ol>
          )}
        </div>
      </div>
    </>
  );
}

function EventLine({ event }: { event: Event }) {
  const [open, setOpen] = useState(false);
  const time = new Date(event.created_at);
  return (
    <li>
      <details className={styles.event} onToggle={(toggle) => setOpen(toggle.currentTarget.open)}>
        <summary>
          <time dateTime={event.created_at} title={exactTime(event.created_at)}>
            {Number.isFinite(time.getTime()) ? time.toLocaleTimeString(undefined, { hour12: false }) : ''}
          </time>
          <span className={styles.type}>{plainName(event.type)}</span>
          <bdi className={styles.about}>{aboutEvent(event)}</bdi>
        </summary>
        {open && <pre tabIndex={0}>{JSON.stringify(event, null, 2).slice(0, 8_000)}</pre>}
      </details>
    </li>
  );
}

/** The event in one line: who and where, and the beginning of what was said. */
function aboutEvent({
  message,
  agent,
  room,
  thread,
  dm,
  guard,
  pause,
  receipt,
  redaction,
  pairing,
}: Event): string {
  const place = (target: { kind: string; room_id?: string; thread_id?: string; dm_id?: string }) =>
    `${target.kind}:${target.thread_id ?? target.dm_id ?? target.room_id ?? ''}`;
  const words = message
    ? [message.from.id, place(message.target), (message.parts[0]?.text ?? '').slice(0, 120)]
    : receipt
      ? [receipt.agent_id, receipt.state, receipt.reason, receipt.conversation, receipt.error]
      : agent
        ? [agent.agent_id, agent.state, agent.classification, agent.error ?? agent.reason]
        : guard
          ? [guard.conversation, guard.detail ?? guard.reason ?? guard.resumed_by]
          : pause
            ? [pause.scope, pause.paused ? texts.pausedMark : texts.unpause, pause.by]
            : redaction
              ? [redaction.message_id]
              : [(room ?? thread ?? dm ?? pairing)?.id];
  return plainName(words.filter(Boolean).join(' · ')).slice(0, 260);
}
