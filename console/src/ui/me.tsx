import { useState, type FormEvent } from 'react';
import { useApp, useClient } from '../live/client.ts';
import { actorKey, personActor, personId, plainName } from '../model/names.ts';
import { isAnonymous, type Me as MeType } from '../model/me.ts';
import { texts, wordsOf } from '../texts.ts';
import { Avatar, Button, Dialog, DialogButtons, Field, Hidden, IconButton } from './controls.tsx';
import { cx } from './cx.ts';
import styles from './sidebar.module.css';
import { SignInDialog } from './sign-in.tsx';

/** Who is at this screen: under which name they write, and the way in or out. */
export function Me() {
  const me = useApp((state) => state.me);
  const identity = useApp((state) => state.identity);
  const canWrite = useApp((state) => state.network?.console?.can_send_human === true);
  const networkId = useApp((state) => state.network?.id ?? '');
  const anonymous = isAnonymous(identity);
  if (!canWrite && !anonymous && identity?.credential !== 'session') return null;
  return (
    <footer className={styles.me}>
      {anonymous ? (
        <SignIn />
      ) : !canWrite ? (
        <span className={styles.meButton}>
          <span className={cx(styles.label, styles.meHint)}>{texts.readingOnly}</span>
        </span>
      ) : me.bound ? (
        <span className={styles.meButton}>
          <Self me={me} networkId={networkId} hint={texts.signedInAs} />
        </span>
      ) : (
        <ChangeName me={me} networkId={networkId} />
      )}
      {identity?.credential === 'session' && <SignOut />}
    </footer>
  );
}

function Self({ me, networkId, hint }: { me: MeType; networkId: string; hint: string }) {
  return (
    <>
      <Avatar name={me.name} id={actorKey(personActor(me, networkId))} type="human" small />
      <span className={styles.label}>
        <span className={styles.meHint}>{hint}</span> <bdi>{me.name}</bdi>
      </span>
    </>
  );
}

function ChangeName({ me, networkId }: { me: MeType; networkId: string }) {
  const [changing, setChanging] = useState(false);
  return (
    <>
      <button
        type="button"
        className={styles.meButton}
        onClick={() => setChanging(true)}
        title={texts.changeName}
      >
        <Self me={me} networkId={networkId} hint={texts.writingAs} />
      </button>
      {changing && <NameDialog onClose={() => setChanging(false)} />}
    </>
  );
}

function SignIn() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button className={styles.signIn} onClick={() => setOpen(true)}>
        {texts.signIn}
      </Button>
      {open && <SignInDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function SignOut() {
  const client = useClient();
  const [error, setError] = useState<string>();
  return (
    <>
      <IconButton
        icon="leave"
        label={texts.signOut}
        onClick={() => client.signOut().catch((reason: unknown) => setError(wordsOf(reason)))}
      />
      {error !== undefined && <Hidden>{error}</Hidden>}
    </>
  );
}

function NameDialog({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const [name, setName] = useState(client.store.get().me.name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const plain = plainName(name).slice(0, 64);
    if (plain !== '') client.setName(plain);
    onClose();
  };
  return (
    <Dialog title={texts.nameTitle} onClose={onClose}>
      <form onSubmit={submit}>
        <p>{texts.nameHelp}</p>
        <Field
          value={name}
          onChange={(event) => setName(event.target.value)}
          aria-label={texts.nameTitle}
          maxLength={64}
          autoFocus
          autoComplete="nickname"
          spellCheck={false}
        />
        <p>{texts.nameId(personId(name))}</p>
        <DialogButtons>
          <Button onClick={onClose}>{texts.cancel}</Button>
          <Button kind="primary" type="submit">
            {texts.save}
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}
