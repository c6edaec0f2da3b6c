import { startServer } from '/work/main/src/server/server.ts';
import { testConfig } from '/tmp/mb/cfg.ts';
const s = await startServer(testConfig(process.argv[2], process.argv[3]) as never);
process.on('SIGTERM', () => void s.stop().then(() => process.exit(0)));
