// Stands for an agent CLI: reads its prompt from stdin and says at once, over a socket, that it has it. With arguments
// it then ends its turn as Codex does.
import { connect } from 'node:net';

const socket = connect(process.env.BENCH_PROMPT_SOCKET);
let bytes = 0;
process.stdin.on('data', (chunk) => (bytes += chunk.length));
process.stdin.on('end', () => {
  socket.end(String(bytes));
  const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
  say({ type: 'thread.started', thread_id: '01a22a24-e150-7718-af65-52edeb5ab887' });
  say({ type: 'turn.started' });
  say({ type: 'turn.completed', usage: { input_tokens: 1, output_tokens: 1 } });
});
