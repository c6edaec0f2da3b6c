/**
 * Which model a turn would go to. opencode asks a hosted one that nobody has chosen rather than none: what a room
 * says must not go there.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SetupError } from '../setup-error.ts';

interface Provider {
  id: string;
  options?: { apiKey?: string };
  models: Record<string, unknown>;
}
/** What it takes from its settings, of all places. */
export interface OpencodeConfig {
  shell?: string;
  model?: string;
  default_agent?: string;
  agent?: Record<string, { model?: string }>;
  provider?: Record<string, unknown>;
}

/** The agent that takes its messages. */
export const agentOf = ({ default_agent }: OpencodeConfig): string => default_agent ?? 'build';

const LOG_IN = 'log in with `opencode auth login` as the user of this node';

/**
 * Throws a SetupError unless somebody has chosen a model, and has logged in to its provider.
 *
 * @param get what the server answers to a GET
 * @param named `runtime.model`
 */
export async function requireChosenModel(
  get: (path: string) => Promise<unknown>,
  config: OpencodeConfig,
  named: string | undefined,
): Promise<void> {
  const { providers } = (await get('/config/providers')) as { providers: Provider[] };
  const model = named ?? config.agent?.[agentOf(config)]?.model ?? config.model;
  if (model !== undefined) return requireKnown(model, providers, named === undefined);
  const { state } = (await get('/path')) as { state: string };
  if (recent(state).some(({ providerID, modelID }) => modelOf(providers, providerID, modelID))) return;
  const configured = Object.keys(config.provider ?? {});
  const first = providers.find(({ id }) => configured.length === 0 || configured.includes(id));
  // Its own service takes anybody, under this key.
  if (first && first.options?.apiKey !== 'public') return;
  throw new SetupError(
    `nobody has chosen a model for opencode: ${LOG_IN}, or write a provider and a model into its opencode.json, or name the model in runtime.model`,
    'not_logged_in',
  );
}

const modelOf = (providers: readonly Provider[], provider: string, model: string): unknown =>
  providers.find(({ id }) => id === provider)?.models[model];

function requireKnown(model: string, providers: readonly Provider[], itsOwn: boolean): void {
  const [provider = '', ...rest] = model.split('/');
  const where = itsOwn ? 'in its opencode.json' : 'in runtime.model';
  if (!providers.some(({ id }) => id === provider))
    throw new SetupError(
      `opencode has no provider ${provider} for the model ${model}: ${LOG_IN}, or correct the model ${where}`,
      'not_logged_in',
    );
  if (modelOf(providers, provider, rest.join('/')) === undefined)
    throw new SetupError(
      `opencode knows no model ${model}; name one of \`opencode models\` ${where}`,
      'model',
    );
}

/** The models that a person has last picked at the screen. */
function recent(state: string): { providerID: string; modelID: string }[] {
  try {
    const { recent } = JSON.parse(readFileSync(path.join(state, 'model.json'), 'utf8')) as {
      recent?: unknown;
    };
    return (Array.isArray(recent) ? recent : []).filter(
      (one: { providerID?: unknown; modelID?: unknown } | null) =>
        typeof one?.providerID === 'string' && typeof one.modelID === 'string',
    ) as { providerID: string; modelID: string }[];
  } catch {
    // Nobody has.
    return [];
  }
}
