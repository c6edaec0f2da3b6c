import type { KeyboardEvent, RefObject } from 'react';
import type { Row } from '../model/rows.ts';

/** Arrow keys go from message to message; End goes to the newest. */
export function useRowKeys(
  scroller: RefObject<HTMLDivElement | null>,
  rows: readonly Row[],
  reveal: (index: number) => void,
) {
  return (event: KeyboardEvent<HTMLDivElement>) => {
    if (
      event.altKey ||
      event.ctrlKey ||
      event.metaKey ||
      (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')
    )
      return;
    const target = event.target as HTMLElement;
    if (target !== scroller.current && target.closest('[role=article]') !== target) return;
    event.preventDefault();
    const from =
      target === scroller.current
        ? lastVisible(scroller.current) + (event.key === 'ArrowUp' ? 1 : 0)
        : Number(target.dataset.index);
    const index = Math.max(0, Math.min(rows.length - 1, from + (event.key === 'ArrowUp' ? -1 : 1)));
    reveal(index);
    const row = () => scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`);
    // One that was not in the page is there after the next rendering.
    if (row()) row()?.focus({ preventScroll: true });
    else requestAnimationFrame(() => row()?.focus({ preventScroll: true }));
  };
}

function lastVisible(scroller: HTMLElement): number {
  const bottom = scroller.getBoundingClientRect().bottom;
  let last = 0;
  for (const row of scroller.querySelectorAll<HTMLElement>('[data-index]')) {
    if (row.getBoundingClientRect().bottom <= bottom + 4) last = Number(row.dataset.index);
  }
  return last;
}
