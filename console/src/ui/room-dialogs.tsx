import { useId, useState, type FormEvent } from 'react';
import type { Room } from '../../../src/protocol/rooms.ts';
import { api } from '../live/api.ts';
import { useApp } from '../live/client.ts';
import { agentName, plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import {
  Button,
  Dialog,
  DialogButtons,
  DialogError,
  Field,
  IconButton,
  Labelled,
  Select,
} from './controls.tsx';
import { navigate, paths } from './router.ts';
import styles from './room-dialogs.module.css';
import { tell } from './toast.tsx';
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

/** Agents to tick, and ids of others to type. */
function MemberPicker({
  chosen,
  onChange,
}: {
  chosen: readonly string[];
  onChange: (members: readonly string[]) => void;
}) {
  const agents = useApp((state) => state.agents);
  const known = agents.slice(0, 100);
  const others = chosen.filter((id) => !known.some((agent) => agent.id === id));
  const [typed, setTyped] = useState('');
  const add = () => {
    const id = typed.trim();
    if (id !== '' && !chosen.includes(id)) onChange([...chosen, id]);
    setTyped('');
  };
  const toggle = (id: string, on: boolean) =>
    onChange(on ? [...chosen, id] : chosen.filter((other) => other !== id));
  return (
    <>
      <div className={styles.picks}>
        {[
          ...known.map((agent) => [agent.id, agentName(agent)] as const),
          ...others.map((id) => [id, id] as const),
        ].map(([id, name]) => (
          <label key={id} className={styles.pick}>
            <input
              type="checkbox"
              checked={chosen.includes(id)}
              onChange={(event) => toggle(id, event.target.checked)}
            />
            <bdi>{plainName(name)}</bdi>
          </label>
        ))}
      </div>
      <div className={styles.add}>
        <Field
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return;
            event.preventDefault();
            add();
          }}
          placeholder={texts.memberId}
          aria-label={texts.memberId}
          autoCapitalize="off"
          spellCheck={false}
        />
        <Button onClick={add} disabled={typed.trim() === ''}>
          {texts.add}
        </Button>
      </div>
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

/** Members come and go at once, each with the way back. */
function Members({ room }: { room: Room }) {
  const live = useApp((state) => state.rooms.find((known) => known.id === room.id)) ?? room;
  const agents = useApp((state) => state.agents);
  const { error, run } = useAction();
  const [typed, setTyped] = useState('');
  const members = live.members ?? [];
  const nameOf = (id: string) => {
    const agent = agents.find((known) => known.id === id);
    return (agent && agentName(agent)) || plainName(id);
  };
  const change = (id: string, how: 'add' | 'remove') =>
    run(async () => {
      const back = how === 'add' ? 'remove' : 'add';
      await api.roomMembers(room.id, { [how]: [id] });
      tell(how === 'add' ? texts.memberAdded(nameOf(id)) : texts.memberRemoved(nameOf(id)), () =>
        api.roomMembers(room.id, { [back]: [id] }),
      );
    });
  const add = () => {
    const id = typed.trim();
    if (id !== '') void change(id, 'add').then((done) => done && setTyped(''));
  };
  return (
    <section className={styles.members} aria-label={texts.membersTitle}>
      <h3>{texts.membersTitle}</h3>
      <ul>
        {members.map((id) => (
          <li key={id}>
            <bdi>{nameOf(id)}</bdi>
            <IconButton
              icon="close"
              label={texts.removeMember(nameOf(id))}
              onClick={() => void change(id, 'remove')}
            />
          </li>
        ))}
        {members.length === 0 && <li className={styles.none}>{texts.noMembers}</li>}
      </ul>
      <div className={styles.add}>
        <Field
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => event.key === 'Enter' && add()}
          list="member-ids"
          placeholder={texts.memberId}
          aria-label={texts.memberId}
          autoCapitalize="off"
          spellCheck={false}
        />
        <datalist id="member-ids">
          {agents
            .filter((agent) => !members.includes(agent.id))
            .map((agent) => (
              <option key={agent.fqid ?? agent.id} value={agent.id} />
            ))}
        </datalist>
        <Button onClick={add} disabled={typed.trim() === ''}>
          {texts.add}
        </Button>
      </div>
      {error !== undefined && <DialogError>{error}</DialogError>}
    </section>
  );
}

function RemoveRoomDialog({ room, onClose }: { room: Room; onClose: () => void }) {
  const { working, error, run } = useAction();
  const name = `#${plainName(room.name) || room.id}`;
  const remove = async () => {
    if (!(await run(() => api.removeRoom(room.id)))) return;
    onClose();
    navigate(paths.home, { replace: true });
    tell(texts.roomRemoved(name));
  };
  return (
    <Dialog title={texts.removeRoomTitle(name)} onClose={onClose}>
      <p>{texts.removeRoomText(room.id)}</p>
      {error !== undefined && <DialogError>{error}</DialogError>}
      <DialogButtons>
        <Button onClick={onClose} autoFocus>
          {texts.cancel}
        </Button>
        <Button kind="danger" onClick={() => void remove()} disabled={working}>
          {texts.removeRoom}
        </Button>
      </DialogButtons>
    </Dialog>
  );
}
