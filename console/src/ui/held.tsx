import { useState } from 'react';
import type { GuardState } from '../../../src/protocol/events.ts';
import { roomOf, useApp, useClient } from '../live/client.ts';
import { splitKey, type ConversationKey } from '../model/conversation.ts';
import { mayContinue } from '../model/me.ts';
import type { State } from '../model/state.ts';
import { texts, wordsOf } from '../texts.ts';
import { Button } from './controls.tsx';
import styles from './held.module.css';
import { Icon } from './icons.tsx';
import { tell } from './toast.tsx';

/** Why it is held, and what waits. */
export const heldWords = (guard: GuardState): string =>
  [
    texts.heldReasons[guard.reason ?? ''] ??
      texts.heldText(guard.limit === 'off' ? guard.turns : guard.limit),
    guard.held_messages && texts.heldWaiting(guard.held_messages),
  ]
    .filter(Boolean)
    .join(' ');

/** Says that the guard holds this conversation, why, and how it goes on. */
export function HeldNotice({
  guard,
  conversation,
  name,
}: {
  guard: GuardState;
  conversation: ConversationKey;
  name: string;
}) {
  const mayResume = useApp(({ identity }) => mayContinue(identity));
  return (
    <section className={styles.notice} aria-label={texts.heldTitle} role="status">
      <Icon name="pause" size={18} />
      <p>
        <strong>{texts.heldTitle}</strong> {heldWords(guard)}{' '}
        {mayResume && (texts.heldReasons[guard.reason ?? ''] ? texts.heldOnly : texts.heldHow)}
      </p>
      <ContinueButton conversation={conversation} name={name} />
    </section>
  );
}

/** Lets a held conversation go on. The notice goes when the server says so. */
export function ContinueButton({
  conversation,
  name,
  compact,
}: {
  conversation: string;
  name: string;
  compact?: boolean;
}) {
  const client = useClient();
  const allowed = useApp(({ identity }) => mayContinue(identity));
  const [state, setState] = useState<'idle' | 'working' | { error: string }>('idle');
  // What is delivered then cannot be called back; the room can be paused, or, in a DM, whoever is in it.
  const scopes = useApp((state) => scopesOf(state, conversation).join(' '));
  const resume = async () => {
    setState('working');
    try {
      await client.resume(conversation);
      setState('idle');
      tell(texts.goesOn(name), () =>
        Promise.all(scopes.split(' ').map((scope) => client.setPaused(scope, true))),
      );
    } catch (error) {
      setState({ error: wordsOf(error) });
    }
  };
  if (!allowed) return null;
  return (
    <>
      <Button
        className={compact ? styles.compact : undefined}
        kind={compact ? undefined : 'primary'}
        onClick={() => void resume()}
        disabled={state === 'working'}
        aria-label={texts.continueIn(name)}
      >
        {!compact && <Icon name="play" size={12} />}
        {texts.continue}
      </Button>
      {typeof state === 'object' && (
        <p role="alert" className={styles.error}>
          {state.error}
        </p>
      )}
    </>
  );
}

/** What is to be paused so that a conversation that goes on stops again. */
function scopesOf(state: State, key: string): string[] {
  const room = roomOf(state, key as ConversationKey);
  if (room !== undefined) return [`room:${room}`];
  const participants = state.dms[splitKey(key).id]?.participant_ids ?? [];
  const agents = participants.filter((id) => state.agents.some((agent) => agent.id === id));
  return agents.length > 0 ? agents.map((id) => `agent:${id}`) : ['*'];
}
