import { runtimeContract } from '../../test/contract/runtime.ts';
import { fakeClaude, fakeCodex, runtimeLab } from '../../test/support/runtime-lab.ts';
import { createClaudeCode } from './claude-code.ts';
import { createCodex } from './codex.ts';

runtimeContract({
  name: 'codex (stand-in CLI)',
  lab: () => runtimeLab(createCodex, 'codex', fakeCodex),
  fake: true,
  prompts: (lab) => lab.runs().map((run) => run.prompt),
});
runtimeContract({
  name: 'claude-code (stand-in CLI)',
  lab: () => runtimeLab(createClaudeCode, 'claude-code', fakeClaude),
  fake: true,
  prompts: (lab) => lab.runs().map((run) => run.prompt),
});
