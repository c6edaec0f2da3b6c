/**
 * A node with the Codex adapter, whose CLI is the stand-in, as a process of its own: it is there to be killed. Argument:
 * what `startCodexNode` takes, as JSON.
 */
import { startCodexNode, type CodexNodeOptions } from './node-codex.ts';

await startCodexNode(JSON.parse(process.argv[2]!) as CodexNodeOptions);
