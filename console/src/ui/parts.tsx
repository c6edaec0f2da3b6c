import { useState } from 'react';
import type { Message, Part } from '../../../src/protocol/messages.ts';
import { texts } from '../texts.ts';
import { Attachment } from './attachment.tsx';
import { Icon } from './icons.tsx';
import { FORMATTED_MAX, Markdown } from './markdown.tsx';
import styles from './parts.module.css';
import { cx } from './cx.ts';

/** Beyond this a text is folded. */
const FOLD_CHARACTERS = 2_600;
const FOLD_LINES = 32;
/** What is shown of a text or a data part that is too large to be laid out as a whole. */
const PLAIN_SHOWN = 6_000;

/** The parts of a message, in order. */
export function Parts({ message }: { message: Message }) {
  if (message.redacted_at !== undefined) return <p className={styles.removed}>{texts.removed}</p>;
  return message.parts.map((part, index) => (
    <PartView key={index} part={part} mentions={message.mentions} alone={message.parts.length === 1} />
  ));
}

function PartView({ part, mentions, alone }: { part: Part; mentions: string[] | undefined; alone: boolean }) {
  return (
    <>
      {part.text ? <Text text={part.text} mentions={mentions} /> : null}
      {part.url || part.filename ? <Attachment part={part} /> : null}
      {part.data && Object.keys(part.data).length > 0 ? <Data data={part.data} /> : null}
      {alone && !part.text && !part.url && !part.filename && !part.data ? (
        <p className={styles.removed}>{texts.emptyMessage}</p>
      ) : null}
    </>
  );
}

function Text({ text, mentions }: { text: string; mentions: string[] | undefined }) {
  const [open, setOpen] = useState(false);
  const huge = text.length > FORMATTED_MAX;
  const foldable =
    huge || text.length > FOLD_CHARACTERS || text.split('\n', FOLD_LINES + 1).length > FOLD_LINES;
  if (!foldable) return <Markdown text={text} mentions={mentions} />;
  const shown = huge && !open ? text.slice(0, PLAIN_SHOWN) : text;
  return (
    <div>
      {huge && <p className={styles.note}>{texts.tooLong(size(text.length))}</p>}
      <div className={cx(!open && styles.folded)}>
        <Markdown text={shown} mentions={mentions} plain={huge} />
      </div>
      <button type="button" className={styles.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? texts.showLess : texts.showMore}
      </button>
    </div>
  );
}

const size = (length: number): string => `${Math.ceil(length / 1024)} KB`;

function Data({ data }: { data: Record<string, unknown> }) {
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState(false);
  const json = open ? JSON.stringify(data, null, 2) : '';
  return (
    <details className={styles.data} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Icon name="braces" size={14} /> {texts.data}{' '}
        <span className={styles.about}>{texts.dataKeys(Object.keys(data).length)}</span>
      </summary>
      <pre tabIndex={0} aria-label={texts.data}>
        {all ? json : json.slice(0, PLAIN_SHOWN)}
      </pre>
      {!all && json.length > PLAIN_SHOWN && (
        <button type="button" className={styles.fold} onClick={() => setAll(true)}>
          {texts.showMore}
        </button>
      )}
    </details>
  );
}
