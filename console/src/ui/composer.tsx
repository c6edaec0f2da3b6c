import { useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { Target } from '../../../src/protocol/messages.ts';
import { useApp, useClient } from '../live/client.ts';
import { remember } from '../live/remember.ts';
import type { ConversationKey } from '../model/conversation.ts';
import { insertMention, mentionAt, mentionCandidates, type MentionQuery } from '../model/mentions.ts';
import { agentActorKey, agentKey, agentName, plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import styles from './composer.module.css';
import { Avatar, Hidden } from './controls.tsx';
import { cx } from './cx.ts';
import { Icon } from './icons.tsx';

interface ComposerProps {
  conversation: ConversationKey;
  target: Target;
  /** What is written to, for the label. */
  name: string;
  /** A text taken back from the outbox; a new object each time. */
  returned: { text: string } | undefined;
  onSent?: ((messageId: string) => void) | undefined;
}

/** Where a person writes. Its text is kept per conversation until it is sent. */
export function Composer({ conversation, target, name, returned, onSent }: ComposerProps) {
  const client = useClient();
  const agents = useApp((state) => state.agents);
  const [text, setText] = useState(() => remember.draft(conversation));
  const [mention, setMention] = useState<MentionQuery>();
  const [chosen, setChosen] = useState(0);
  const area = useRef<HTMLTextAreaElement>(null);
  /** Where to write on after a mention was put in; before the next key, or it would land elsewhere. */
  const caret = useRef<number>(undefined);
  const menuId = useId();

  const change = (value: string) => {
    setText(value);
    remember.setDraft(conversation, value);
  };

  useEffect(() => {
    if (!returned) return;
    setText((current) => {
      const next = current.trim() === '' ? returned.text : `${current}\n${returned.text}`;
      remember.setDraft(conversation, next);
      return next;
    });
    area.current?.focus();
  }, [returned, conversation]);

  // As high as its text, up to the limit in the style sheet.
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
    if (caret.current === undefined) return;
    element.focus();
    element.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [text]);

  const candidates = mention ? mentionCandidates(agents, mention.query) : [];
  const menuOpen = candidates.length > 0;
  const active = Math.min(chosen, candidates.length - 1);
  const lookForMention = () => {
    const element = area.current;
    if (!element) return;
    const found =
      element.selectionStart === element.selectionEnd
        ? mentionAt(element.value, element.selectionStart)
        : undefined;
    if (found?.start !== mention?.start) setChosen(0);
    setMention(found);
  };
  const take = (agent: AgentSummary) => {
    if (!mention) return;
    const next = insertMention(text, mention, agent.id);
    change(next.text);
    setMention(undefined);
    caret.current = next.caret;
  };

  const ready = text.trim() !== '';
  const send = () => {
    if (!ready) return;
    const id = client.send(conversation, target, text.trim());
    onSent?.(id);
    change('');
    setMention(undefined);
    area.current?.focus();
  };

  const keyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Enter that ends the composition of a character is not ours.
    if (event.nativeEvent.isComposing) return;
    const agent = candidates[active];
    if (menuOpen && agent) {
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault();
        setChosen((active + (event.key === 'ArrowDown' ? 1 : candidates.length - 1)) % candidates.length);
        return;
      }
      if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') {
        event.preventDefault();
        take(agent);
        return;
      }
      if (event.key === 'Escape') {
        event.preventDefault();
        setMention(undefined);
        return;
      }
    }
    // On a screen keyboard Enter makes a line; there is a button to send.
    if (event.key === 'Enter' && !event.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault();
      send();
    }
  };

  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {menuOpen && (
        <ul className={styles.menu} id={menuId} role="listbox" aria-label={texts.mentionMenu}>
          {candidates.map((agent, index) => (
            <li
              key={agentKey(agent)}
              id={`${menuId}-${index}`}
              role="option"
              aria-selected={index === active}
              className={cx(styles.option, index === active && styles.active)}
              // The writing field keeps the focus.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(agent)}
              onMouseEnter={() => setChosen(index)}
            >
              <Avatar name={agentName(agent)} id={agentActorKey(agent)} type="agent" small />
              <bdi className={styles.agent}>{plainName(agent.name ?? '') || agent.id}</bdi>
              {agentName(agent) !== agent.id && <bdi className={styles.id}>@{agent.id}</bdi>}
              <span className={cx(styles.presence, agent.connected && styles.connected)}>
                {agent.connected ? texts.connected : texts.offline}
              </span>
            </li>
          ))}
        </ul>
      )}
      <div className={styles.box}>
        <textarea
          ref={area}
          className={styles.area}
          rows={1}
          value={text}
          dir="auto"
          aria-label={texts.write(name)}
          placeholder={texts.write(name)}
          aria-describedby={`${menuId}-hint`}
          role="combobox"
          aria-expanded={menuOpen}
          aria-autocomplete="list"
          aria-controls={menuOpen ? menuId : undefined}
          aria-activedescendant={menuOpen ? `${menuId}-${active}` : undefined}
          onChange={(event) => {
            change(event.target.value);
            lookForMention();
          }}
          onSelect={lookForMention}
          onBlur={() => setMention(undefined)}
          onKeyDown={keyDown}
        />
        <button
          type="submit"
          className={styles.send}
          disabled={!ready}
          aria-label={texts.send}
          title={texts.send}
        >
          <Icon name="send" />
        </button>
      </div>
      <WorkingHere conversation={conversation} />
      <Hidden>
        <span id={`${menuId}-hint`}>{texts.sendHint}</span>
      </Hidden>
    </form>
  );
}

const NAMED = 3;

/** Who is at work on this conversation, in the room that the field leaves below it. */
function WorkingHere({ conversation }: { conversation: ConversationKey }) {
  const agents = useApp((state) => state.agents);
  const working = agents.filter((agent) => agent.working?.some((wake) => wake.conversation === conversation));
  if (working.length === 0) return null;
  const names = working.slice(0, NAMED).map((agent) => agentName(agent));
  return (
    <p className={styles.working}>
      <bdi>{texts.workHere(names, working.length - names.length)}</bdi>
    </p>
  );
}
