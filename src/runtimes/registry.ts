/** The runtimes by kind, as `runtime.kind` of a node's file names them. */
import { createClaudeCode } from './claude-code.ts';
import { createCodex } from './codex.ts';
import type { Runtime, RuntimeContext, RuntimeFactory } from './runtime.ts';

const FACTORIES: Record<string, RuntimeFactory> = {
  'claude-code': createClaudeCode,
  codex: createCodex,
};

/** Every kind that `createRuntime` takes, sorted. */
export const RUNTIME_KINDS: readonly string[] = Object.keys(FACTORIES).sort();

/** The runtime of an attachment. Throws when its kind is not known; the error lists the kinds that are. */
export function createRuntime(context: RuntimeContext): Runtime {
  const kind = context.attachment.runtime.kind;
  const factory = Object.hasOwn(FACTORIES, kind) ? FACTORIES[kind] : undefined;
  if (!factory)
    throw new Error(
      `runtime.kind ${JSON.stringify(kind)} is not known; use one of: ${RUNTIME_KINDS.join(', ')}`,
    );
  return factory(context);
}
