import { expect, it } from 'vitest';
import { runtimeLab } from '../../test/support/runtime-lab.ts';
import { createRuntime, RUNTIME_KINDS, RUNTIMES } from './registry.ts';

it('RT-24 a kind that is not known is an error which lists those that are', async () => {
  const lab = runtimeLab({ kind: 'codex', create: createRuntime });
  try {
    for (const { kind } of RUNTIMES) expect(lab.runtime({ kind }).kind).toBe(kind);
    for (const kind of ['codexx', '', 'toString', '__proto__'])
      expect(() => lab.runtime({ kind })).toThrow(`is not known; use one of: ${RUNTIME_KINDS.join(', ')}`);
  } finally {
    await lab.close();
  }
});
