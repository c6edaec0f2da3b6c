import { lastingProgram, programContract, runtimeContract } from '../../test/contract/runtime.ts';
import { fakeCodex, runtimeLab } from '../../test/support/runtime-lab.ts';
import { codex } from './codex.ts';

const standIn = lastingProgram({
  name: 'codex (stand-in CLI)',
  fake: true,
  lab: () => runtimeLab(codex, { command: fakeCodex }),
  prompts: (lab) => lab.runs().map((run) => run.prompt),
});
runtimeContract(standIn);
programContract(standIn);
