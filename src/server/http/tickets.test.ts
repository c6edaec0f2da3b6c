import { expect, it } from 'vitest';
import { limits } from '../../protocol/limits.ts';
import { createTickets } from './tickets.ts';

it('SESS-15: a ticket is good once and for a minute, and there are only so many', async () => {
  let now = 1_000_000;
  const tickets = createTickets(() => now, undefined);
  const token = (name: string) => ({ token_id: name, token_hash: `hash of ${name}` });
  const { ticket, expires_at } = await tickets.issue(token('secret'));
  expect(new Date(expires_at).getTime()).toBe(now + limits.console_ticket.value);
  expect(await tickets.take('another')).toBeUndefined();
  expect(await tickets.take(ticket)).toMatchObject(token('secret'));
  expect(await tickets.take(ticket)).toBeUndefined();
  const { ticket: old } = await tickets.issue(token('secret'));
  now += limits.console_ticket.value;
  expect(await tickets.take(old)).toBeUndefined();
  const { ticket: first } = await tickets.issue(token('first'));
  const many: string[] = [];
  for (let n = 0; n < limits.console_tickets.value; n++)
    many.push((await tickets.issue(token(`t${n}`))).ticket);
  expect(await tickets.take(first)).toBeUndefined();
  expect(await tickets.take(many[0]!)).toMatchObject(token('t0'));
});
