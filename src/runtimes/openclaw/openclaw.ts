/**
 * OpenClaw by its gateway (protocol 4): one connection for each attachment, one session of the gateway's for each
 * conversation. Tried with 2026.9.6.
 */
import path from 'node:path';
import type { RuntimeConfigOf, RuntimeFields } from '../../config/runtime-block.ts';
import { beginWake, WAKE_ENV, wakeFolder } from '../../config/wake-folder.ts';
import {
  defineRuntime,
  notReady,
  TURN_BY_TURN,
  type ProbeResult,
  type Runtime,
  type RuntimeContext,
} from '../runtime.ts';
import { guarded } from '../guarded-text.ts';
import { quoted } from '../shell-quoted.ts';
import { openSessionStore } from '../sessions.ts';
import { stateFolder } from '../state-folder.ts';
import { failedBy, pause, turnLine, type LineTurn } from '../turn-line.ts';
import { openDevice, type Device } from './device.ts';
import { gatewayFailure } from './failures.ts';
import { Gateway, GatewayLost, GatewayRefusal } from './gateway.ts';
import { withoutExpansions } from './openclaw-text.ts';
import { openClawSessions, sessionName } from './session-name.ts';
import { runTurn } from './turn.ts';

const FIELDS = {
  gateway_url: {
    type: 'url',
    schemes: ['ws', 'wss'],
    default: 'ws://127.0.0.1:18789',
    about: 'the WebSocket of its gateway',
  },
  agent_id: { type: 'text', about: "which of the gateway's agents is woken (main)" },
} as const satisfies RuntimeFields;
type OpenClawContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

/** Milliseconds for a gateway to be there and ready: it starts in 15 s, and on a loaded machine in more. */
const READY_MS = 60_000;
/** Milliseconds between two tries to reach it: first, and at most. */
const RETRY_MS = 500;
const RETRY_MAX_MS = 10_000;
/** Milliseconds without a turn after which the connection is closed. */
const IDLE_MS = 120_000;

export const openclaw = defineRuntime({
  kind: 'openclaw',
  about: 'an OpenClaw gateway',
  fields: FIELDS,
  refused: { control_url: 'write gateway_url, the WebSocket of the gateway' },
  skill_paths: ['skills'],
  create: createOpenClaw,
});

function createOpenClaw(context: OpenClawContext): Runtime {
  const { attachment, log } = context;
  const { runtime, agent } = attachment;
  const url = runtime.gateway_url ?? FIELDS.gateway_url.default;
  const agentId = runtime.agent_id ?? 'main';
  const state = stateFolder(attachment);
  let device: Device | undefined;
  let gateway: Gateway | undefined;
  let dialing: Promise<Gateway> | undefined;
  let idle: NodeJS.Timeout | undefined;
  let users = 0;

  const store = () =>
    openSessionStore(path.join(state, 'sessions.json'), (aside) =>
      log('warn', 'the session store was not readable and is put aside', { aside }),
    );

  /** One try to connect: with the configured token, else with the one that the gateway gave this device. */
  const dial = async (signal: AbortSignal): Promise<Gateway> => {
    device ??= openDevice(path.join(state, 'openclaw-device.json'));
    const kept = device.token(url);
    const configured = runtime.token ?? (process.env['OPENCLAW_GATEWAY_TOKEN'] || undefined);
    const connect = (token: string | undefined): Promise<Gateway> =>
      Gateway.connect({ url, token, device: device!, name: `Moltnet (${agent.id})`, signal });
    let made: Gateway;
    try {
      made = await connect(configured ?? kept);
    } catch (error) {
      const mismatch = error instanceof GatewayRefusal && /^AUTH_.*MISMATCH/.test(error.detail || error.code);
      if (!mismatch || kept === undefined) throw error;
      if (configured === undefined) {
        device.keepToken(url, undefined);
        throw error;
      }
      // The secret was changed, and the device is known all the same.
      made = await connect(kept);
    }
    if (made.hello.device_token !== undefined) device.keepToken(url, made.hello.device_token);
    return made;
  };

  /** A connection; what starts or is away is waited for. */
  const reach = async (signal: AbortSignal): Promise<Gateway> => {
    const end = Date.now() + READY_MS;
    for (let wait = RETRY_MS; ; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      try {
        return await dial(signal);
      } catch (error) {
        const passes = error instanceof GatewayLost || (error instanceof GatewayRefusal && error.retryable);
        if (!passes || signal.aborted || Date.now() + wait > end) throw error;
        const asked = error instanceof GatewayRefusal ? error.retry_after_ms : undefined;
        await pause(Math.max(RETRY_MS, Math.min(asked ?? wait, RETRY_MAX_MS)), signal);
        if (signal.aborted) throw error;
      }
    }
  };

  /** The shared connection, made by whoever comes first. */
  const connect = async (signal: AbortSignal): Promise<Gateway> => {
    for (;;) {
      if (gateway?.alive) return gateway;
      if (signal.aborted) throw new GatewayLost('the connection was given up');
      if (dialing) await Promise.race([dialing.catch(() => {}), pause(READY_MS, signal)]);
      else {
        dialing = reach(signal);
        try {
          gateway = await dialing;
        } finally {
          dialing = undefined;
        }
      }
    }
  };

  const sessions = openClawSessions(store, (key) =>
    sessionName(key, agent.id, agentId, runtime.session_prefix !== undefined),
  );

  const run = async (turn: LineTurn) => {
    users++;
    clearTimeout(idle);
    try {
      const { wake } = turn;
      const folder = runtime.workspace_path && wakeFolder(runtime.workspace_path, wake.session_key);
      return await runTurn({
        ...turn,
        gateway_url: url,
        session: sessions.of(wake.session_key),
        agent_id: agentId,
        text: guarded(withoutExpansions(folder === undefined ? wake.text : naming(folder, wake.text))),
        begin: () => {
          if (folder !== undefined) beginWake(folder, { ...wake, resumes: true });
        },
        connect: () => connect(turn.signal),
      });
    } finally {
      if (--users === 0) idle = setTimeout(() => void gateway?.close(), IDLE_MS).unref();
    }
  };

  const line = turnLine({
    context,
    run,
    close: async () => {
      clearTimeout(idle);
      await gateway?.close();
    },
  });
  return {
    kind: 'openclaw',
    capabilities: {
      ...TURN_BY_TURN,
      dedupes: true,
      reports_usage: true,
      cancels: true,
    },
    ...line,
    probe: () => probe(gateway, dial, url),
    sessions,
  };
}

/** Asks for a connection of its own where there is none, once. */
async function probe(
  held: Gateway | undefined,
  dial: (signal: AbortSignal) => Promise<Gateway>,
  url: string,
): Promise<ProbeResult> {
  try {
    const gateway = held?.alive ? held : await dial(AbortSignal.timeout(READY_MS));
    if (gateway !== held) await gateway.close();
    const { version } = gateway.hello;
    return { ready: true, ...(version === undefined ? {} : { version }) };
  } catch (error) {
    return notReady(failedBy(gatewayFailure(error, url)));
  }
}

/**
 * The commands of the gateway's agents have the gateway's environment. So that a wake that is run once more says
 * nothing twice, the command that it is told to answer by names its wake itself. Words of others stand behind a mark.
 */
export function naming(folder: string, text: string): string {
  if (process.platform === 'win32') return text;
  const value = /^[\w./-]+$/.test(folder) ? folder : quoted(folder);
  return text
    .split('\n')
    .map((line) =>
      /^[>+[]/.test(line) ? line : line.replaceAll('moltnet send ', `${WAKE_ENV}=${value} moltnet send `),
    )
    .join('\n');
}
