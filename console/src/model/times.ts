import { texts } from '../texts.ts';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const fullDay = new Intl.DateTimeFormat(undefined, {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
});
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/** Milliseconds since 1970 of a wire timestamp; 0 for none or the zero time. */
export function millis(at: string | undefined): number {
  const ms = at ? Date.parse(at) : Number.NaN;
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}

/** `14:05` */
export const clockTime = (at: string | number): string => clock.format(new Date(at));

/** The whole date and time, for titles. */
export const exactTime = (at: string | number): string => exact.format(new Date(at));

/** The same number for all moments of one local day. */
export function dayNumber(ms: number): number {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

/** `Today`, `Yesterday`, `Thursday, 20 November`, and with the year when it is another one. */
export function dayName(ms: number, now: number = Date.now()): string {
  const day = dayNumber(ms);
  if (day === dayNumber(now)) return texts.today;
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === dayNumber(yesterday.getTime())) return texts.yesterday;
  return (new Date(ms).getFullYear() === new Date(now).getFullYear() ? weekday : fullDay).format(ms);
}

/** `14:05` today, `yesterday 14:05`, else `20 Nov 14:05`. */
export function shortTime(at: string | number, now: number = Date.now()): string {
  const ms = new Date(at).getTime();
  const day = dayName(ms, now);
  if (day === texts.today) return clockTime(ms);
  return `${day === texts.yesterday ? day.toLocaleLowerCase() : shortDay.format(ms)} ${clockTime(ms)}`;
}
