import { useCallback, useState, type FormEvent } from 'react';
import type { Pairing, PairingInvite } from '../../../src/protocol/pairings.ts';
import { api } from '../live/api.ts';
import { useApp, useClient } from '../live/client.ts';
import { mayAdminister } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { exactTime, millis, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { Button, CopyLine, Dialog, DialogButtons, DialogError, Field, Labelled } from './controls.tsx';
import { cx } from './cx.ts';
import { ConfirmDialog } from './confirm.tsx';
import { Icon } from './icons.tsx';
import styles from './panel.module.css';
import room from './room-dialogs.module.css';
import { tell } from './toast.tsx';
import { useAction, useRead } from './use-read.ts';

/** Links to other networks: how they are, and for admins how they begin and end. */
export function Pairings() {
  const pairings = useApp((state) => state.pairings);
  const administers = useApp((state) => mayAdminister(state.identity));
  const [asking, setAsking] = useState<'invite' | 'accept'>();
  const read = useCallback(async () => (administers ? await api.pairingInvites() : undefined), [administers]);
  const { value: invites, again } = useRead(read);
  const close = () => {
    setAsking(undefined);
    again();
  };
  return (
    <section className={styles.section} aria-label={texts.pairings}>
      <div className={styles.sectionHead}>
        <h2>{texts.pairings}</h2>
        {invites && (
          <span className={styles.actions}>
            <Button onClick={() => setAsking('invite')}>{texts.inviteNetwork}</Button>
            <Button onClick={() => setAsking('accept')}>{texts.haveCode}</Button>
          </span>
        )}
      </div>
      <p>{pairings.length === 0 ? texts.noPairings : texts.pairingsText}</p>
      <ul className={styles.list}>
        {pairings.map((pairing) => (
          <PairingLine key={pairing.id} pairing={pairing} />
        ))}
      </ul>
      {invites && invites.length > 0 && (
        <>
          <p className={styles.small}>{texts.openInvites}</p>
          <ul className={styles.list}>
            {invites.map((invite) => (
              <InviteLine key={invite.id} invite={invite} again={again} />
            ))}
          </ul>
        </>
      )}
      {asking === 'invite' && <InviteDialog onClose={close} />}
      {asking === 'accept' && <AcceptDialog onClose={close} />}
    </section>
  );
}

const nameOf = (pairing: Pairing): string =>
  plainName(pairing.remote_network_name ?? '') || plainName(pairing.remote_network_id ?? pairing.id);
const hashed = (rooms: readonly string[]): string => rooms.map((id) => `#${plainName(id)}`).join(', ');

function PairingLine({ pairing }: { pairing: Pairing }) {
  const administers = useApp((state) => mayAdminister(state.identity));
  const [ending, setEnding] = useState(false);
  const { status, diagnostics, relay, rooms } = pairing;
  const tone =
    status === 'connected'
      ? styles.good
      : status === 'pending'
        ? styles.warn
        : status !== 'unknown' && styles.bad;
  const facts = [
    plainName(pairing.remote_base_url ?? ''),
    rooms && rooms.length > 0 && texts.sharedRooms(hashed(rooms)),
    relay &&
      relay.waiting > 0 &&
      texts.relayWaits(relay.waiting, relay.waiting_since ? shortTime(relay.waiting_since) : ''),
    relay && relay.refused > 0 && texts.relayRefused(relay.refused),
  ].filter(Boolean);
  const trouble = (status !== 'connected' && diagnostics?.message) || relay?.last_refusal?.reason;
  return (
    <li className={styles.line}>
      <Icon name="network" size={15} />
      <div className={styles.wide}>
        <p>
          <bdi className={styles.name}>{nameOf(pairing)}</bdi>{' '}
          <span className={cx(styles.small, tone)}>
            {texts.pairingStatus[status] ?? plainName(status)}
            {diagnostics?.checked_at && millis(diagnostics.checked_at) > 0 && (
              <time dateTime={diagnostics.checked_at} title={exactTime(diagnostics.checked_at)}>
                {' '}
                · {shortTime(diagnostics.checked_at)}
              </time>
            )}
          </span>
        </p>
        <p className={styles.small}>{facts.join(' · ')}</p>
        {trouble && <code className={styles.code}>{plainName(trouble).slice(0, 400)}</code>}
      </div>
      {administers && pairing.source === 'store' && (
        <span className={styles.actions}>
          <Button onClick={() => setEnding(true)}>{texts.endPairing}</Button>
        </span>
      )}
      {ending && <EndDialog pairing={pairing} onClose={() => setEnding(false)} />}
    </li>
  );
}

function InviteLine({
  invite,
  again,
}: {
  invite: Pick<PairingInvite, 'id' | 'rooms' | 'expires_at'>;
  again: () => void;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <li className={styles.line}>
      <Icon name="key" size={15} />
      <span className={styles.about}>
        {[invite.rooms.length > 0 && hashed(invite.rooms), texts.inviteUntil(shortTime(invite.expires_at))]
          .filter(Boolean)
          .join(' · ')}
      </span>
      <span className={styles.actions}>
        <Button onClick={() => setAsking(true)}>{texts.dropInvite}</Button>
      </span>
      {asking && (
        <ConfirmDialog
          title={texts.dropInviteTitle}
          action={texts.dropInvite}
          run={() => api.removePairingInvite(invite.id)}
          onDone={again}
          onClose={() => setAsking(false)}
        >
          {texts.dropInviteText}
        </ConfirmDialog>
      )}
    </li>
  );
}

function InviteDialog({ onClose }: { onClose: () => void }) {
  const rooms = useApp((state) => state.rooms);
  const [shared, setShared] = useState<readonly string[]>([]);
  const [code, setCode] = useState<string>();
  const { working, error, run } = useAction();
  const make = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => setCode((await api.invitePairing(shared)).code));
  };
  return (
    <Dialog title={texts.inviteNetwork} onClose={onClose} wide>
      {code === undefined ? (
        <form className={room.form} onSubmit={make}>
          <p>{texts.inviteNetworkText}</p>
          <fieldset className={room.members}>
            <legend>{texts.sharedTitle}</legend>
            <div className={room.picks}>
              {rooms.map((each) => (
                <label key={each.id} className={room.pick}>
                  <input
                    type="checkbox"
                    checked={shared.includes(each.id)}
                    onChange={(event) =>
                      setShared(
                        event.target.checked ? [...shared, each.id] : shared.filter((id) => id !== each.id),
                      )
                    }
                  />
                  <bdi>{plainName(each.name) || each.id}</bdi>
                </label>
              ))}
            </div>
          </fieldset>
          {error !== undefined && <DialogError>{error}</DialogError>}
          <DialogButtons>
            <Button onClick={onClose}>{texts.cancel}</Button>
            <Button kind="primary" type="submit" disabled={working || shared.length === 0}>
              {texts.makeInvite}
            </Button>
          </DialogButtons>
        </form>
      ) : (
        <>
          <p>{texts.inviteMade}</p>
          <CopyLine text={texts.pairCommand(code)} label="moltnet pair" />
          <DialogButtons>
            <Button onClick={onClose} autoFocus>
              {texts.close}
            </Button>
          </DialogButtons>
        </>
      )}
    </Dialog>
  );
}

function AcceptDialog({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const [code, setCode] = useState('');
  const { working, error, run } = useAction();
  const accept = async (event: FormEvent) => {
    event.preventDefault();
    const done = await run(async () => {
      const { pairing } = await api.acceptPairing(code.trim());
      tell(texts.paired(nameOf(pairing)));
      await client.facts.pairings();
    });
    if (done) onClose();
  };
  return (
    <Dialog title={texts.codeTitle} onClose={onClose}>
      <form className={room.form} onSubmit={(event) => void accept(event)}>
        <p>{texts.codeText}</p>
        <Labelled label={texts.code}>
          <Field
            value={code}
            onChange={(event) => setCode(event.target.value)}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            autoFocus
            required
          />
        </Labelled>
        {error !== undefined && <DialogError>{error}</DialogError>}
        <DialogButtons>
          <Button onClick={onClose}>{texts.cancel}</Button>
          <Button kind="primary" type="submit" disabled={working || code.trim() === ''}>
            {texts.pair}
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}

function EndDialog({ pairing, onClose }: { pairing: Pairing; onClose: () => void }) {
  const client = useClient();
  const name = nameOf(pairing);
  return (
    <ConfirmDialog
      title={texts.endPairingTitle(name)}
      action={texts.endPairingConfirm}
      run={async () => {
        await api.removePairing(pairing.id);
        await client.facts.pairings();
      }}
      onDone={() => tell(texts.pairingEnded(name))}
      onClose={onClose}
    >
      {texts.endPairingText}
    </ConfirmDialog>
  );
}
