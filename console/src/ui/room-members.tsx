import { useState } from 'react';
import type { Room } from '../../../src/protocol/rooms.ts';
import { api } from '../live/api.ts';
import { useApp } from '../live/client.ts';
import { agentName, plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { Button, DialogError, Field, IconButton } from './controls.tsx';
import styles from './room-dialogs.module.css';
import { tell } from './toast.tsx';
import { useAction } from './use-read.ts';

/** Agents to tick, and ids of others to type. */
export function MemberPicker({
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

/** Members come and go at once, each with the way back. */
export function Members({ room }: { room: Room }) {
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
