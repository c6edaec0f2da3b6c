/** What opencode tells while a turn runs: its event stream, and what was missed of it while that was away. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_DENIALS, type Denial } from '../cli-runtime.ts';
import { isObject, parseObject } from '../json.ts';
import { watchSse } from '../sse.ts';
import { messagesPath, type OpencodeError, type OpencodeMessage } from './messages.ts';
import { mayDo, type Asked, type Rule } from './permissions.ts';

/** Milliseconds until a stream that broke off is opened again. */
const AGAIN_MS = 100;

/** What comes in while a turn runs. */
export interface Listener {
  session: string;
  message: string;
  life(): void;
  /** The session has the message. */
  delivered(): void;
  /** It will ask its model again: for the how-manieth time, why, and in how many seconds. */
  retry(attempt: number, message: string, in_s: number): void;
  /** A step of the turn, as far as it is. */
  step(message: OpencodeMessage['info']): void;
}

export interface OpencodeEvents {
  /** Whoever is told of a turn. */
  listener: Listener | undefined;
  /** What the session says of an error that the answer does not tell. */
  said: string | undefined;
  readonly opened: Promise<void>;
  /** What was refused since the last call. */
  takeDenials(): Denial[];
}

interface Fields extends Asked {
  status?: { type?: string; attempt?: number; message?: string; next?: number };
  error?: OpencodeError;
  info?: OpencodeMessage['info'];
}

/** Watches until the signal falls. */
export function watchEvents(options: {
  url: string;
  headers: Record<string, string>;
  signal: AbortSignal;
  /** What its user's settings say of this agent. */
  rules: readonly Rule[];
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
}): OpencodeEvents {
  const { url, headers, signal, rules, get, post } = options;
  const opened = Promise.withResolvers<void>();
  let denials: Denial[] = [];

  /** Nobody is there to be asked. */
  const reply = (asked: Asked): void => {
    const { id, sessionID, permission, patterns = [] } = asked;
    const path = `/permission/${id}/reply`;
    // The rules of another session, of a task that it has given away, are not known.
    if (mayDo(asked, sessionID === events.listener?.session ? rules : []))
      return void post(path, { reply: 'once' }).catch(() => {});
    if (denials.length < MAX_DENIALS)
      denials.push({ tool: String(permission), command: patterns.join(' ').slice(0, 300) });
    const message = 'Nobody is there to be asked; go on without it.';
    void post(path, { reply: 'reject', message }).catch(() => {});
  };
  const dismiss = ({ id }: Asked): void => void post(`/question/${id}/reject`, {}).catch(() => {});

  const onMessage = (info: OpencodeMessage['info'], to: Listener): void => {
    if (info.id === to.message) to.delivered();
    if (info.parentID === to.message) to.step(info);
  };
  const onEvent = (_name: string, data: string): void => {
    const event = parseObject(data);
    const properties = event?.['properties'];
    if (!isObject(properties)) return;
    const fields = properties as Fields;
    if (event?.['type'] === 'permission.asked') reply(fields);
    if (event?.['type'] === 'question.asked') dismiss(fields);
    const { listener } = events;
    if (!listener) return;
    const own = fields.sessionID === listener.session;
    switch (event?.['type']) {
      case 'session.status':
        // Notices that it tries again are no sign of life.
        if (own && fields.status?.type === 'retry') onRetry(fields.status, listener);
        break;
      case 'session.error':
        if (own) events.said = fields.error?.data?.message ?? fields.error?.name;
        break;
      case 'message.updated':
        listener.life();
        if (own && fields.info) onMessage(fields.info, listener);
        break;
      case 'message.part.updated':
      case 'message.part.delta':
        listener.life();
        break;
      default:
    }
  };

  /** What it asked and did meanwhile. Of one turn the same is told again, which is no sign of life. */
  const catchUp = async (): Promise<void> => {
    const [permissions, questions] = (await Promise.all([get('/permission'), get('/question')])) as Asked[][];
    permissions?.forEach(reply);
    questions?.forEach(dismiss);
    const { listener } = events;
    if (!listener) return;
    const messages = (await get(messagesPath(listener.session))) as OpencodeMessage[];
    for (const { info } of messages) onMessage(info, listener);
  };
  const watch = async (): Promise<void> => {
    for (let first = true; !signal.aborted; first = false) {
      const stream = watchSse(`${url}/event`, headers, signal, onEvent);
      await stream.opened;
      opened.resolve();
      // Others of its connections may have broken too.
      for (let told = first; stream.live && !told;) {
        told = await catchUp().then(
          () => true,
          () => false,
        );
        if (!told) await sleep(AGAIN_MS);
      }
      await stream.closed;
      await sleep(AGAIN_MS);
    }
  };
  const events: OpencodeEvents = {
    listener: undefined,
    said: undefined,
    opened: opened.promise,
    takeDenials: () => {
      const taken = denials;
      denials = [];
      return taken;
    },
  };
  void watch();
  return events;
}

const onRetry = ({ attempt, message, next }: NonNullable<Fields['status']>, to: Listener): void =>
  to.retry(Number(attempt), message ?? '', next === undefined ? 0 : Math.max(0, (next - Date.now()) / 1000));
