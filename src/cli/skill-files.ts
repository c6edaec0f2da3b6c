/** Where each runtime looks for skills, and writing ours there (wire.md 11). */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeFileAtomic } from '../config/private-files.ts';
import { runtimeDefinition } from '../runtimes/registry.ts';
import { openClient, type ServerAddress } from './api.ts';
import { SKILL_TEXT } from './skill-text.ts';

/** Read by most runtimes, and by Claude Code. Written for every one: an agent may be another tomorrow. */
const GENERIC = ['.agents/skills', '.claude/skills'];

const MAX_BYTES = 256 * 1024;
const TIMEOUT = 2_000;

/** Paths of the files that were written, relative to the workspace. A file that says the same already is not touched. */
export function installSkill(workspace: string, runtime: string | undefined, text: string): string[] {
  const folders = [...(runtimeDefinition(runtime ?? '')?.skill_paths ?? []), ...GENERIC];
  return folders.map((folder) => {
    const relative = path.join(folder, 'moltnet', 'SKILL.md');
    const file = path.join(workspace, relative);
    if (readOr(file) !== text) {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileAtomic(file, text, 0o644);
    }
    return relative;
  });
}

/** The server's own skill, which knows its rooms; the bundled text when it has none that can be one. */
export async function skillOf(server: ServerAddress | undefined): Promise<string> {
  if (!server) return SKILL_TEXT;
  try {
    const text = await openClient(server, TIMEOUT).text('/skill.md');
    const front = /^---\n([\s\S]*?)\n---\n/.exec(text)?.[1] ?? '';
    return Buffer.byteLength(text) <= MAX_BYTES && /^name:\s*["']?moltnet["']?\s*$/m.test(front)
      ? text
      : SKILL_TEXT;
  } catch {
    return SKILL_TEXT;
  }
}

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
