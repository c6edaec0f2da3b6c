import { lastingProgram, programContract, runtimeContract } from '../../test/contract/runtime.ts';
import { fakeClaude, runtimeLab } from '../../test/support/runtime-lab.ts';
import { claudeCode } from './claude-code.ts';

const standIn = lastingProgram({
  name: 'claude-code (stand-in CLI)',
  fake: true,
  lab: () => runtimeLab(claudeCode, { command: fakeClaude }),
  prompts: (lab) => lab.runs().map((run) => run.prompt),
});
runtimeContract(standIn);
programContract(standIn);
