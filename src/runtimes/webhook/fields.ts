/** What a `webhook` takes in its `runtime` block, and where it listens for callbacks. */
import { isLoopbackHost, isWildcardHost } from '../../config/listen.ts';
import type { NoteField, RuntimeConfigOf, RuntimeFields } from '../../config/runtime-block.ts';

export const FIELDS = {
  url: {
    type: 'url',
    schemes: ['http', 'https'],
    required: 'write the address that wakes are posted to',
    about: 'where wakes are posted to',
  },
  secret: { type: 'secret', about: 'shared with it: what is sent is signed with this' },
  secret_env: { type: 'text', about: 'the environment variable with that secret' },
  callback_port: {
    type: 'number',
    min: 1,
    max: 65_535,
    about: 'the port on which the node listens for outcomes; without one it does not listen',
  },
  callback_host: { type: 'text', about: 'the address on which it listens (127.0.0.1)' },
  callback_url: {
    type: 'url',
    schemes: ['http', 'https'],
    about: 'where the service reaches that, when it is not http://HOST:PORT/',
  },
} as const satisfies RuntimeFields;
export type WebhookConfig = RuntimeConfigOf<typeof FIELDS>;

export function complete(config: WebhookConfig, note: NoteField): void {
  if (config.secret === undefined && config.secret_env === undefined)
    note(
      'secret',
      'is missing',
      'write a secret that the service has too, or the variable with it as secret_env',
    );
  const { callback_port, callback_host, callback_url } = config;
  if (callback_port === undefined) {
    for (const key of ['callback_host', 'callback_url'] as const)
      if (config[key] !== undefined)
        note(key, 'is of no use without callback_port', 'write the port to listen on, or remove it');
  } else if (callback_host !== undefined && isWildcardHost(callback_host) && callback_url === undefined)
    note(
      'callback_url',
      'is missing',
      `write where the service reaches this machine: ${callback_host} is every address of it`,
    );
}

/** What is opened by it, for `validate`. */
export function opens(config: WebhookConfig): string | undefined {
  const at = listenAt(config);
  if (at === undefined) return undefined;
  const others = isLoopbackHost(at.host) ? '' : ', which other machines may reach';
  return `listens for callbacks at ${at.host}:${at.port}${others}`;
}

/** Where the node listens for callbacks, and where the service is to post them; undefined where it does not. */
export function listenAt(config: WebhookConfig): { host: string; port: number; url: string } | undefined {
  const { callback_port: port, callback_host: host = '127.0.0.1', callback_url } = config;
  if (port === undefined) return undefined;
  return { host, port, url: callback_url ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}/` };
}
