/** What a valid configuration may ask for that this version cannot do. Said at `start`, never passed over. */
import type { ServerConfig } from './types.ts';

export interface Unavailable {
  /** Keeps the server from starting; else it is only said. */
  fatal: boolean;
  text: string;
}

export function unavailable(config: ServerConfig): Unavailable[] {
  const list: Unavailable[] = [];
  if (config.storage.kind === 'postgres')
    list.push({
      fatal: true,
      text: 'storage.kind postgres is not available in this version; write sqlite or memory',
    });
  return list;
}
