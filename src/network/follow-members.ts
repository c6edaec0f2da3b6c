/**
 * Who of a paired network is in a shared room, as that network lists it. Whom it has named is remembered, so that who is
 * gone there is gone here, whichever server looks and whenever; who was named by an operator only stays. RLY-50.
 */
import type { RowWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import { membershipEvents } from './room-members.ts';
import { unchanged, type Rule } from './rule.ts';
import { sharedSince, spaceFor } from './sharing.ts';

/** meta key: whom the pairing has named in the room, of those that are in it. */
export const namedKey = (pairing_id: string, room_id: string): string =>
  `pairing.members:${pairing_id}:${room_id}`;

export const followMembers: Rule<'pairing.members'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const { pairing_id, network_id, room_id, named, at } = command;
  const room = state.room(room_id);
  if (!room || sharedSince(room.shares, pairing_id) === undefined) return unchanged({ saved: true });
  const key = namedKey(pairing_id, room_id);
  const stored = state.meta(key) ?? '[]';
  const now = new Set(named.map((id) => `${network_id}:${id}`));
  const remove = (JSON.parse(stored) as string[]).filter(
    (member) => !now.has(member) && room.members.has(member),
  );
  const add = [...now]
    .filter((member) => !room.members.has(member))
    .slice(0, spaceFor(room, network_id) + remove.length);
  const added = new Set(add);
  const kept = [...now].filter((member) => room.members.has(member) || added.has(member)).sort();
  const { events } = membershipEvents(state.settings.id, random, at, room, add, remove);
  const value = JSON.stringify(kept);
  const rows: RowWrite[] = value === stored ? [] : [{ op: 'meta', key, value }];
  return { writes: { events, rows }, answer: { saved: true } };
};
