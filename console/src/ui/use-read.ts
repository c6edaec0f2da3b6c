import { useCallback, useEffect, useState } from 'react';
import { wordsOf } from '../texts.ts';

export interface Read<T> {
  value: T | undefined;
  error: string | undefined;
  again(): void;
}

/** What `read` resolves with; read anew when it is another function (memoize it), or when asked for. */
export function useRead<T>(read: () => Promise<T>): Read<T> {
  const [state, setState] = useState<{ value?: T; error?: string }>({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    let current = true;
    read().then(
      (value) => current && setState({ value }),
      (error: unknown) => current && setState((known) => ({ ...known, error: wordsOf(error) })),
    );
    return () => {
      current = false;
    };
  }, [read, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  return { value: state.value, error: state.error, again };
}

/** Something that is asked of the server by a button: idle, working, or what went wrong. */
export function useAction(): {
  working: boolean;
  error: string | undefined;
  run(action: () => Promise<unknown>): Promise<boolean>;
} {
  const [state, setState] = useState<{ working: boolean; error?: string }>({ working: false });
  const run = useCallback(async (action: () => Promise<unknown>) => {
    setState({ working: true });
    try {
      await action();
      setState({ working: false });
      return true;
    } catch (error) {
      setState({ working: false, error: wordsOf(error) });
      return false;
    }
  }, []);
  return { working: state.working, error: state.error, run };
}
