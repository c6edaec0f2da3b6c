import { useEffect, useRef, useState } from 'react';
import { actorName } from '../model/names.ts';
import type { Row } from '../model/rows.ts';
import { texts } from '../texts.ts';
import { Hidden } from './controls.tsx';
import styles from './timeline.module.css';

/** New messages are read out at most this often. */
const ANNOUNCE_MS = 1_500;

/** Tells screen readers what arrived, in one sentence however much it was. */
export function Announcer({ rows }: { rows: readonly Row[] }) {
  const [sentence, setSentence] = useState('');
  const told = useRef<string>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const current = useRef(rows);
  current.current = rows;
  useEffect(() => {
    told.current ??= rows.at(-1)?.key;
    if (told.current === rows.at(-1)?.key || timer.current !== undefined) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      const since = current.current.findLastIndex((row) => row.key === told.current);
      const fresh = current.current.slice(since + 1).filter((row) => !row.outgoing);
      told.current = current.current.at(-1)?.key;
      const [only] = fresh;
      if (fresh.length === 1 && only)
        setSentence(
          texts.announced(actorName(only.message.from), (only.message.parts[0]?.text ?? '').slice(0, 200)),
        );
      else if (fresh.length > 1) setSentence(texts.announcedMany(fresh.length));
    }, ANNOUNCE_MS);
  }, [rows]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <div aria-live="polite" role="status" className={styles.announcer}>
      <Hidden>{sentence}</Hidden>
    </div>
  );
}
