import type { ComponentProps, MouseEvent } from 'react';
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
