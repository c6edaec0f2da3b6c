import { useState, type FormEvent } from 'react';
import { ApiError } from '../live/api.ts';
import { useClient } from '../live/client.ts';
import { texts, wordsOf } from '../texts.ts';
import { Button, Dialog, DialogError, Field } from './controls.tsx';
import styles from './sign-in.module.css';

/** All there is to see of a network that shows nothing without a credential. */
export function SignInPage() {
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <h1>{texts.product}</h1>
        <SignInForm />
      </div>
    </main>
  );
}

/** Signing in where one can read without it. */
export function SignInDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={texts.signIn} onClose={onClose}>
      <SignInForm />
    </Dialog>
  );
}

function SignInForm() {
  const client = useClient();
  const [token, setToken] = useState('');
  const [state, setState] = useState<'idle' | 'working' | { error: string }>('idle');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() === '') return;
    setState('working');
    // On success the console begins anew, and this form is gone.
    client.signIn(token.trim()).catch((error: unknown) =>
      setState({
        error: error instanceof ApiError && error.status === 401 ? texts.unknownToken : wordsOf(error),
      }),
    );
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <p>{texts.signInHelp}</p>
      <label>
        {texts.token}
        <Field
          type="password"
          name="token"
          value={token}
          onChange={(event) => setToken(event.target.value)}
          autoComplete="current-password"
          autoCapitalize="off"
          spellCheck={false}
          autoFocus
          required
        />
      </label>
      {typeof state === 'object' && <DialogError>{state.error}</DialogError>}
      <Button kind="primary" type="submit" disabled={state === 'working'}>
        {state === 'working' ? texts.signingIn : texts.signIn}
      </Button>
    </form>
  );
}
