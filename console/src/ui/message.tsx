import { memo, useState, type ReactNode } from 'react';
import type { Actor } from '../../../src/protocol/actors.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { useApp, useClient } from '../live/client.ts';
import { conversationOf } from '../model/conversation.ts';
import { mayRedact, type Me } from '../model/me.ts';
import { actorKey, actorName } from '../model/names.ts';
import type { Row } from '../model/rows.ts';
import type { Outgoing } from '../model/state.ts';
import { clockTime, exactTime, millis, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { Avatar, Button, copyText, IconButton } from './controls.tsx';
import { ConfirmDialog } from './confirm.tsx';
import { cx } from './cx.ts';
import { Icon, type IconName } from './icons.tsx';
import { Link } from './link.tsx';
import styles from './message.module.css';
import { Parts } from './parts.tsx';
import { DeliveryDialog, ReceiptLine } from './receipts.tsx';
import { navigate, paths } from './router.ts';

interface MessageRowProps {
  row: Row;
  /** What the beginning of the conversation says. */
  startLine: string;
  thread: Thread | undefined;
  /** The network whose agents need no network behind their name. */
  networkId: string | undefined;
  me: Me;
  /** A link led to it. */
  led: boolean;
  /** The focus is on this row: its actions can be reached with Tab. */
  active: boolean;
  /** A message of this window was taken back to be written anew. */
  onEdit: (text: string) => void;
  /** Begins a thread here, where one may write. */
  onReply: ((messageId: string) => void) | undefined;
}

/** One message with the lines that stand above it. */
export const MessageRow = memo(function MessageRow({
  row,
  startLine,
  thread,
  networkId,
  me,
  active,
  led,
  onEdit,
  onReply,
}: MessageRowProps) {
  const { message, outgoing } = row;
  const { from } = message;
  const name = actorName(from);
  const at = millis(message.created_at);
  const mine = from.type === 'human' && from.id === me.id;
  const remote =
    from.network_id !== undefined && networkId !== undefined && from.network_id !== networkId
      ? from.network_id
      : undefined;
  const time = (
    <time className={styles.time} dateTime={message.created_at} title={exactTime(at)}>
      {clockTime(at)}
    </time>
  );
  return (
    <>
      {row.start && <p className={styles.start}>{startLine}</p>}
      {row.dayLine && (
        <Line kind="day">
          <span>{row.dayLine}</span>
        </Line>
      )}
      {row.isNew && (
        <Line kind="new">
          <span>{texts.newLine}</span>
        </Line>
      )}
      {row.heldHere && (
        <Line kind="held">
          <span>
            <Icon name="pause" size={12} /> {texts.heldLine}
          </span>
        </Line>
      )}
      <div
        className={cx(
          styles.message,
          row.lead && styles.lead,
          outgoing?.status === 'sending' && styles.pending,
          led && styles.led,
        )}
        id={`m-${message.id}`}
      >
        {row.lead ? (
          <Avatar name={name} id={actorKey(from)} type={from.type} />
        ) : (
          <span className={styles.gutter}>{time}</span>
        )}
        <div className={styles.content}>
          {row.lead && (
            <p className={styles.head}>
              <SenderName from={from} name={name} local={!remote} />
              {mine ? (
                <span className={styles.kind}>{texts.you}</span>
              ) : (
                from.type !== 'agent' && (
                  <span className={styles.kind}>{from.type === 'human' ? texts.person : texts.system}</span>
                )
              )}
              {remote && <bdi className={styles.kind}>{remote}</bdi>}
              {time}
            </p>
          )}
          <Parts message={message} />
          {thread && <ThreadLink thread={thread} />}
          <ReceiptLine messageId={message.id} />
          {outgoing && <OutgoingState outgoing={outgoing} onEdit={onEdit} />}
        </div>
        {!outgoing && message.redacted_at === undefined && (
          <Actions message={message} active={active} onReply={onReply} local={!remote} />
        )}
      </div>
    </>
  );
});

const Line = ({ kind, children }: { kind: 'day' | 'new' | 'held'; children: ReactNode }) => (
  <div className={cx(styles.line, styles[`${kind}Line`])} role="separator">
    {children}
  </div>
);

function ThreadLink({ thread }: { thread: Thread }) {
  return (
    <Link href={paths.room(thread.room_id, { thread: thread.id })} className={styles.thread}>
      <Icon name="thread" size={14} />
      <span>{texts.replies(thread.message_count)}</span>
      {millis(thread.last_message_at) > 0 && (
        <span className={styles.threadTime}>{texts.lastReply(shortTime(thread.last_message_at))}</span>
      )}
    </Link>
  );
}

function OutgoingState({ outgoing, onEdit }: { outgoing: Outgoing; onEdit: (text: string) => void }) {
  const { outbox } = useClient();
  const { id } = outgoing.message;
  if (outgoing.status === 'sent') return null;
  if (outgoing.status === 'sending') {
    return <p className={styles.sending}>{texts.sending}</p>;
  }
  return (
    <div className={styles.failed} role="alert">
      <p>
        <Icon name="warning" size={14} /> <strong>{texts.notSent}</strong> {outgoing.error}
      </p>
      <Button onClick={() => outbox.retry(id)}>{texts.tryAgain}</Button>
      <Button onClick={() => onEdit(outbox.discard(id))}>{texts.edit}</Button>
    </div>
  );
}

/** Agents of this network have a page of their own. */
function SenderName({ from, name, local }: { from: Actor; name: string; local: boolean }) {
  if (from.type !== 'agent' || !local) return <bdi className={styles.name}>{name}</bdi>;
  return (
    <Link href={paths.agent(from.id)} className={cx(styles.name, styles.nameLink)} tabIndex={-1}>
      <bdi>{name}</bdi>
    </Link>
  );
}

function Actions({
  message,
  active,
  onReply,
  local,
}: {
  message: Message;
  active: boolean;
  onReply: ((messageId: string) => void) | undefined;
  local: boolean;
}) {
  const tabIndex = active ? 0 : -1;
  const mayRemove = useApp((state) => mayRedact(state.identity, state.me, message));
  const mayWrite = useApp(
    ({ network }) =>
      network?.console?.can_send_human === true && network.capabilities.direct_messages !== false,
  );
  const [asking, setAsking] = useState(false);
  const [removing, setRemoving] = useState(false);
  const { from } = message;
  const text = message.parts
    .map((part) => part.text ?? part.url ?? '')
    .filter(Boolean)
    .join('\n');
  const link = () => location.origin + paths.conversation(conversationOf(message.target), message.id);
  return (
    <>
      <div className={styles.actions} role="toolbar" aria-label={texts.actions}>
        {text && <CopyButton tabIndex={tabIndex} label={texts.copyText} text={() => text} icon="copy" />}
        {onReply && (
          <IconButton
            tabIndex={tabIndex}
            icon="thread"
            label={texts.replyInThread}
            onClick={() => onReply(message.id)}
          />
        )}
        {mayWrite && from.type === 'agent' && local && message.target.kind !== 'dm' && (
          <IconButton
            tabIndex={tabIndex}
            icon="dm"
            label={texts.messageTo(actorName(from))}
            onClick={() => navigate(paths.dmWith(from.id))}
          />
        )}
        <CopyButton tabIndex={tabIndex} label={texts.copyLink} text={link} icon="link" />
        <IconButton
          tabIndex={tabIndex}
          icon="receipt"
          label={texts.delivery}
          onClick={() => setAsking(true)}
        />
        {mayRemove && (
          <IconButton
            tabIndex={tabIndex}
            icon="trash"
            label={texts.remove}
            onClick={() => setRemoving(true)}
          />
        )}
      </div>
      {asking && <DeliveryDialog message={message} onClose={() => setAsking(false)} />}
      {removing && <RemoveDialog message={message} onClose={() => setRemoving(false)} />}
    </>
  );
}

function CopyButton({
  tabIndex,
  label,
  text,
  icon,
}: {
  tabIndex: number;
  label: string;
  text: () => string;
  icon: IconName;
}) {
  const [copied, setCopied] = useState(false);
  return (
    <IconButton
      tabIndex={tabIndex}
      icon={copied ? 'check' : icon}
      label={copied ? texts.copied : label}
      onClick={() => void copyText(text()).then(setCopied)}
      onBlur={() => setCopied(false)}
    />
  );
}

function RemoveDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const client = useClient();
  return (
    <ConfirmDialog
      title={texts.removeTitle}
      action={texts.removeConfirm}
      run={() => client.redact(message)}
      onClose={onClose}
    >
      {texts.removeText}
    </ConfirmDialog>
  );
}
