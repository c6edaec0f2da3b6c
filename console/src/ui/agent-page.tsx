import { useCallback, useEffect, useMemo, useState } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { DeliveryItem } from '../../../src/protocol/receipts.ts';
import { api } from '../live/api.ts';
import { useApp, useClient } from '../live/client.ts';
import { mayAdminister, mayContinue, maySeeGuard } from '../model/me.ts';
import { agentName, plainName } from '../model/names.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { dollars, shortCount, usageByDay } from '../model/usage.ts';
import { texts } from '../texts.ts';
import { RemoveAgentDialog, RotateTokenDialog } from './agent-dialogs.tsx';
import charts from './chart.module.css';
import { DayChart } from './chart.tsx';
import { Button } from './controls.tsx';
import { useConversationName } from './conversation-name.ts';
import { FailedWakes } from './failed-wakes.tsx';
import { Icon } from './icons.tsx';
import { Link, LinkButton } from './link.tsx';
import { Empty, PageHeader } from './page.tsx';
import styles from './panel.module.css';
import { PauseButton, PausedNote } from './pause.tsx';
import { paths } from './router.ts';
import { presenceWords } from './side-lists.tsx';
import { useAction, useRead } from './use-read.ts';

const TURNS = 20;

/** One agent: what it does, what it did, what went wrong, and what can be done with it. */
export function AgentPage({ id }: { id: string }) {
  const agent = useApp((state) => state.agents.find((known) => known.id === id));
  const boot = useApp((state) => state.boot);
  const observes = useApp((state) => maySeeGuard(state.identity));
  const operates = useApp((state) => mayContinue(state.identity));
  const mayWrite = useApp(
    ({ network }) =>
      network?.console?.can_send_human === true && network.capabilities.direct_messages !== false,
  );
  if (!agent) {
    return (
      <>
        <PageHeader title={`@${plainName(id)}`} mark={<Icon name="agents" />} />
        {boot === 'ready' && (
          <Empty title={texts.noSuchAgent} text={texts.noSuchAgentText}>
            <Link href={paths.agents}>{texts.agents}</Link>
          </Empty>
        )}
      </>
    );
  }
  const name = agentName(agent);
  return (
    <>
      <PageHeader
        title={plainName(agent.name ?? '') || agent.id}
        mark={<Icon name="agents" />}
        about={`@${plainName(agent.id)} · ${presenceWords(agent)}`}
      >
        {mayWrite && (
          <LinkButton href={paths.dmWith(agent.id)} icon="dm" label={texts.messageTo(name)}>
            {texts.writeShort}
          </LinkButton>
        )}
        <PauseButton scope={`agent:${agent.id}`} name={name} />
      </PageHeader>
      <div className={styles.scroller} tabIndex={-1}>
        <div className={styles.column}>
          <Now agent={agent} />
          {operates && <WakeTest agent={agent} />}
          <FailedWakes agentId={agent.id} />
          {observes && <Turns agent={agent} />}
          {observes && <AgentUsage id={agent.id} />}
          <Admin agent={agent} />
        </div>
      </div>
    </>
  );
}

function Now({ agent }: { agent: AgentSummary }) {
  const nameOf = useConversationName();
  const failure = agent.last_wake_failure;
  return (
    <section className={styles.section} aria-label={texts.agentNow}>
      <h2>{texts.agentNow}</h2>
      <PausedNote scope={`agent:${agent.id}`} />
      <ul className={styles.list}>
        {agent.working?.map((wake) => (
          <li key={wake.wake_id} className={styles.line}>
            <Icon name="pulse" size={15} />
            <span>
              {texts.workingSince(shortTime(wake.since))}
              {wake.conversation && (
                <>
                  {' '}
                  {texts.inPlace}{' '}
                  <Link href={paths.conversation(wake.conversation)}>{nameOf(wake.conversation)}</Link>
                </>
              )}
            </span>
          </li>
        ))}
        {!agent.working?.length && (
          <li className={styles.line}>
            <span>
              {presenceWords(agent)}
              {agent.connected &&
                agent.connected_since &&
                `, ${texts.sinceTime(shortTime(agent.connected_since))}`}
            </span>
          </li>
        )}
        {agent.cannot_wake && (
          <li className={styles.line}>
            <Icon name="warning" size={15} />
            <div className={styles.wide}>
              <strong className={styles.bad}>{texts.cannotWake}</strong>
              <code className={styles.code} dir="auto">
                {plainName(agent.cannot_wake).slice(0, 600)}
              </code>
            </div>
          </li>
        )}
        {failure && (
          <li className={styles.line}>
            <Icon name="warning" size={15} />
            <div className={styles.wide}>
              <p title={exactTime(failure.at)}>
                {texts.wakeFailed(shortTime(failure.at))}
                {failure.classification &&
                  `: ${texts.wakeFailures[failure.classification] ?? plainName(failure.classification)}`}
              </p>
              {failure.error && (
                <code className={styles.code} dir="auto">
                  {failure.error.slice(0, 600)}
                </code>
              )}
            </div>
          </li>
        )}
        <li className={styles.line}>
          <Icon name="hash" size={15} />
          <span>
            {agent.rooms && agent.rooms.length > 0
              ? agent.rooms.map((room, index) => (
                  <span key={room}>
                    {index > 0 && ', '}
                    <Link href={paths.room(room)}>{nameOf(`room:${room}`)}</Link>
                  </span>
                ))
              : texts.noRooms}
          </span>
        </li>
      </ul>
    </section>
  );
}

/** Whether a message would wake it now; costs no turn. */
function WakeTest({ agent }: { agent: AgentSummary }) {
  const { working, error, run } = useAction();
  const [result, setResult] = useState<string>();
  const test = () =>
    run(async () => {
      setResult(undefined);
      const { ok, reason, runtime } = await api.wakeTest(agent.id);
      const kind = runtime ? [runtime.kind, runtime.version].filter(Boolean).join(' ') : undefined;
      setResult(ok ? texts.wakeTestOk(kind) : texts.wakeTestNo(plainName(reason ?? '')));
    });
  return (
    <p className={styles.line}>
      <Button onClick={() => void test()} disabled={working}>
        {texts.wakeTest}
      </Button>
      <span role="status" className={styles.small}>
        {working ? texts.wakeTesting : (error ?? result ?? texts.wakeTestHelp)}
      </span>
    </p>
  );
}

/** Its turns: those that run, and how the last ones ended. */
function Turns({ agent }: { agent: AgentSummary }) {
  const client = useClient();
  const read = useCallback(async () => {
    const [open, ended] = await Promise.all([
      api.deliveries('open', agent.id),
      api.deliveries('ended', agent.id, TURNS),
    ]);
    return [...open, ...ended];
  }, [agent.id]);
  const { value: turns, error, again } = useRead(read);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = client.watch(({ receipt }) => {
      if (receipt?.agent_id !== agent.id) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        again();
      }, 700);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [client, agent.id, again]);
  return (
    <section className={styles.section} aria-label={texts.turns}>
      <h2>{texts.turns}</h2>
      {error !== undefined && <p role="alert">{error}</p>}
      {turns?.length === 0 && <p>{texts.noTurns}</p>}
      <ul className={styles.list}>
        {turns?.map((turn) => (
          <Turn key={`${turn.wake_id} ${turn.state}`} turn={turn} />
        ))}
      </ul>
    </section>
  );
}

function Turn({ turn }: { turn: DeliveryItem }) {
  const nameOf = useConversationName();
  const { state, opened_at, closed_at } = turn;
  const at = closed_at ?? opened_at;
  const took = opened_at && closed_at ? millis(closed_at) - millis(opened_at) : undefined;
  return (
    <li className={styles.line}>
      <Icon name={state === 'failed' ? 'warning' : state === 'open' ? 'pulse' : 'receipt'} size={15} />
      <div className={styles.wide}>
        <p>
          <span className={state === 'failed' ? styles.bad : undefined}>{texts.turnStates[state]}</span>{' '}
          {texts.inPlace}{' '}
          <Link href={paths.conversation(turn.conversation, turn.answer_id ?? turn.message_id)}>
            <bdi>{nameOf(turn.conversation)}</bdi>
          </Link>
          {(turn.attempts ?? 1) > 1 && (
            <span className={styles.small}> {texts.attempts(turn.attempts!)}</span>
          )}
        </p>
        {turn.error && <code className={styles.code}>{turn.error.slice(0, 300)}</code>}
      </div>
      {at && (
        <span className={styles.end}>
          {took !== undefined && `${texts.tookTime(took)} · `}
          <time dateTime={at} title={exactTime(at)}>
            {shortTime(at)}
          </time>
        </span>
      )}
    </li>
  );
}

function AgentUsage({ id }: { id: string }) {
  const read = useCallback(() => api.usage(14), []);
  const { value: report } = useRead(read);
  const byDay = useMemo(
    () => (report ? usageByDay(report, new Date(), (item) => item.agent_id === id) : []),
    [report, id],
  );
  const bars = (of: (sums: (typeof byDay)[number]['sums']) => number) =>
    byDay.map(({ day, sums }) => ({ day, value: of(sums) }));
  if (byDay.length === 0) return null;
  return (
    <section className={styles.section} aria-label={texts.usage}>
      <h2>{texts.usage}</h2>
      <div className={charts.charts}>
        <DayChart title={texts.wakes} bars={bars((sums) => sums.wakes)} />
        <DayChart title={texts.tokens} bars={bars((sums) => sums.tokens)} format={shortCount} />
        <DayChart title={texts.cost} bars={bars((sums) => sums.cost_usd)} format={dollars} />
      </div>
    </section>
  );
}

function Admin({ agent }: { agent: AgentSummary }) {
  const administers = useApp((state) => mayAdminister(state.identity));
  const hasTokens = useApp((state) => state.identity?.mode !== 'none');
  const [asking, setAsking] = useState<'rotate' | 'remove'>();
  if (!administers) return null;
  return (
    <section className={styles.section} aria-label={texts.administer}>
      <h2>{texts.administer}</h2>
      <p className={styles.line}>
        {hasTokens && (
          <Button onClick={() => setAsking('rotate')}>
            <Icon name="key" size={14} /> {texts.rotate}
          </Button>
        )}
        <Button onClick={() => setAsking('remove')}>
          <Icon name="trash" size={14} /> {texts.removeAgent}
        </Button>
      </p>
      {asking === 'rotate' && <RotateTokenDialog agent={agent} onClose={() => setAsking(undefined)} />}
      {asking === 'remove' && <RemoveAgentDialog agent={agent} onClose={() => setAsking(undefined)} />}
    </section>
  );
}
