/**
 * A node as a process of its own, there to be killed: the real adapters, whose CLIs are the stand-ins. Argument: JSON of
 * NodeSettings. Notes each turn that is run again, and writes its log beside.
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
      if (message.startsWith('turn failed, it is tried again'))
        file.add({ t: 'retry', agent: String(fields['agent']), wake: String(fields['wake_id']) });
    },
  },
);
process.once('SIGTERM', () => void node.stop().then(() => process.exit(0)));
