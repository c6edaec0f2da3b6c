/**
 * A node as a process of its own, there to be killed: the real adapters, whose CLIs are the stand-ins. Argument: JSON of
 * NodeSettings. Notes each turn that is run again and when it was in turns, and writes its log beside.
 */
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { startNode } from '../../../src/node/node.ts';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import { openFacts } from './record.ts';

export interface NodeSettings {
  name: string;
  attachments: AttachmentConfig[];
  /** Holds the launcher `moltnet`. */
  bin: string;
  /** For its state and its log. */
  folder: string;
  facts: string;
}

const { name, attachments, bin, folder, facts } = JSON.parse(process.argv[2]!) as NodeSettings;
const file = openFacts(facts);
const log = path.join(folder, `${name}.log`);
const node = await startNode(
  { attachments, max_turns: 4 },
  {
    moltnetBin: bin,
    stateDir: path.join(folder, `${name}.state`),
    times: { reconnect: 50, reconnect_max: 400, retry: 100, retry_max: 600 },
    log: (level, message, fields = {}) => {
      appendFileSync(log, `${new Date().toISOString()} ${level} ${message} ${JSON.stringify(fields)}\n`);
      const agent = String(fields['agent']);
      const now = Date.now();
      if (message.startsWith('turn ended: '))
        file.add({ t: 'busy', agent, what: 'turn', from: now - Number(fields['took_ms']), to: now });
      if (!message.startsWith('turn failed, it is tried again')) return;
      file.add({ t: 'retry', agent, wake: String(fields['wake_id']) });
      file.add({ t: 'busy', agent, what: 'backoff', from: now, to: now + Number(fields['in_ms']) });
    },
  },
);
process.once('SIGTERM', () => void node.stop().then(() => process.exit(0)));
