import { useState } from 'react';
import type { Message, Part } from '../../../src/protocol/messages.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { Icon, type IconName } from './icons.tsx';
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

/** How the kinds of parts are called. */
export const KINDS: Record<string, { icon: IconName; label: string }> = {
  image: { icon: 'image', label: texts.remoteImage },
  audio: { icon: 'audio', label: texts.remoteAudio },
  url: { icon: 'link', label: texts.remoteUrl },
  file: { icon: 'file', label: texts.remoteFile },
  data: { icon: 'braces', label: texts.data },
};

/** Something that lies elsewhere: named, and opened only by a click. Nothing of it is loaded here. */
function Attachment({ part }: { part: Part }) {
  const { icon, label } = KINDS[part.kind] ?? KINDS.file!;
  const url = webUrl(part.url);
  const name = plainName(part.filename ?? '') || (url ? shortUrl(url) : plainName(part.url ?? '')) || label;
  const about = [label, part.media_type && plainName(part.media_type), url?.host].filter(Boolean).join(' · ');
  const inner = (
    <>
      <span className={styles.mark}>
        <Icon name={icon} />
      </span>
      <span className={styles.what}>
        <bdi className={styles.name}>{name}</bdi>
        <span className={styles.about}>{about}</span>
      </span>
      {url && <Icon name="external" size={14} />}
    </>
  );
  if (!url) return <div className={styles.attachment}>{inner}</div>;
  return (
    <a
      className={styles.attachment}
      href={url.href}
      target="_blank"
      rel="noopener noreferrer nofollow"
      title={texts.openLink(url.host)}
    >
      {inner}
    </a>
  );
}

/** An address that may be opened; undefined for anything but http and https. */
export function webUrl(url: string | undefined): URL | undefined {
  try {
    const parsed = new URL(url ?? '');
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function shortUrl(url: URL): string {
  const path = url.pathname === '/' ? '' : url.pathname;
  return url.host + path;
}

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
