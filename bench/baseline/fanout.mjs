// The bare `ws` loop that fan-out is measured against: one prepared frame to every socket for each POST, and every
// ACK parsed. It speaks just enough of the handshake for the same readers to attach.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const version = 'moltnet.attach.v1';
const sockets = new Set();
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
let n = 0;
let acks = 0;

const server = createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const id = `evt_${String(++n).padStart(36, '0')}`;
    const message = {
      id: `msg_${n}`,
      network_id: 'bench',
      origin: { network_id: 'bench', message_id: `msg_${n}` },
      target: body.target,
      from: body.from,
      parts: body.parts,
      created_at: new Date().toISOString(),
    };
    const frame = Buffer.from(
      JSON.stringify({
        op: 'EVENT',
        version,
        network_id: 'bench',
        capabilities: {},
        cursor: id,
        event: { id, type: 'message.created', network_id: 'bench', message, created_at: message.created_at },
      }),
    );
    for (const socket of sockets) socket.send(frame, { binary: false });
    const answer = JSON.stringify({
      message_id: message.id,
      event_id: id,
      accepted: true,
      thread_created: false,
      dm_created: false,
    });
    res.writeHead(202, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
    res.end(answer);
  });
});
server.on('upgrade', (req, socket, head) => {
  wss.handleUpgrade(req, socket, head, (ws) => {
    ws.send(JSON.stringify({ op: 'HELLO', version, heartbeat_interval_ms: 5000, capabilities: {} }));
    ws.once('message', (data) => {
      const { agent } = JSON.parse(data);
      ws.send(
        JSON.stringify({ op: 'READY', version, network_id: 'bench', agent_id: agent.id, capabilities: {} }),
      );
      sockets.add(ws);
      ws.on('message', (ack) => {
        if (JSON.parse(ack).op === 'ACK') acks++;
      });
    });
    ws.on('close', () => sockets.delete(ws));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit(acks >= 0 ? 0 : 1));
