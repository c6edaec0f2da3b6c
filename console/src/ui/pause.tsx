import { useState } from 'react';
import { useApp, useClient } from '../live/client.ts';
import { mayContinue } from '../model/me.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { texts, wordsOf } from '../texts.ts';
import { Button, IconButton } from './controls.tsx';
import { Icon } from './icons.tsx';
import styles from './pause.module.css';
import { tell } from './toast.tsx';

/** Pauses a room, an agent or everything, or lets it go on; for those who may. */
export function PauseButton({
  scope,
  name,
  label,
  compact,
}: {
  scope: string;
  name: string;
  label?: string;
  /** An icon alone. */
  compact?: boolean;
}) {
  const client = useClient();
  const allowed = useApp(({ identity }) => mayContinue(identity));
  const paused = useApp(({ pauses }) => pauses[scope] !== undefined);
  const [state, setState] = useState<'idle' | 'working' | { error: string }>('idle');
  if (!allowed) return null;
  const change = async () => {
    setState('working');
    try {
      await client.setPaused(scope, !paused);
      setState('idle');
      tell(paused ? texts.goesOn(name) : texts.isPaused(name), () => client.setPaused(scope, paused));
    } catch (error) {
      setState({ error: wordsOf(error) });
    }
  };
  const words = paused ? texts.unpauseOf(name) : texts.pauseOf(name);
  return (
    <>
      {compact ? (
        <IconButton
          icon={paused ? 'play' : 'pause'}
          label={words}
          onClick={() => void change()}
          disabled={state === 'working'}
        />
      ) : (
        <Button
          narrow
          onClick={() => void change()}
          disabled={state === 'working'}
          title={words}
          aria-label={words}
        >
          <Icon name={paused ? 'play' : 'pause'} size={13} />
          <span>{paused ? texts.unpause : (label ?? texts.pause)}</span>
        </Button>
      )}
      {typeof state === 'object' && (
        <span role="alert" className={styles.error}>
          {state.error}
        </span>
      )}
    </>
  );
}

/** Says that something is paused, and since when. */
export function PausedNote({ scope }: { scope: string }) {
  const pause = useApp(({ pauses }) => pauses[scope]);
  if (!pause) return null;
  return (
    <span className={styles.paused} title={exactTime(millis(pause.at))}>
      <Icon name="pause" size={12} /> {texts.pausedSince(shortTime(pause.at))}
    </span>
  );
}
