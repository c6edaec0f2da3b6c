/** What differs between two configurations, for a reload: pure comparison, nothing is done here. */
import { isDeepStrictEqual } from 'node:util';
import type { AttachmentConfig, NodeConfig, ServerConfig } from './types.ts';

export interface ChangedParts {
  /** Taken over by a reload, e.g. `auth.tokens`, `rooms`, `server.public_url`. */
  changed: string[];
  /** They count only after a restart, e.g. `server.listen_addr`. */
  restart_needed: string[];
}

/** What a server is built on. */
const FIXED = ['network.id', 'server.listen_addr', 'storage'];
/** Blocks of which each key is a part of its own; everything else is told as a whole. */
const BLOCKS = new Set<keyof ServerConfig>(['network', 'server', 'auth']);

/** Parts are named as the file names them. */
export function changedParts(before: ServerConfig, after: ServerConfig): ChangedParts {
  const old = partsOf(before);
  const now = partsOf(after);
  const names = [...new Set([...old.keys(), ...now.keys()])].filter(
    (name) => !isDeepStrictEqual(old.get(name), now.get(name)),
  );
  return {
    changed: names.filter((name) => !FIXED.includes(name)),
    restart_needed: names.filter((name) => FIXED.includes(name)),
  };
}

function partsOf(config: ServerConfig): Map<string, unknown> {
  const parts = new Map<string, unknown>();
  for (const [name, value] of Object.entries(config)) {
    // Where it was read from is nothing that it says.
    if (name === 'path') continue;
    if (!BLOCKS.has(name as keyof ServerConfig)) parts.set(name, value);
    else for (const [key, inner] of Object.entries(value)) parts.set(`${name}.${key}`, inner);
  }
  return parts;
}

/** The configuration that a running server has after a reload: all of the new one but what needs a restart. */
export const reloaded = (running: ServerConfig, next: ServerConfig): ServerConfig => ({
  ...next,
  network: { ...next.network, id: running.network.id },
  server: { ...next.server, listen_addr: running.server.listen_addr },
  storage: running.storage,
});

export interface ChangedAttachments {
  added: AttachmentConfig[];
  removed: AttachmentConfig[];
  /** As they are now. */
  changed: AttachmentConfig[];
}

/** An attachment is known by its agent: a node has one for each. */
export function changedAttachments(
  before: Pick<NodeConfig, 'attachments'>,
  after: Pick<NodeConfig, 'attachments'>,
): ChangedAttachments {
  const old = new Map(before.attachments.map((one) => [one.agent.id, one]));
  const now = new Set(after.attachments.map((one) => one.agent.id));
  return {
    added: after.attachments.filter((one) => !old.has(one.agent.id)),
    removed: before.attachments.filter((one) => !now.has(one.agent.id)),
    changed: after.attachments.filter(
      (one) => old.has(one.agent.id) && !isDeepStrictEqual(old.get(one.agent.id), one),
    ),
  };
}
