/** What the server's file and the environment over it check alike. */
import { isIP } from 'node:net';
import { limits } from '../protocol/limits.ts';
import type { Test } from './check.ts';
import { parseListenAddress } from './listen.ts';

/** Only this machine reaches it. `:8787` in a file listens on every interface, as in the original. */
export const DEFAULT_LISTEN_ADDR = '127.0.0.1:8787';

export const STORAGE_KINDS = ['memory', 'json', 'sqlite', 'postgres'] as const;

/** What the file and the environment say about storage before it is settled. */
export interface StorageDraft {
  kind?: (typeof STORAGE_KINDS)[number];
  sqlite_path?: string;
  json_path?: string;
  postgres_dsn?: string;
}

export const nameTest: Test = (value) => {
  const max = limits.name.value;
  if ([...value].length > max) return { problem: `is longer than ${max} characters`, fix: 'shorten it' };
  return /\p{Cc}/u.test(value) ? { problem: 'holds a control character', fix: 'remove it' } : undefined;
};

export const listenTest: Test = (value) =>
  parseListenAddress(value)
    ? undefined
    : {
        problem: `${JSON.stringify(value)} is not an address to listen on`,
        fix: `write ${DEFAULT_LISTEN_ADDR}, or :8787 for every interface`,
      };

export const measurementTest: Test = (value) =>
  /^G-[A-Za-z0-9]+$/.test(value)
    ? undefined
    : { problem: `${JSON.stringify(value)} is not a measurement id`, fix: 'write one such as G-ABC123' };

/** An address, or a range as CIDR. Everybody is no proxy: whoever calls could then name any address as its own. */
export const proxyTest: Test = (value) => {
  const [, address = '', bits] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!;
  const prefix = bits === undefined ? longest : Number(bits);
  if (longest < 0 || prefix > longest)
    return {
      problem: `${JSON.stringify(value)} is not an address or range of addresses`,
      fix: 'write one such as 10.0.0.7, 10.0.0.0/24 or fd00::/64',
    };
  return prefix === 0
    ? { problem: `${value} is everybody`, fix: 'write the address or range of your own proxy' }
    : undefined;
};
