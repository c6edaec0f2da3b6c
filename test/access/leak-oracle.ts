/**
 * What each caller may see, told a second time: from the words, for the leak test, without looking at the
 * server's own table. The world is what the test has done to the server so far.
 */
export interface World {
  mode: 'none' | 'bearer' | 'open';
  publicRead: boolean;
  rooms: Map<string, { public: boolean; members: Set<string>; gone: boolean }>;
  /** DM → who takes part. */
  dms: Map<string, readonly string[]>;
  /** Thread → its room. */
  threads: Map<string, string>;
  messages: Map<string, { room?: string; dm?: string; redacted: boolean }>;
  removed: Set<string>;
}

export interface Reader {
  name: string;
  /** Sees everything: observe or admin. */
  observer: boolean;
  /** The agents, or the person, that its credential is bound to. */
  selves: readonly string[];
  /** What it is an attachment of; then only the agent counts, not the credential. */
  agent?: string;
}

/** Its agent was removed, and nothing has let it in again. */
export function isDead(world: World, { selves, agent }: Reader): boolean {
  const of = agent ?? (selves.length === 1 ? selves[0] : undefined);
  return of !== undefined && world.removed.has(of);
}

export function seesRoom(world: World, reader: Reader, id: string): boolean {
  const room = world.rooms.get(id);
  if (!room || room.gone || isDead(world, reader)) return false;
  if (world.mode === 'none') return true;
  if (reader.agent !== undefined) return room.public || room.members.has(reader.agent);
  if (reader.observer || (room.public && (world.publicRead || reader.selves.length > 0))) return true;
  return reader.selves.some((self) => room.members.has(self));
}

export function seesDm(world: World, reader: Reader, id: string): boolean {
  const participants = world.dms.get(id) ?? [];
  if (isDead(world, reader)) return false;
  if (reader.agent !== undefined) return participants.includes(reader.agent);
  return (
    world.mode === 'none' || reader.observer || reader.selves.some((self) => participants.includes(self))
  );
}

export function seesMessage(world: World, reader: Reader, id: string): boolean {
  const message = world.messages.get(id);
  if (message?.dm !== undefined) return seesDm(world, reader, message.dm);
  return message?.room !== undefined && seesRoom(world, reader, message.room);
}

/** Lists of rooms and agents, and the event stream: everybody where reading is public, else who is bound or observes. */
export function mayAsk(world: World, reader: Reader): boolean {
  if (isDead(world, reader)) return false;
  return world.mode === 'none' || world.publicRead || reader.observer || reader.selves.length > 0;
}

/** What in a text names something that this reader may not see: rm-1, th-1, dm-1, ms-1 (a message), tx-1 (its words). */
export function beyond(world: World, reader: Reader, text: string): string[] {
  const found = new Set(text.match(/(?:rm|th|dm|ms|tx)-\d+/g) ?? []);
  return [...found].filter((marker) => {
    const message = marker.replace('tx', 'ms');
    if (marker.startsWith('rm')) return !seesRoom(world, reader, marker);
    if (marker.startsWith('th')) return !seesRoom(world, reader, world.threads.get(marker) ?? '');
    if (marker.startsWith('dm')) return !seesDm(world, reader, marker);
    if (marker.startsWith('tx') && world.messages.get(message)?.redacted) return true;
    return !seesMessage(world, reader, message);
  });
}
