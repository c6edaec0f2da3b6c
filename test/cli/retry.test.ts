/** Sending over connections that break, through a proxy that breaks them. */
import { connect, createServer, type Socket } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Failure } from '../../src/cli/failure.ts';
import { SEND_TOTAL, sendWithRetries } from '../../src/cli/retry.ts';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import { cli } from '../support/cli-io.ts';
import { cliLab, writeConfig, type CliLab } from '../support/cli-lab.ts';

let { url, client, cwd, history } = {} as CliLab;
beforeEach(async () => {
  ({ url, client, cwd, history } = await cliLab());
});

describe('retries', () => {
  /** In front of the server: what to do with each connection in turn, then pass through. */
  async function proxy(plan: ('drop' | 'drop-answer')[]): Promise<{ url: string; connections(): number }> {
    const target = new URL(url);
    let connections = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      const action = plan[connections++];
      sockets.add(socket);
      socket.on('error', () => {});
      if (action === 'drop') {
        socket.once('data', () => socket.destroy());
        return;
      }
      const upstream = connect(Number(target.port), target.hostname);
      sockets.add(upstream);
      upstream.on('error', () => socket.destroy());
      upstream.on('close', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
      socket.pipe(upstream);
      // The server has stored it by the time it answers.
      if (action === 'drop-answer') upstream.once('data', () => socket.destroy());
      else upstream.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const { port } = server.address() as { port: number };
    return { url: `http://127.0.0.1:${port}`, connections: () => connections };
  }

  it('CLI-11 a connection that breaks, before or after the server stored it, does not lose or double a message', async () => {
    const { url: front, connections } = await proxy(['drop', 'drop-answer', 'drop-answer']);
    writeConfig(cwd, front);
    const result = await cli(['send', 'room:general', 'once'], { cwd });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(connections()).toBe(4);
    const { messages } = await client.messages('room:general');
    expect(messages.map(({ id }) => id)).toEqual([(result.json() as MessageAccepted).message_id]);
  });

  it('CLI-11 a server that is not there yet is waited for', async () => {
    const gate = await proxy([]);
    const hold = createServer();
    await new Promise<void>((resolve) => hold.listen(0, '127.0.0.1', resolve));
    const { port } = hold.address() as { port: number };
    await new Promise((resolve) => hold.close(resolve));
    writeConfig(cwd, `http://127.0.0.1:${port}`);
    let sending: ReturnType<typeof cli> | undefined;
    // Once it says that it tries again, the first try is over.
    await new Promise<string>(
      (resolve) =>
        (sending = cli(['send', 'room:general', 'late'], { cwd, interactive: true, err: resolve })),
    );
    const late = createServer((socket) => {
      const through = connect(Number(new URL(gate.url).port), '127.0.0.1');
      through.on('error', () => socket.destroy());
      socket.on('error', () => {});
      socket.pipe(through).pipe(socket);
    });
    onTestFinished(() => new Promise((resolve) => late.close(() => resolve())));
    await new Promise<void>((resolve) => late.listen(port, '127.0.0.1', resolve));
    expect(await sending).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('connection refused') as string,
    });
    expect(await history()).toEqual(['late']);
  });

  it('CLI-11 when the outcome stays unknown, the error names the id to repeat', async () => {
    const { url: front, connections } = await proxy(Array<'drop'>(100).fill('drop'));
    const request = {
      id: 'mine-2',
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'agent', id: 'alpha' },
      parts: [{ kind: 'text', text: 'x' }],
    };
    const failure = await sendWithRetries(
      { base_url: front },
      request,
      { interactive: false, err: () => {} },
      600,
    ).catch((error: unknown) => error as Failure);
    expect(failure).toBeInstanceOf(Failure);
    expect((failure as Failure).message).toContain('it is not known whether the message was stored');
    expect((failure as Failure).hint).toContain('--id mine-2');
    expect(connections()).toBeGreaterThan(1);
    expect(SEND_TOTAL).toBe(10_000);
  });

  it('CLI-2 no server at all is one line', { timeout: 20_000 }, async () => {
    const { url: front } = await proxy([]);
    writeConfig(cwd, front.replace(/\d+$/, '1'));
    const result = await cli(['read', 'room:general'], { cwd });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^moltnet: no Moltnet server at http:\/\/127\.0\.0\.1:1: connection refused; start one with `moltnet start`.*\n$/,
    );
  });
});
