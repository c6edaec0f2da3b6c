/**
 * What Claude Code's own transcript says about a turn. Read only after a crash: the CLI then says that it knows a
 * message, and not whether it got to the end of it.
 */
import { createReadStream, readdirSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { parseLine } from './cli-runtime.ts';
import { linesOf } from './line-splitter.ts';

/** Bytes of a line that may be a message. */
const LONGEST = 16 * 1_048_576;

/**
 * Whether the turn of one of these messages came to its end; undefined when the transcript does not have them.
 * @param configDir the CLI's own folder, `~/.claude`
 */
export async function turnFinished(
  configDir: string,
  sessionId: string,
  uuids: ReadonlySet<string>,
): Promise<boolean | undefined> {
  const file = transcriptOf(configDir, sessionId);
  if (file === undefined) return undefined;
  let found = false;
  let inTurn = false;
  for await (const line of linesOf(createReadStream(file), LONGEST)) {
    const entry = parseLine(line);
    if (entry?.['type'] === 'user' && isPrompt(entry)) {
      inTurn = uuids.has(String(entry['uuid']));
      found ||= inTurn;
    } else if (inTurn && entry?.['type'] === 'assistant' && endsTurn(entry['message'])) return true;
  }
  return found ? false : undefined;
}

/** Bytes, with those of its subagents, which have a folder beside it; 0 when there is none. It grows with all that a turn comes to. */
export function transcriptSize(configDir: string, sessionId: string): number {
  const file = transcriptOf(configDir, sessionId);
  if (file === undefined) return 0;
  const beside = file.slice(0, -'.jsonl'.length);
  return [file, ...filesUnder(beside)].reduce((sum, each) => sum + (looked(each)?.size ?? 0), 0);
}

function filesUnder(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

function transcriptOf(configDir: string, sessionId: string): string | undefined {
  const projects = path.join(configDir, 'projects');
  let folders: string[];
  try {
    folders = readdirSync(projects);
  } catch {
    return undefined;
  }
  return folders
    .map((folder) => path.join(projects, folder, `${sessionId}.jsonl`))
    .find((file) => looked(file)?.isFile());
}

/** Undefined also where it may not be looked at: what else lies there is not ours. */
function looked(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

/** The CLI puts in messages of its own, `<synthetic>`, for an error and for an answer that never came. */
function endsTurn(message: unknown): boolean {
  const { model, stop_reason } = (message ?? {}) as { model?: string; stop_reason?: string | null };
  return (
    model !== '<synthetic>' &&
    typeof stop_reason === 'string' &&
    stop_reason !== 'tool_use' &&
    stop_reason !== 'pause_turn'
  );
}

/** A message of a user, or the note that he interrupted; the results of tools have that type too. */
function isPrompt(entry: Record<string, unknown>): boolean {
  if (entry['isMeta'] === true || entry['isCompactSummary'] === true) return false;
  const content = (entry['message'] as { content?: unknown } | undefined)?.content;
  if (!Array.isArray(content)) return typeof content === 'string';
  return !(content as { type?: string }[]).some((block) => block.type === 'tool_result');
}
