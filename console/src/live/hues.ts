import { useSyncExternalStore } from 'react';

/** Hues that are told apart easily, in both colour schemes. */
const HUES = [25, 55, 90, 130, 155, 180, 210, 240, 265, 295, 325, 355];

let given = new Map<string, number>();
const listeners = new Set<() => void>();

/**
 * Gives the agents of the network their hues, in this order: each the one its id asks for or, while there are free
 * ones, another when that is taken. So the agents of a small network all look different, and the same at every visit.
 */
export function giveHues(ids: readonly string[]): void {
  const before = given;
  given = new Map();
  for (const id of ids) give(id);
  if (ids.some((id) => before.has(id) && before.get(id) !== given.get(id)))
    for (const listener of listeners) listener();
}

function give(id: string): number {
  const taken = given.size < HUES.length ? new Set(given.values()) : new Set();
  let slot = hash(id) % HUES.length;
  while (taken.has(slot)) slot = (slot + 5) % HUES.length;
  // Senders are bounded in practice; this bounds them in any case.
  if (given.size < 20_000) given.set(id, slot);
  return slot;
}

function hash(text: string): number {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  // Ids of one network often differ in a few letters only; this spreads the difference over all bits.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The hue of a sender in degrees. */
export const useHue = (id: string): number =>
  HUES[useSyncExternalStore(subscribe, () => given.get(id) ?? give(id))]!;
