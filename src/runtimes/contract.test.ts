import {
  brokenPrograms,
  programContract,
  runtimeContract,
  type ProgramUnderTest,
} from '../../test/contract/runtime.ts';
import { fakeClaude, fakeCodex, runtimeLab } from '../../test/support/runtime-lab.ts';
import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';

const standIns: ProgramUnderTest[] = [
  { name: 'codex (stand-in CLI)', lab: () => runtimeLab(codex, { command: fakeCodex }) },
  {
    name: 'claude-code (stand-in CLI)',
    lab: () => runtimeLab(claudeCode, { command: fakeClaude }),
  },
].map((one) => ({
  ...one,
  claims: { dedupes: true, reports_usage: true, sessions: true },
  fake: true,
  shell: true,
  logins: true,
  broken: brokenPrograms,
  prompts: (lab) => lab.runs().map((run) => run.prompt),
}));

for (const standIn of standIns) {
  runtimeContract(standIn);
  programContract(standIn);
}
