import os from 'node:os';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { claudeCode } from '../../src/runtimes/claude-code.ts';
import { codex } from '../../src/runtimes/codex.ts';
import { gemini } from '../../src/runtimes/gemini/gemini.ts';
import { guarded } from '../../src/runtimes/guarded-text.ts';
import { opencode } from '../../src/runtimes/opencode/opencode.ts';
import { lastingProgram, programContract, runtimeContract } from '../contract/runtime.ts';
import { directives, startMockModel, type MockModel, type ModelScript } from '../support/mock-model.ts';
import { runtimeLab } from '../support/runtime-lab.ts';
import {
  claudeCommand,
  codexCommand,
  geminiCommand,
  modelEnvironment,
  opencodeCommand,
  prepareCodexHome,
  prepareGeminiHome,
  prepareOpencodeHome,
  setEnvironment,
} from './real-clis.ts';

/** The directives of the stand-in CLIs that a model can play. */
const script: ModelScript = (request) => {
  const http = /\[\[http: (\d+)\]\]/.exec(request.prompt);
  if (http) return { http: Number(http[1]) };
  return request.prompt.includes('[[hang]]') ? { hang: true } : directives(request);
};

let model: MockModel;
let restore: () => void;
beforeAll(async () => {
  model = await startMockModel(script);
  restore = setEnvironment(modelEnvironment(model));
});
afterAll(async () => {
  restore();
  await model.close();
});
beforeEach(() => {
  model.requests.length = 0;
});

it('RT-30 the run has a network of its own with only the loopback, or says that it has not', () => {
  const names = Object.keys(os.networkInterfaces());
  if (process.env['MOLTNET_LOOPBACK_ONLY']) expect(names).toEqual(['lo']);
  else console.log(`no network namespace here: ${names.join(', ')}`);
});

const real = [
  {
    name: 'codex (real)',
    lab: () => {
      const lab = runtimeLab(codex, { command: codexCommand });
      prepareCodexHome(lab.home, model);
      return lab;
    },
  },
  { name: 'claude-code (real)', lab: () => runtimeLab(claudeCode, { command: claudeCommand }) },
  {
    name: 'gemini (real)',
    lab: () => {
      const lab = runtimeLab(gemini, { command: geminiCommand });
      prepareGeminiHome(lab.home);
      return lab;
    },
    arrives: guarded,
  },
  {
    name: 'opencode (real)',
    lab: () => {
      const lab = runtimeLab(opencode, { command: opencodeCommand });
      prepareOpencodeHome(lab.home, model);
      return lab;
    },
  },
].map((one) =>
  lastingProgram({ ...one, fake: false, prompts: () => model.turns().map((turn) => turn.prompt) }),
);

for (const one of real) {
  runtimeContract(one);
  programContract(one);
}
