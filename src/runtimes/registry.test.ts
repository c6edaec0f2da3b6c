import { expect, it } from 'vitest';
import { runtimeLab } from '../../test/support/runtime-lab.ts';
import { createRuntime, RUNTIME_KINDS } from './registry.ts';

it('RT-24 a kind that is not known is an error which lists those that are', async () => {
  const lab = runtimeLab(createRuntime, 'codex', 'codex');
  try {
    for (const kind of RUNTIME_KINDS) expect(lab.runtime({ kind }).kind).toBe(kind);
    for (const kind of ['codexx', '', 'toString', '__proto__'])
      expect(() => lab.runtime({ kind })).toThrow(/is not known; use one of: claude-code, codex$/);
  } finally {
    await lab.close();
  }
});
