import { lastingProgram, programContract, runtimeContract } from '../../../test/contract/runtime.ts';
import { fakeGemini, runtimeLab } from '../../../test/support/runtime-lab.ts';
import { guarded } from '../guarded-text.ts';
import { gemini } from './gemini.ts';

const standIn = lastingProgram({
  name: 'gemini (stand-in CLI)',
  fake: true,
  lab: () => runtimeLab(gemini, { command: fakeGemini }),
  prompts: (lab) => lab.runs().flatMap((run) => run.prompt ?? []),
  arrives: guarded,
});
runtimeContract(standIn);
programContract(standIn);
