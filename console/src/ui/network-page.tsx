import { useCallback, useMemo, useState } from 'react';
import { api } from '../live/api.ts';
import { useApp } from '../live/client.ts';
import { mayAdminister, maySeeGuard } from '../model/me.ts';
import { agentName, plainName } from '../model/names.ts';
import { dollars, shortCount, usageByAgent, usageByDay } from '../model/usage.ts';
import { texts } from '../texts.ts';
import { DayChart, Meter } from './chart.tsx';
import charts from './chart.module.css';
import { ConfirmDialog } from './confirm.tsx';
import { Button, Chips } from './controls.tsx';
import { useConversationName } from './conversation-name.ts';
import { ContinueButton } from './held.tsx';
import { Icon } from './icons.tsx';
import { Link, LinkButton } from './link.tsx';
import { Empty, PageHeader } from './page.tsx';
import styles from './panel.module.css';
import { Pairings } from './pairings.tsx';
import { PauseButton, PausedNote } from './pause.tsx';
import { paths } from './router.ts';
import { tell } from './toast.tsx';
import { useRead } from './use-read.ts';

/** How the network is: warnings, what it costs, how near the guard is, links to others. */
export function NetworkPage() {
  const network = useApp((state) => state.network);
  const observes = useApp((state) => maySeeGuard(state.identity));
  const administers = useApp((state) => mayAdminister(state.identity));
  return (
    <>
      <PageHeader
        title={texts.networkPage}
        mark={<Icon name="network" />}
        about={network && `${plainName(network.name)} · ${network.id} · ${network.version}`}
      >
        <LinkButton href={paths.events} icon="pulse" label={texts.events}>
          {texts.events}
        </LinkButton>
        {administers && <ReloadButton />}
      </PageHeader>
      {observes ? (
        <div className={styles.scroller} tabIndex={-1}>
          <div className={styles.column}>
            <Warnings />
            <Usage />
            <Guard />
            <Pauses />
            <Pairings />
          </div>
        </div>
      ) : (
        <Empty title={texts.observersOnly} text={texts.observersOnlyText} />
      )}
    </>
  );
}

function ReloadButton() {
  const [asking, setAsking] = useState(false);
  const reload = async () => {
    const { changed, restart_needed } = await api.reloadConfig();
    tell(
      [
        changed.length > 0 ? texts.reloadChanged(changed.join(', ')) : texts.reloadNothing,
        restart_needed.length > 0 && texts.reloadRestart(restart_needed.join(', ')),
      ]
        .filter(Boolean)
        .join(' '),
    );
  };
  return (
    <>
      <Button narrow onClick={() => setAsking(true)} title={texts.reloadHelp} aria-label={texts.reload}>
        <Icon name="gear" size={14} />
        <span>{texts.reload}</span>
      </Button>
      {asking && (
        <ConfirmDialog
          title={texts.reloadTitle}
          action={texts.reload}
          kind="primary"
          run={reload}
          onClose={() => setAsking(false)}
        >
          {texts.reloadText}
        </ConfirmDialog>
      )}
    </>
  );
}

function Warnings() {
  const warnings = useApp((state) => state.network?.warnings);
  if (!warnings || warnings.length === 0) return null;
  return (
    <section className={styles.section} aria-label={texts.warnings}>
      <h2>{texts.warnings}</h2>
      <ul className={styles.list}>
        {warnings.map((warning) => (
          <li key={warning.code} className={styles.line}>
            <Icon name="warning" size={15} />
            <div className={styles.wide}>
              <p>{warning.message}</p>
              {warning.action && <p className={styles.small}>{warning.action}</p>}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Usage() {
  const [days, setDays] = useState('14');
  const read = useCallback(() => api.usage(Number(days)), [days]);
  const { value: report, error } = useRead(read);
  const agents = useApp((state) => state.agents);
  const byDay = useMemo(() => (report ? usageByDay(report, new Date()) : []), [report]);
  const byAgent = useMemo(() => (report ? usageByAgent(report.usage) : []), [report]);
  const caps = new Map(report?.caps.map((cap) => [cap.agent_id, cap]));
  const tokens = byDay.some(({ sums }) => sums.tokens > 0);
  const cost = byDay.some(({ sums }) => sums.cost_usd > 0);
  const bars = (of: (sums: (typeof byDay)[number]['sums']) => number) =>
    byDay.map(({ day, sums }) => ({ day, value: of(sums) }));
  return (
    <section className={styles.section} aria-label={texts.usage}>
      <div className={styles.sectionHead}>
        <h2>{texts.usage}</h2>
        <Chips
          label={texts.days}
          value={days}
          onChange={setDays}
          options={['7', '14', '30'].map((n): [string, string] => [n, texts.lastDays(Number(n))])}
        />
      </div>
      {error !== undefined && <p role="alert">{error}</p>}
      {byDay.length > 0 && (
        <div className={charts.charts}>
          <DayChart title={texts.wakes} bars={bars((sums) => sums.wakes)} />
          {tokens && <DayChart title={texts.tokens} bars={bars((sums) => sums.tokens)} format={shortCount} />}
          {cost && <DayChart title={texts.cost} bars={bars((sums) => sums.cost_usd)} format={dollars} />}
        </div>
      )}
      {report && byAgent.length === 0 && <p>{texts.noUsage}</p>}
      <ul className={styles.list}>
        {byAgent.slice(0, 50).map(({ agent_id, sums }) => {
          const cap = caps.get(agent_id);
          const known = agents.find((agent) => agent.id === agent_id);
          return (
            <li key={agent_id}>
              <Link href={paths.agent(agent_id)} className={styles.line}>
                <bdi className={styles.name}>{known ? agentName(known) : plainName(agent_id)}</bdi>
                <span className={styles.about}>
                  {texts.wakesCount(sums.wakes)}
                  {sums.tokens > 0 && ` · ${shortCount(sums.tokens)} ${texts.tokensWord}`}
                  {sums.cost_usd > 0 && ` · ${dollars(sums.cost_usd)}`}
                </span>
                {cap && <span className={styles.end}>{texts.capToday(cap.today, cap.daily_wakes)}</span>}
              </Link>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const METERED = 12;

/** How near the rooms are to being held. */
function Guard() {
  const rooms = useApp((state) => state.rooms);
  const held = useApp((state) => state.held);
  const nameOf = useConversationName();
  const ids = rooms
    .slice(0, METERED)
    .map((room) => room.id)
    .join(' ');
  const read = useCallback(async () => {
    const conversations = [
      ...new Set([
        ...Object.keys(held),
        ...ids
          .split(' ')
          .filter(Boolean)
          .map((id) => `room:${id}`),
      ]),
    ];
    const states = await Promise.all(conversations.map((key) => api.guardOf(key).catch(() => undefined)));
    return states.flatMap((state) => (state?.meters ? [state] : []));
  }, [held, ids]);
  const { value: states, again } = useRead(read);
  const busy = (states ?? []).filter(
    ({ held: isHeld, meters }) => isHeld || meters!.turns > 0 || meters!.hour > 0,
  );
  return (
    <section className={styles.section} aria-label={texts.guard}>
      <div className={styles.sectionHead}>
        <h2>{texts.guard}</h2>
        <Button onClick={again}>{texts.refresh}</Button>
      </div>
      <p>{texts.guardText}</p>
      {states && busy.length === 0 && <p>{texts.guardQuiet}</p>}
      <ul className={styles.list}>
        {busy.map((state) => (
          <li key={state.conversation} className={styles.line}>
            <div className={styles.wide}>
              <p>
                <Link href={paths.conversation(state.conversation)}>
                  <bdi>{nameOf(state.conversation, state.room_id)}</bdi>
                </Link>{' '}
                {state.held && <strong className={styles.warn}>{texts.heldTitle}</strong>}
              </p>
              <Meter name={texts.meterTurns} value={state.meters!.turns} limit={state.meters!.turns_limit} />
              <Meter name={texts.meterHour} value={state.meters!.hour} limit={state.meters!.hour_limit} />
              {state.meters!.pair !== undefined && (
                <Meter name={texts.meterPair} value={state.meters!.pair} limit={state.meters!.pair_limit} />
              )}
            </div>
            {state.held && (
              <span className={styles.actions}>
                <ContinueButton
                  conversation={state.conversation}
                  name={nameOf(state.conversation, state.room_id)}
                />
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Pauses() {
  const record = useApp((state) => state.pauses);
  const pauses = useMemo(() => Object.values(record), [record]);
  const nameOf = useConversationName();
  const name = (scope: string) =>
    scope === '*' ? texts.everything : scope.startsWith('room:') ? nameOf(scope) : `@${scope.slice(6)}`;
  return (
    <section className={styles.section} aria-label={texts.pauses}>
      <div className={styles.sectionHead}>
        <h2>{texts.pauses}</h2>
        {!record['*'] && <PauseButton scope="*" name={texts.everything} label={texts.pauseAll} />}
      </div>
      {pauses.length === 0 && <p>{texts.noPauses}</p>}
      <ul className={styles.list}>
        {pauses.map((pause) => (
          <li key={pause.scope} className={styles.line}>
            <Icon name="pause" size={15} />
            <bdi className={styles.name}>{name(pause.scope)}</bdi>
            <PausedNote scope={pause.scope} />
            <span className={styles.about}>{texts.pausedBy(plainName(pause.by))}</span>
            <span className={styles.actions}>
              <PauseButton scope={pause.scope} name={name(pause.scope)} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
