/** The entry of `moltnet`. */
import { processIo } from './io.ts';
import { run } from './run.ts';

const exitCode = await run(process.argv.slice(2), processIo());
// Nothing a command leaves behind (a socket that idles, a timer) may keep the process.
process.exit(exitCode);
