/** Writing `.moltnet/config.json`: one entry is put in or replaced, the rest of the file stays as it is. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CLIENT_VERSION, readClientFile } from './client.ts';
import { ensurePrivateDir, withFileLock, writeFileAtomic } from './private-files.ts';
import type { ClientAttachment } from './types.ts';

/**
 * Puts an attachment into a client configuration, in place of the entry of the same network and member. The file is
 * 0600 and replaced atomically, its folder made 0700; an unchanged file is not written. Throws a ConfigError when
 * the existing file is not one.
 */
export function upsertClientConfig(
  file: string,
  attachment: ClientAttachment,
  agent: { name: string; runtime: string },
): 'created' | 'updated' | 'unchanged' {
  const absolute = path.resolve(file);
  // It is asked before every turn, and there is nearly never anything to change.
  if (changed(absolute, file, attachment, agent).text === undefined) return 'unchanged';
  ensurePrivateDir(path.dirname(absolute));
  return withFileLock(absolute, () => {
    const { before, text } = changed(absolute, file, attachment, agent);
    if (text === undefined) return 'unchanged';
    writeFileAtomic(absolute, text);
    return before === undefined ? 'created' : 'updated';
  });
}

/** The file as it is, and as it is to be when that is something else. */
function changed(
  absolute: string,
  file: string,
  attachment: ClientAttachment,
  agent: { name: string; runtime: string },
): { before: string | undefined; text: string | undefined } {
  const before = readOr(absolute);
  const entry = serialise(attachment);
  const root: Record<string, unknown> =
    before === undefined ? {} : (JSON.parse(before) as Record<string, unknown>);
  if (before !== undefined) readClientFile(file);
  const list = (root.attachments ?? []) as Record<string, unknown>[];
  const index = list.findIndex(
    (a) => a.network_id === attachment.network_id && a.member_id === attachment.member_id,
  );
  const attachments = index < 0 ? [...list, entry] : list.with(index, entry);
  const known = (root.agent ?? {}) as { name?: string; runtime?: string };
  const next = {
    ...root,
    version: CLIENT_VERSION,
    agent: { ...known, name: agent.name || known.name, runtime: agent.runtime || known.runtime },
    attachments,
  };
  const text = `${JSON.stringify(next, null, 2)}\n`;
  return { before, text: text === before ? undefined : text };
}

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Keys in the order of the original's files. */
const serialise = (a: ClientAttachment): Record<string, unknown> => ({
  agent_name: a.agent_name,
  auth: a.auth,
  base_url: a.base_url,
  other_urls: a.other_urls,
  dms: a.dms,
  member_id: a.member_id,
  network_id: a.network_id,
  rooms: a.rooms,
  runtime: a.runtime,
});
