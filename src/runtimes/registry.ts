/** The runtimes, as `runtime.kind` of a node's file names them. A new one is one more line here. */
import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';
import { command } from './command.ts';
import { pi } from './control-url.ts';
import { gemini } from './gemini/gemini.ts';
import { opencode } from './opencode/opencode.ts';
import { openclaw } from './openclaw/openclaw.ts';
import { picoclaw } from './picoclaw/picoclaw.ts';
import type { Runtime, RuntimeContext, RuntimeDefinition } from './runtime.ts';
import { tinyclaw } from './tinyclaw/tinyclaw.ts';
import { webhook } from './webhook/webhook.ts';

export const RUNTIMES: readonly RuntimeDefinition[] = [
  codex,
  claudeCode,
  gemini,
  opencode,
  openclaw,
  picoclaw,
  tinyclaw,
  pi,
  command,
  webhook,
];

/** Every kind that a file may name. */
export const RUNTIME_KINDS: readonly string[] = RUNTIMES.map(({ kind }) => kind);

export const runtimeDefinition = (kind: string): RuntimeDefinition | undefined =>
  RUNTIMES.find((one) => one.kind === kind);

/** The runtime of an attachment. Throws when its kind is not known; the error lists the kinds that are. */
export function createRuntime(context: RuntimeContext): Runtime {
  const { kind } = context.attachment.runtime;
  const definition = runtimeDefinition(kind);
  if (!definition)
    throw new Error(
      `runtime.kind ${JSON.stringify(kind)} is not known; use one of: ${RUNTIME_KINDS.join(', ')}`,
    );
  return definition.create(context);
}
