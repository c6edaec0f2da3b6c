import { expect, it } from 'vitest';
import { limits } from '../../protocol/limits.ts';
import { createTickets } from './tickets.ts';

it('SESS-15: a ticket is good once and for a minute, and there are only so many', () => {
  let now = 1_000_000;
  const tickets = createTickets(() => now);
  const { ticket, expires_at } = tickets.issue('secret');
  expect(new Date(expires_at).getTime()).toBe(now + limits.console_ticket.value);
  expect(tickets.take('another')).toBeUndefined();
  expect(tickets.take(ticket)).toBe('secret');
  expect(tickets.take(ticket)).toBeUndefined();
  const old = tickets.issue('secret').ticket;
  now += limits.console_ticket.value;
  expect(tickets.take(old)).toBeUndefined();
  const first = tickets.issue('first').ticket;
  const many = Array.from({ length: limits.console_tickets.value }, (_, n) => tickets.issue(`t${n}`).ticket);
  expect(tickets.take(first)).toBeUndefined();
  expect(tickets.take(many[0]!)).toBe('t0');
});
