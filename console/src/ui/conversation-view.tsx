import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import type { Target } from '../../../src/protocol/messages.ts';
import type { Room, Thread } from '../../../src/protocol/rooms.ts';
import { useApp, useClient } from '../live/client.ts';
import type { ConversationKey } from '../model/conversation.ts';
import { isAnonymous } from '../model/me.ts';
import { texts } from '../texts.ts';
import { Composer } from './composer.tsx';
import { Button } from './controls.tsx';
import { HeldNotice } from './held.tsx';
import { Link } from './link.tsx';
import styles from './page.module.css';
import { Empty, NotFound } from './page.tsx';
import { paths } from './router.ts';
import { Timeline } from './timeline.tsx';

interface ConversationViewProps {
  conversation: ConversationKey;
  /** The room whose rules say who may write; undefined while it is not known. */
  room: Room | undefined;
  target: Target;
  name: string;
  startLine: string;
  empty: { title: string; text: string };
  /** By the message they hang on. */
  threads: ReadonlyMap<string, Thread>;
  /** A message that is to be shown, in place of the newest ones. */
  at?: string | undefined;
  /** The first message makes it: what is not there is not missing. */
  mayBeNew?: boolean | undefined;
  /** Why one may not write here, where that is known. */
  refusal?: string | undefined;
  /** Begins a thread at a message, or opens the one that is there. */
  onReply?: ((messageId: string) => void) | undefined;
  /** It stands beside another conversation. */
  aside?: boolean | undefined;
  /** What happens after sending, with the message's id. */
  onSent?: ((messageId: string) => void) | undefined;
}

/** The middle of a room or a thread: its messages, the guard's notice, and where to write. */
export function ConversationView({
  conversation,
  room,
  target,
  name,
  startLine,
  empty,
  threads,
  at,
  mayBeNew,
  refusal,
  onReply,
  aside,
  onSent,
}: ConversationViewProps) {
  const client = useClient();
  const timeline = useApp((state) => state.timelines[conversation]);
  const held = useApp((state) => state.held[conversation]);
  const alone = useApp((state) => state.boot === 'ready' && state.agents.length === 0);
  const anonymous = useApp((state) => isAnonymous(state.identity));
  const readOnly = useApp((state) =>
    state.network?.capabilities.human_ingress === false ? texts.readOnly : texts.readOnlyToken,
  );
  const canSpeak = useApp((state) => state.network?.console?.can_send_human);
  const outbox = useApp((state) => state.outbox);
  const [returned, setReturned] = useState<{ text: string }>();
  const sending = useMemo(
    () => outbox.some((outgoing) => outgoing.key === conversation),
    [outbox, conversation],
  );

  // That it has begun meanwhile is no reason to open it anew.
  const isNew = useRef(mayBeNew);
  isNew.current = mayBeNew;
  useEffect(() => {
    client.open(conversation, { at, mayBeNew: isNew.current });
    return () => client.leave(conversation);
  }, [client, conversation, at]);

  const onEdit = useMemo(() => (text: string) => setReturned({ text }), []);
  let middle: ReactNode;
  if (timeline?.status === 'failed') {
    middle =
      timeline.error === texts.gone ? (
        <NotFound />
      ) : (
        <Empty title={texts.roomFailed} text={timeline.error ?? ''}>
          <Button onClick={() => client.reload(conversation)}>{texts.tryAgain}</Button>
        </Empty>
      );
  } else if (!timeline || timeline.status === 'loading') {
    middle = <Waiting />;
  } else if (timeline.messages.length === 0 && !sending) {
    middle = (
      <Empty title={empty.title} text={canSpeak ? empty.text : texts.emptyRoomReadOnly}>
        {alone && <Link href={paths.agents}>{texts.addAgent}</Link>}
      </Empty>
    );
  } else {
    middle = (
      <Timeline
        key={`timeline ${conversation} ${timeline.window}`}
        conversation={conversation}
        name={name}
        timeline={timeline}
        startLine={startLine}
        threads={threads}
        heldAt={held?.held_at}
        onEdit={onEdit}
        onReply={canSpeak && room?.access?.can_write !== false ? onReply : undefined}
        aside={aside}
      />
    );
  }
  return (
    <>
      {middle}
      {held && <HeldNotice guard={held} conversation={conversation} name={name} />}
      {timeline?.error === texts.gone ? null : canSpeak === false ||
        room?.access?.can_write === false ||
        refusal !== undefined ? (
        <p className={styles.readOnly}>
          {anonymous ? texts.signInToWrite : canSpeak === false ? readOnly : (refusal ?? texts.cannotWrite)}
        </p>
      ) : (
        canSpeak && (
          <Composer
            key={`composer ${conversation}`}
            conversation={conversation}
            target={target}
            name={name}
            returned={returned}
            onSent={onSent}
          />
        )
      )}
    </>
  );
}

/** A pause that is felt is told; a short one is not. */
function Waiting() {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 500);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={styles.middle} aria-busy="true">
      {slow && <p className={styles.quiet}>{texts.loading}</p>}
    </div>
  );
}
