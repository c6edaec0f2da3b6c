/**
 * PicoClaw by the socket of its pico channel. It acknowledges nothing, says no end and knows no message again: `typing`
 * is the sign that it has the message, its answer and a while of quiet are the end, and where that cannot be told the
 * message is not handed over a second time. Tried with v0.2.9.
 */
import path from 'node:path';
import { guarded } from '../guarded-text.ts';
import { openHandedOver } from '../handed-over.ts';
import { endedWell, TURN_BY_TURN, type Runtime, type TurnOutcome } from '../runtime.ts';
import { stateFolder } from '../state-folder.ts';
import { failedBy, pause, probed, TurnFailure, turnLine, type LineTurn } from '../turn-line.ts';
import { picoclawFailure } from './failures.ts';
import { DEFAULT_TOKEN, openPico, type PicoFrame, type PicoSocket } from './pico-socket.ts';
import type { PicoClawContext } from './picoclaw.ts';

/** Milliseconds. */
export interface PicoTimes {
  /** Without another word after an answer: then the turn is over. */
  quiet: number;
  /** For a first sign that it has the message; it comes in less than a second. */
  sign: number;
  /** Of silence on a connection that was lost and made anew, or after a node that was: then nobody can tell. */
  echo: number;
  /** For a turn that was told to end. */
  stop: number;
  /** Between two tries to connect, and for all of them. */
  retry: number;
  ready: number;
}
const TIMES: PicoTimes = {
  quiet: 1500,
  sign: 30_000,
  echo: 30_000,
  stop: 3000,
  retry: 1000,
  ready: 60_000,
};

export function eventsRuntime(context: PicoClawContext, url: string, times = TIMES): Runtime {
  const token = context.attachment.runtime.token ?? DEFAULT_TOKEN;
  const handed = openHandedOver(path.join(stateFolder(context.attachment), 'picoclaw-handed.json'));

  const run = async (turn: LineTurn): Promise<TurnOutcome> => {
    const { wake_id, attempt, session_key } = turn.wake;
    const before = handed.get(session_key);
    const again = before?.wake_id === wake_id ? before : undefined;
    if (again?.outcome === 'ok') {
      turn.events.accepted();
      turn.events.delivered();
      return { state: 'ok' };
    }
    const conversation = new Conversation(turn, url, token, times);
    const doubt = again !== undefined && again.outcome === undefined;
    let outcome: TurnOutcome;
    try {
      outcome = await conversation.run(doubt, () => handed.set(session_key, { wake_id, attempt }));
    } catch (error) {
      outcome = failedBy(error);
    }
    // What is in doubt stays so.
    if (conversation.known)
      handed.set(session_key, { wake_id, attempt, outcome: outcome.state === 'ok' ? 'ok' : 'failed' });
    return outcome;
  };

  return {
    kind: 'picoclaw',
    capabilities: {
      ...TURN_BY_TURN,
      dedupes: true,
      reports_usage: false,
      cancels: true,
    },
    ...turnLine({ context, run }),
    probe: () => probed(async () => (await openPico(url, 'moltnet-probe', token, () => {})).close()),
  };
}

/** One turn, over as many connections as it takes. */
class Conversation {
  readonly #turn: LineTurn;
  readonly #open: () => Promise<PicoSocket>;
  readonly #times: PicoTimes;
  /** What became of the message that was handed over. */
  known = false;
  #sign = false;
  #answer: string | undefined;
  #refusal: string | undefined;
  /** Resolves with the next frame. */
  #heard = Promise.withResolvers<'frame'>();

  constructor(turn: LineTurn, url: string, token: string, times: PicoTimes) {
    this.#turn = turn;
    this.#times = times;
    this.#open = () => openPico(url, turn.wake.session_key, token, (frame) => this.#frame(frame));
  }

  /** `doubt`: an earlier node handed it over and died; `note` is called before anything is. */
  async run(doubt: boolean, note: () => void): Promise<TurnOutcome> {
    const { wake, events, signal } = this.#turn;
    let socket = await this.#reach();
    try {
      if (!doubt) {
        note();
        socket.send(guarded(wake.text));
      }
      events.accepted();
      // On a connection that has been lost, silence means nothing any more.
      let lost = doubt;
      for (;;) {
        const next = await this.#next(socket, lost);
        if (signal.aborted) return await this.#stop(socket);
        this.known = this.#refusal !== undefined || (this.#answer !== undefined && next === 'silence');
        if (this.#refusal !== undefined)
          throw new TurnFailure(`PicoClaw refused the message: ${this.#refusal}`, {
            permanent: true,
            cause: 'config',
          });
        if (next === 'frame') lost = false;
        else if (next === 'gone') {
          lost = true;
          socket = await this.#reach();
        } else if (this.#answer !== undefined) return answered(this.#answer);
        else
          throw new TurnFailure(
            `the message was handed to PicoClaw, which does not tell what became of it${lost ? ': the connection or the node went away' : ` and gave no sign in ${this.#times.sign / 1000} s`}; it is not handed over twice`,
            { permanent: true, cause: 'crashed' },
          );
      }
    } finally {
      await socket.close();
    }
  }

  /** What happens next: a frame, the end of the connection, or nothing for as long as that means something. */
  async #next(socket: PicoSocket, lost: boolean): Promise<'frame' | 'gone' | 'silence'> {
    const { quiet, sign, echo } = this.#times;
    const wait = this.#answer !== undefined ? quiet : lost ? echo : this.#sign ? undefined : sign;
    const over = new AbortController();
    const stop = AbortSignal.any([this.#turn.signal, over.signal]);
    try {
      return await Promise.race([
        this.#heard.promise,
        socket.gone.then(() => 'gone' as const),
        pause(wait ?? 2 ** 31 - 1, stop).then(() => 'silence' as const),
      ]);
    } finally {
      over.abort();
    }
  }

  #frame({ type, payload }: PicoFrame): void {
    this.#turn.touch();
    if (type === 'typing.start' || type === 'message.create') this.#has();
    if (type === 'error') this.#refusal = `${String(payload['code'])} ${String(payload['message'])}`;
    const { content, kind, thought, placeholder } = payload;
    const whole = kind === undefined && thought !== true && placeholder !== true;
    if ((type === 'message.create' || type === 'message.update') && whole && typeof content === 'string')
      this.#answer = content;
    this.#heard.resolve('frame');
    this.#heard = Promise.withResolvers();
  }

  /** It has the message. */
  #has(): void {
    this.#turn.events.delivered();
    this.#sign = true;
  }

  /** A connection; while nothing was handed over, and after one was lost, it is waited for. */
  async #reach(): Promise<PicoSocket> {
    const end = Date.now() + this.#times.ready;
    for (;;) {
      try {
        return await this.#open();
      } catch (error) {
        const { permanent } = failedBy(error);
        if (permanent || this.#turn.signal.aborted || Date.now() + this.#times.retry > end) throw error;
        await pause(this.#times.retry, this.#turn.signal);
        if (this.#turn.signal.aborted) throw error;
      }
    }
  }

  /** Ends the turn by PicoClaw's own command, which is ours to use. */
  async #stop(socket: PicoSocket): Promise<TurnOutcome> {
    if (socket.alive && this.#answer === undefined) {
      socket.send('/stop');
      this.known = true;
      await Promise.race([this.#heard.promise, pause(this.#times.stop, new AbortController().signal)]);
    }
    return { state: 'cancelled', reason: 'the turn was ended' };
  }
}

function answered(text: string): TurnOutcome {
  const failed = /^Error processing message: (.*)$/s.exec(text)?.[1];
  if (failed !== undefined) throw picoclawFailure(failed);
  return endedWell(text);
}
