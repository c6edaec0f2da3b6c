// Stands for an agent's program: reads its prompt from stdin and says at once, over a socket, that it has it.
import { connect } from 'node:net';

const socket = connect(process.env.BENCH_PROMPT_SOCKET);
let bytes = 0;
process.stdin.on('data', (chunk) => (bytes += chunk.length));
process.stdin.on('end', () => socket.end(String(bytes)));
