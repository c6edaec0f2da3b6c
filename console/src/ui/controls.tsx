import {
  Fragment,
  useEffect,
  useId,
  useRef,
  useState,
  type ComponentProps,
  type CSSProperties,
  type ReactNode,
} from 'react';
import { useHue } from '../live/hues.ts';
import { initials } from '../model/names.ts';
import { texts } from '../texts.ts';
import styles from './controls.module.css';
import { cx } from './cx.ts';
import { Icon, type IconName } from './icons.tsx';

/** For screen readers only. */
export const Hidden = ({ children }: { children: ReactNode }) => (
  <span className={styles.hidden}>{children}</span>
);

export function Button({
  kind,
  narrow,
  className,
  ...rest
}: ComponentProps<'button'> & {
  kind?: 'primary' | 'danger' | undefined;
  /** On a narrow screen its icon stands for it: the words are in a span. */
  narrow?: boolean;
}) {
  return (
    <button
      type="button"
      className={cx(styles.button, kind && styles[kind], narrow && styles.narrowIcon, className)}
      {...rest}
    />
  );
}

/** A button that shows an icon; its label is its name and its tooltip. */
export function IconButton({
  icon,
  label,
  className,
  ...rest
}: Omit<ComponentProps<'button'>, 'children'> & { icon: IconName; label: string }) {
  return (
    <button type="button" className={cx(styles.icon, className)} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}

/** The coloured mark of a sender: a square for agents, a circle for people. */
export function Avatar({
  name,
  id,
  type,
  small,
}: {
  name: string;
  id: string;
  type: string;
  small?: boolean;
}) {
  return (
    <span
      className={cx(styles.avatar, type === 'human' && styles.person, small && styles.small)}
      style={{ '--hue': useHue(id) } as CSSProperties}
      aria-hidden="true"
    >
      {initials(name)}
    </span>
  );
}

/** A line to be pasted elsewhere, with a button that copies it. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <div className={styles.code}>
      <code>
        {/* A line breaks between words only: an option torn at its hyphens is hard to read. */}
        {text.split(' ').map((word, index) => (
          <Fragment key={index}>
            {index > 0 && ' '}
            <span>{word}</span>
          </Fragment>
        ))}
      </code>
      <IconButton
        icon={copied ? 'check' : 'copy'}
        label={copied ? texts.copied : `${texts.copy}: ${label}`}
        onClick={() => void copyText(text).then(setCopied)}
      />
    </div>
  );
}

/** Puts text on the clipboard; false when the browser does not allow it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages on plain http of another machine have no clipboard interface; the old command works there.
    const area = document.createElement('textarea');
    area.value = text;
    area.readOnly = true;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** A modal dialog. Escape and a click beside it close it. */
export function Dialog({
  title,
  onClose,
  wide,
  children,
}: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog
      ref={ref}
      className={cx(styles.dialog, wide && styles.wideDialog)}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === ref.current) ref.current?.close();
      }}
    >
      <div className={styles.dialogBody}>
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

export const DialogButtons = ({ children }: { children: ReactNode }) => (
  <div className={styles.dialogButtons}>{children}</div>
);
export const DialogError = ({ children }: { children: ReactNode }) => (
  <p role="alert" className={styles.error}>
    {children}
  </p>
);
export const Field = (props: ComponentProps<'input'>) => <input className={styles.field} {...props} />;
/** A few choices of which one holds. */
export function Chips({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly (readonly [value: string, words: string])[];
  onChange: (value: string) => void;
}) {
  return (
    <div className={styles.chips} role="group" aria-label={label}>
      {options.map(([option, words]) => (
        <button
          key={option}
          type="button"
          className={styles.chip}
          aria-pressed={option === value}
          onClick={() => onChange(option)}
        >
          {words}
        </button>
      ))}
    </div>
  );
}
/** A field with its name above it, and what it means below. */
export function Labelled({
  label,
  help,
  children,
}: {
  label: string;
  help?: ReactNode;
  children: ReactNode;
}) {
  return (
    <label className={styles.labelled}>
      <span>{label}</span>
      {children}
      {help && <small>{help}</small>}
    </label>
  );
}
export const Select = (props: ComponentProps<'select'>) => <select className={styles.field} {...props} />;
export const SkipLink = (props: ComponentProps<'a'>) => <a className={styles.skip} {...props} />;
