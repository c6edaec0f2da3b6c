/**
 * What every runtime keeps. `runtimeContract` is for all of them, a socket or an HTTP service as much as a program;
 * `programContract` is for command-line programs beside it. Both run with a stand-in, for the turns that a real one
 * cannot be made to play, and on the real ones against a mock model (test/runtimes).
 */
import { describe } from 'vitest';
import { endings } from './runtime/ending.ts';
import { outcomes } from './runtime/outcome.ts';
import { sessions } from './runtime/session.ts';
import type { RuntimeUnderTest } from './runtime/subject.ts';
import { labs } from './runtime/subject.ts';

export { programContract } from './runtime/program.ts';
export type { ProgramUnderTest, RuntimeUnderTest } from './runtime/subject.ts';
export { brokenPrograms, lastingProgram, lives, processesOf } from './runtime/subject.ts';

/** Of every runtime. What one does not claim is not asked of it. */
export function runtimeContract(subject: RuntimeUnderTest): void {
  describe(`${subject.name}: the contract`, () => {
    const lab = labs(subject);
    outcomes(subject, lab);
    sessions(subject, lab);
    endings(subject, lab);
  });
}
