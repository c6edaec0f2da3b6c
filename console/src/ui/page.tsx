import type { ReactNode } from 'react';
import { texts } from '../texts.ts';
import { IconButton } from './controls.tsx';
import { Link } from './link.tsx';
import styles from './page.module.css';
import { paths } from './router.ts';
import { useDrawer } from './drawer.ts';

/** The head of a page: what it is, what is known of it, and what can be done with it. */
export function PageHeader({
  title,
  mark,
  about,
  children,
}: {
  title: string;
  mark?: ReactNode;
  about?: ReactNode;
  children?: ReactNode;
}) {
  const drawer = useDrawer();
  return (
    <header className={styles.header}>
      <IconButton
        icon="menu"
        label={texts.menu}
        className={styles.menu}
        aria-expanded={drawer.open}
        onClick={() => drawer.setOpen(true)}
      />
      {mark && <span className={styles.mark}>{mark}</span>}
      <h1 className={styles.title}>
        <bdi>{title}</bdi>
      </h1>
      {about && <p className={styles.about}>{about}</p>}
      <div className={styles.tools}>{children}</div>
    </header>
  );
}

/** A page, or a part of it, that has nothing to show: it says what to do next. */
export function Empty({ title, text, children }: { title: string; text: string; children?: ReactNode }) {
  return (
    <div className={styles.middle}>
      <div className={styles.empty}>
        <h2 dir="auto">{title}</h2>
        {text && <p>{text}</p>}
        {children}
      </div>
    </div>
  );
}

export function NotFound() {
  return (
    <Empty title={texts.notFoundTitle} text={texts.notFoundText}>
      <Link href={paths.home}>{texts.toRooms}</Link>
    </Empty>
  );
}
