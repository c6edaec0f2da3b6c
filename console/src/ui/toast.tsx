import { useEffect, useSyncExternalStore } from 'react';
import { createStore } from '../live/store.ts';
import { texts, wordsOf } from '../texts.ts';
import { Button, IconButton } from './controls.tsx';
import styles from './toast.module.css';

interface Said {
  text: string;
  undo?: (() => Promise<unknown>) | undefined;
}

const said = createStore<Said | undefined>(undefined);
const SHOWN_MS = 8_000;

/** Says what was done, with the way back where there is one. */
export const tell = (text: string, undo?: () => Promise<unknown>): void =>
  said.update(() => ({ text, undo }));

export function Toast() {
  const now = useSyncExternalStore(said.subscribe, said.get);
  useEffect(() => {
    if (!now) return;
    const timer = setTimeout(() => said.update((known) => (known === now ? undefined : known)), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [now]);
  const close = () => said.update(() => undefined);
  return (
    <div role="status" className={styles.place}>
      {now && (
        <div className={styles.toast}>
          <p>{now.text}</p>
          {now.undo && (
            <Button
              onClick={() => {
                close();
                now.undo?.().then(
                  () => tell(texts.undone),
                  (error: unknown) => tell(wordsOf(error)),
                );
              }}
            >
              {texts.undo}
            </Button>
          )}
          <IconButton icon="close" label={texts.close} onClick={close} />
        </div>
      )}
    </div>
  );
}
