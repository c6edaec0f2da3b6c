/** The real `codex`, `claude`, `gemini` and `opencode` of this folder's own node_modules, set up for a mock model and an empty home. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLAUDE_CLI } from '../../src/runtimes/claude-code.ts';
import { findExecutable } from '../../src/runtimes/executable.ts';
import type { MockModel } from '../support/mock-model.ts';

const bin = (name: string): string => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url));
export const codexCommand: string = bin('codex');
export const claudeCommand: string = bin('claude');
export const opencodeCommand: string = bin('opencode');
/** The native program: npm's launcher in front of it works only where install scripts have run. */
export const claudeNative = (): string => findExecutable(claudeCommand, '', 'npm ci', CLAUDE_CLI);
export const geminiCommand: string = bin('gemini');

/** Writes Codex's configuration into a home: the mock model, no updates, no telemetry. */
export function prepareCodexHome(home: string, model: MockModel): void {
  const folder = path.join(home, '.codex');
  mkdirSync(folder, { recursive: true });
  const config = `model = "mock-model"
model_provider = "mock"
check_for_update_on_startup = false
[model_providers.mock]
name = "mock"
base_url = "${model.url}/v1"
wire_api = "responses"
env_key = "MOCK_MODEL_KEY"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`;
  writeFileSync(path.join(folder, 'config.toml'), config);
}

/**
 * Writes Gemini CLI's configuration into a home: one model, which it would else ask another model to choose, asked
 * once. Where that is comes by the environment; telemetry and updates are off by the adapter.
 */
export function prepareGeminiHome(home: string): void {
  const folder = path.join(home, '.gemini');
  mkdirSync(folder, { recursive: true });
  const config = { model: { name: 'gemini-2.5-flash' }, general: { maxAttempts: 1 } };
  writeFileSync(path.join(folder, 'settings.json'), JSON.stringify(config));
}

/** Writes opencode's configuration into a home: the mock model, no updates, nothing shared. */
export function prepareOpencodeHome(home: string, model: MockModel): void {
  const folder = path.join(home, '.config', 'opencode');
  mkdirSync(folder, { recursive: true });
  const provider = {
    npm: '@ai-sdk/openai-compatible',
    name: 'Mock',
    options: { baseURL: `${model.url}/v1`, apiKey: 'mock' },
    models: { 'mock-model': { name: 'Mock' } },
  };
  const named = 'mock/mock-model';
  const config = {
    model: named,
    small_model: named,
    autoupdate: false,
    share: 'disabled',
    provider: { mock: provider },
  };
  writeFileSync(path.join(folder, 'opencode.json'), JSON.stringify(config));
  // It would install its plugin kit from npm beside its configuration, at every start until that is there.
  mkdirSync(path.join(folder, 'node_modules'));
  const packages = { '': { dependencies: { '@opencode-ai/plugin': '*' } } };
  writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }));
}

/** What the CLIs need in the environment of the node. */
export const modelEnvironment = (model: MockModel): Record<string, string> => ({
  MOCK_MODEL_KEY: 'mock',
  ANTHROPIC_BASE_URL: model.url,
  ANTHROPIC_API_KEY: 'mock',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_MAX_RETRIES: '0',
  DISABLE_AUTOUPDATER: '1',
  DISABLE_TELEMETRY: '1',
  GOOGLE_GEMINI_BASE_URL: model.url,
  GEMINI_API_KEY: 'mock',
  // It would ask a list of models on the network for a long time.
  OPENCODE_DISABLE_MODELS_FETCH: '1',
});

/** Sets variables of this process, from which a runtime takes its environment; returns what takes them back. */
export function setEnvironment(variables: Record<string, string>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
