import { lastingProgram, programContract, runtimeContract } from '../../../test/contract/runtime.ts';
import { fakeOpencode, runtimeLab } from '../../../test/support/runtime-lab.ts';
import { opencode } from './opencode.ts';

const standIn = lastingProgram({
  name: 'opencode (stand-in CLI)',
  fake: true,
  lab: () => runtimeLab(opencode, { command: fakeOpencode }),
  prompts: (lab) => lab.runs().map((run) => run.prompt),
});
runtimeContract(standIn);
programContract(standIn);
