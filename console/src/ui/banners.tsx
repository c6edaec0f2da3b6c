import { useState } from 'react';
import { useApp } from '../live/client.ts';
import { remember } from '../live/remember.ts';
import { texts } from '../texts.ts';
import styles from './banners.module.css';
import { IconButton } from './controls.tsx';
import { cx } from './cx.ts';
import { Icon } from './icons.tsx';
import { PauseButton } from './pause.tsx';

/** What concerns the whole console: the connection, and the network's own warnings. */
export function Banners() {
  const connection = useApp((state) => state.connection);
  const allPaused = useApp((state) => state.pauses['*'] !== undefined);
  const warnings = useApp((state) => state.network?.warnings);
  const [dismissed, setDismissed] = useState(() => remember.dismissed().split(' '));
  const dismiss = (code: string) => {
    const codes = [...dismissed, code];
    setDismissed(codes);
    remember.setDismissed(codes.join(' '));
  };
  return (
    <>
      <div role="status">
        {connection === 'lost' && <p className={cx(styles.banner, styles.lost)}>{texts.lost}</p>}
        {connection === 'back' && (
          <p className={cx(styles.banner, styles.back)}>
            <Icon name="check" size={14} /> {texts.back}
          </p>
        )}
      </div>
      {allPaused && (
        <div className={cx(styles.banner, styles.network, styles.warning)}>
          <Icon name="pause" size={14} />
          <p>{texts.pausedAll}</p>
          <PauseButton scope="*" name={texts.everything} />
        </div>
      )}
      {warnings
        ?.filter((warning) => !dismissed.includes(warning.code))
        .map((warning) => (
          <div key={warning.code} className={cx(styles.banner, styles.network, styles[warning.severity])}>
            <Icon name="warning" size={14} />
            <p>
              {warning.message} {warning.action && <span className={styles.action}>{warning.action}</span>}
            </p>
            <IconButton icon="close" label={texts.dismissWarning} onClick={() => dismiss(warning.code)} />
          </div>
        ))}
    </>
  );
}
