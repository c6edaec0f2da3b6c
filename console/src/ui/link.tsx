import type { ComponentProps, MouseEvent } from 'react';
import styles from './controls.module.css';
import { cx } from './cx.ts';
import { Icon, type IconName } from './icons.tsx';
import { navigate } from './router.ts';

/** A link within the console. With a modifier key it opens as the browser does it. */
export function Link({ href, onClick, ...rest }: ComponentProps<'a'> & { href: string }) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={click} {...rest} />;
}

/** A link that looks like a button; on a narrow screen its icon alone. */
export function LinkButton({
  icon,
  label,
  className,
  children,
  ...rest
}: ComponentProps<'a'> & { href: string; icon: IconName; label: string }) {
  return (
    <Link
      className={cx(styles.button, styles.narrowIcon, className)}
      aria-label={label}
      title={label}
      {...rest}
    >
      <Icon name={icon} size={14} />
      <span>{children}</span>
    </Link>
  );
}
