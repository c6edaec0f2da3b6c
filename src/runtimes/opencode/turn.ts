/** One turn of opencode: whether it was run before, and if not its message, what happens on the way, and its end. */
import { keepAfterTurn, MAX_RESUMPTIONS, tellDenials, TOO_OFTEN, type CliTurn } from '../cli-runtime.ts';
import { endedWell, type TurnEvents, type TurnOutcome, type TurnUsage } from '../runtime.ts';
import { oneLine } from '../turn-line.ts';
import { errorFailure, wordsFailure } from './failures.ts';
import { messageId, pastOf, saidIn, type OpencodeMessage } from './messages.ts';
import type { OpencodeServer } from './opencode-server.ts';

/**
 * How often in a row it may ask its model again, and how many seconds it may wait for that. Then the turn has failed,
 * and the node tries again; the sender learns of it meanwhile.
 */
const MAX_RETRIES = 2;
const MAX_RETRY_S = 30;
/** Milliseconds in which it breaks off a turn; then its process is ended. */
const BREAK_OFF_MS = 2000;

const BROKEN_OFF: TurnOutcome = {
  state: 'failed',
  permanent: false,
  cause: 'crashed',
  reason: 'opencode broke off the turn without saying why',
};

/** What is known of a turn when it ends from outside. */
export interface Progress {
  /** The id of its message, once it is sent. */
  message?: string;
  /** The session has it. */
  delivered?: boolean;
  /** Why it asks its model again. */
  retried?: string;
}

export function tellDelivered(progress: Progress, events: TurnEvents): void {
  if (progress.delivered) return;
  progress.delivered = true;
  events.accepted?.();
  events.delivered?.();
}

/** What to do about what it refused. */
const DENIED =
  'opencode asked for what nobody is there to allow; allow it in its settings (permission) if its agent should';

interface Begun {
  turn: CliTurn;
  server: OpencodeServer;
  /** Ends the turn. */
  signal: AbortSignal;
  progress: Progress;
  /** `runtime.model` */
  model: string | undefined;
  life(): void;
}

export async function beginTurn(begun: Begun): Promise<TurnOutcome> {
  const { turn, server, signal } = begun;
  const { context, wake, sessions } = turn;
  let session = sessions.get(wake.session_key)?.runtime_session_id;
  const stop = (): void => void server.stop(session);
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    const history = isSession(session) ? await server.messages(session, signal) : undefined;
    if (!isSession(session) || !history) {
      if (session !== undefined)
        context.log('warn', 'opencode does not have the session of this conversation; a new one begins', {
          conversation: wake.conversation,
          session,
        });
      session = await server.create(`Moltnet ${wake.conversation}`, signal);
      // At once: a crash of ours must not leave a session that nobody finds again.
      sessions.set(wake.session_key, session);
    }
    const { done, tries } = pastOf(history ?? [], wake);
    if (done) return endedWell(done.final_text);
    if (tries > MAX_RESUMPTIONS) return TOO_OFTEN;
    begun.life();
    turn.begin();
    return await send(begun, session, messageId(wake, tries));
  } finally {
    signal.removeEventListener('abort', stop);
    if (signal.aborted) await server.stop();
    tellDenials(turn, server.takeDenials(), DENIED);
  }
}

async function send(begun: Begun, session: string, message: string): Promise<TurnOutcome> {
  const { turn, server, signal, progress, life } = begun;
  const { context, events, wake } = turn;
  const steps = new Map<string, OpencodeMessage['info']>();
  const given = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  /** What it is given up for. */
  let failed: TurnOutcome | undefined;
  const giveUp = (words: string, in_s: number): void => {
    if (failed) return;
    const failure = wordsFailure(words);
    failed = in_s > MAX_RETRY_S ? { ...failure, retry_after_s: Math.ceil(in_s) } : failure;
    timer = setTimeout(() => given.abort(), BREAK_OFF_MS);
    void server.breakOff(session);
  };
  const body = {
    messageID: message,
    parts: [{ type: 'text' as const, text: wake.text }],
    ...modelOf(begun.model),
  };
  progress.message = message;
  try {
    const end = await server.prompt(
      body,
      {
        session,
        message,
        life,
        delivered: () => tellDelivered(progress, events),
        retry: (attempt, words, in_s) => {
          // It is being broken off, and may get to another try before that.
          if (failed) return;
          progress.retried = oneLine(words);
          context.log('info', 'opencode could not reach its model and asks it again', {
            wake_id: wake.wake_id,
            attempt,
            reason: progress.retried,
            in_s: Math.round(in_s),
          });
          if (attempt >= MAX_RETRIES || in_s > MAX_RETRY_S) giveUp(words, in_s);
        },
        step: (info) => void steps.set(info.id, info),
      },
      AbortSignal.any([signal, given.signal]),
    );
    // The answer may overtake its events, which come on another connection.
    tellDelivered(progress, events);
    steps.set(end.info.id, end.info);
    keepAfterTurn(turn, session, undefined);
    const usage = usageOf(steps);
    if (end.info.error) return { ...(failed ?? errorFailure(end.info.error)), ...usage };
    // Broken off, by us or by another, while it waited for its model: it says no error then.
    if (end.info.finish === undefined) return { ...(failed ?? BROKEN_OFF), ...usage };
    return endedWell(saidIn(end), usage);
  } catch (error) {
    if (!failed || signal.aborted) throw error;
    await server.stop();
    return { ...failed, ...usageOf(steps) };
  } finally {
    clearTimeout(timer);
  }
}

function modelOf(model = ''): { model?: { providerID: string; modelID: string } } {
  const [providerID = '', ...name] = model.split('/');
  return name.length > 0 ? { model: { providerID, modelID: name.join('/') } } : {};
}
/** Of all steps of the turn. Its own count: what came out of a cache was read too. */
function usageOf(steps: ReadonlyMap<string, OpencodeMessage['info']>): { usage?: TurnUsage } {
  let [input, output, cost] = [0, 0, 0];
  for (const { tokens, cost: dollars } of steps.values()) {
    input += (tokens?.input ?? 0) + (tokens?.cache?.read ?? 0) + (tokens?.cache?.write ?? 0);
    output += (tokens?.output ?? 0) + (tokens?.reasoning ?? 0);
    cost += dollars ?? 0;
  }
  if (input + output === 0) return {};
  return { usage: { input_tokens: input, output_tokens: output, ...(cost > 0 ? { cost_usd: cost } : {}) } };
}

const isSession = (id: string | undefined): id is string => id !== undefined && /^ses_\w+$/.test(id);
