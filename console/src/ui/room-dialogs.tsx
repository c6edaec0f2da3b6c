import { useId, useState, type FormEvent } from 'react';
import type { Room } from '../../../src/protocol/rooms.ts';
import { api } from '../live/api.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { Button, Dialog, DialogButtons, DialogError, Field, Labelled, Select } from './controls.tsx';
import { MemberPicker, Members } from './room-members.tsx';
import { navigate, paths } from './router.ts';
import styles from './room-dialogs.module.css';
import { tell } from './toast.tsx';
import { ConfirmDialog } from './confirm.tsx';
import { useAction } from './use-read.ts';

const VISIBILITIES = ['public', 'private'] as const;
const POLICIES = ['registered_agents', 'members', 'operators'] as const;

/** A new room; it is on screen as soon as it is there. */
export function CreateRoomDialog({ onClose }: { onClose: () => void }) {
  const [id, setId] = useState('');
  const [visibility, setVisibility] = useState<string>('public');
  const [policy, setPolicy] = useState<string>('registered_agents');
  const [members, setMembers] = useState<readonly string[]>([]);
  const { working, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const room = id.trim();
    const done = await run(() =>
      api.createRoom({
        id: room,
        name: undefined,
        members: [...members],
        visibility,
        write_policy: policy,
        guard: undefined,
        credential: undefined,
      }),
    );
    if (!done) return;
    onClose();
    navigate(paths.room(room));
    // Nothing was said in it yet.
    tell(texts.roomCreated(`#${room}`), async () => {
      await api.removeRoom(room);
      navigate(paths.home, { replace: true });
    });
  };
  return (
    <Dialog title={texts.createRoom} onClose={onClose}>
      <form className={styles.form} onSubmit={(event) => void submit(event)}>
        <Labelled label={texts.roomId} help={texts.roomIdHelp}>
          <Field
            value={id}
            onChange={(event) => setId(event.target.value)}
            required
            maxLength={128}
            pattern="[A-Za-z0-9][A-Za-z0-9._:\-]*"
            autoCapitalize="off"
            autoComplete="off"
            spellCheck={false}
            autoFocus
          />
        </Labelled>
        <RoomRules
          visibility={visibility}
          policy={policy}
          onVisibility={setVisibility}
          onPolicy={setPolicy}
        />
        <fieldset className={styles.members}>
          <legend>{texts.membersTitle}</legend>
          <MemberPicker chosen={members} onChange={setMembers} />
        </fieldset>
        {error !== undefined && <DialogError>{error}</DialogError>}
        <DialogButtons>
          <Button onClick={onClose}>{texts.cancel}</Button>
          <Button kind="primary" type="submit" disabled={working || id.trim() === ''}>
            {texts.create}
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}

function RoomRules({
  visibility,
  policy,
  onVisibility,
  onPolicy,
}: {
  visibility: string;
  policy: string;
  onVisibility: (value: string) => void;
  onPolicy: (value: string) => void;
}) {
  return (
    <>
      <Labelled label={texts.whoReads} help={texts.visibilityHelp[visibility]}>
        <Select value={visibility} onChange={(event) => onVisibility(event.target.value)}>
          {VISIBILITIES.map((value) => (
            <option key={value} value={value}>
              {texts.visibilities[value]}
            </option>
          ))}
        </Select>
      </Labelled>
      <Labelled label={texts.whoWrites}>
        <Select value={policy} onChange={(event) => onPolicy(event.target.value)}>
          {POLICIES.map((value) => (
            <option key={value} value={value}>
              {texts.policies[value]}
            </option>
          ))}
        </Select>
      </Labelled>
    </>
  );
}

/** What a room is called, who reads and writes in it, who is in it; and its end. */
export function RoomSettingsDialog({ room, onClose }: { room: Room; onClose: () => void }) {
  const [name, setName] = useState(room.name);
  const [visibility, setVisibility] = useState(room.visibility ?? 'private');
  const [policy, setPolicy] = useState(room.write_policy ?? 'members');
  const [removing, setRemoving] = useState(false);
  const form = useId();
  const { working, error, run } = useAction();
  const before = { name: room.name, visibility: room.visibility, write_policy: room.write_policy };
  const changed = name !== room.name || visibility !== room.visibility || policy !== room.write_policy;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const done = await run(() =>
      api.updateRoom(room.id, { name: name.trim(), visibility, write_policy: policy }),
    );
    if (!done) return;
    onClose();
    tell(texts.roomChanged(`#${plainName(name)}`), () =>
      api.updateRoom(room.id, {
        name: before.name,
        ...(before.visibility ? { visibility: before.visibility } : {}),
        ...(before.write_policy ? { write_policy: before.write_policy } : {}),
      }),
    );
  };
  if (removing) return <RemoveRoomDialog room={room} onClose={onClose} />;
  return (
    <Dialog title={texts.roomSettings(plainName(room.name) || room.id)} onClose={onClose}>
      <form id={form} className={styles.form} onSubmit={(event) => void save(event)}>
        <Labelled label={texts.roomName}>
          <Field value={name} onChange={(event) => setName(event.target.value)} maxLength={128} />
        </Labelled>
        <RoomRules
          visibility={visibility}
          policy={policy}
          onVisibility={setVisibility}
          onPolicy={setPolicy}
        />
      </form>
      <Members room={room} />
      {error !== undefined && <DialogError>{error}</DialogError>}
      <DialogButtons>
        <Button className={styles.left} onClick={() => setRemoving(true)}>
          {texts.removeRoom}
        </Button>
        <Button onClick={onClose}>{texts.cancel}</Button>
        <Button kind="primary" type="submit" form={form} disabled={working || !changed}>
          {texts.save}
        </Button>
      </DialogButtons>
    </Dialog>
  );
}

function RemoveRoomDialog({ room, onClose }: { room: Room; onClose: () => void }) {
  const name = `#${plainName(room.name) || room.id}`;
  return (
    <ConfirmDialog
      title={texts.removeRoomTitle(name)}
      action={texts.removeRoom}
      run={() => api.removeRoom(room.id)}
      onDone={() => {
        navigate(paths.home, { replace: true });
        tell(texts.roomRemoved(name));
      }}
      onClose={onClose}
    >
      {texts.removeRoomText(room.id)}
    </ConfirmDialog>
  );
}
