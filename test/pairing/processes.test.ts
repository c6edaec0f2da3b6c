/**
 * Two real servers in network namespaces of their own (where the machine has them), paired by a code, one of them without
 * an address: killed with -9 and cut off while both speak (RLY-41). MOLTNET_PAIRING_MINUTES makes it longer, and the cuts
 * long enough for the link to be found dead by its silence.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { MessagePage } from '../../src/protocol/pages.ts';
import type { PairingInvite } from '../../src/protocol/pairings.ts';
import { twoPlaces, type Place } from '../support/namespaces.ts';
import { ask, becomes, OPERATOR } from '../support/pairing-lab.ts';
import { main } from '../support/process.ts';
import { temporaryFolder } from '../support/server.ts';

const minutes = Number(process.env['MOLTNET_PAIRING_MINUTES'] ?? 0);
const ROUNDS = minutes > 0 ? Math.ceil(minutes * 1.5) : 1;
const SILENCE = minutes > 0 ? 20_000 : 700;

class Real {
  readonly id: string;
  readonly place: Place;
  readonly said: string[] = [];
  readonly url: string;
  readonly #cwd: string;
  #child: ChildProcess | undefined;

  constructor(id: string, place: Place, port: number, cwd: string) {
    this.id = id;
    this.place = place;
    this.url = `http://${place.address}:${port}`;
    this.#cwd = cwd;
    // The second one is not listening where the first could reach it.
    const host = id === 'net_a' && place.prefix.length > 0 ? '0.0.0.0' : place.address;
    writeFileSync(
      path.join(cwd, 'Moltnet'),
      `version: moltnet.v1
network: {id: ${id}}
server: {listen_addr: "${host}:${port}"}
auth: {mode: bearer, tokens: [{id: operator, value: ${OPERATOR}, scopes: [observe, write, admin]}]}
guard: {turns: off, hour_turns: off, pair_turns: off}
rooms: [{id: general, visibility: public, write_policy: registered_agents}]
`,
      { mode: 0o600 },
    );
  }

  async start(): Promise<void> {
    const [file, ...words] = [
      ...this.place.prefix,
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      main,
      'start',
    ];
    this.#child = spawn(file!, words, {
      cwd: this.#cwd,
      env: { PATH: process.env['PATH'], HOME: this.#cwd },
      stdio: 'ignore',
    });
    await becomes(async () => expect((await this.api('GET', '/healthz')).status).toBe(200));
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  api(method: string, at: string, body?: unknown): ReturnType<typeof ask> {
    return ask(this.url, method, at, OPERATOR, body);
  }

  /** Speaks until it is told to end; what was answered with 202 counts. */
  async speak(until: () => boolean): Promise<void> {
    for (let n = 0; !until(); n++) {
      const text = `${this.id} ${n}`;
      try {
        const { status } = await this.api('POST', '/v1/messages', {
          id: text.replace(' ', '-'),
          from: { type: 'agent', id: 'alpha' },
          target: { kind: 'room', room_id: 'general' },
          parts: [{ kind: 'text', text }],
        });
        if (status === 202) this.said.push(text);
      } catch {
        // Killed before it answered.
      }
      await pause(20);
    }
  }

  /** Texts by the network that they came into the world on. */
  async history(): Promise<Map<string, string[]>> {
    const all = new Map<string, string[]>();
    let before: string | undefined;
    const texts: [string, string][] = [];
    do {
      const { json } = await this.api(
        'GET',
        `/v1/rooms/general/messages?limit=500${before === undefined ? '' : `&before=${before}`}`,
      );
      const { messages, page } = json as unknown as MessagePage;
      texts.unshift(
        ...messages.map(({ origin, parts }): [string, string] => [origin.network_id, parts[0]!.text!]),
      );
      before = page.next_before;
    } while (before !== undefined);
    for (const [network, text] of texts) all.set(network, [...(all.get(network) ?? []), text]);
    return all;
  }
}

it(
  'RLY-41: two processes, one of them behind a link, killed with -9 and cut off: every message once, in order, on both',
  async () => {
    const places = twoPlaces();
    const port = 20_000 + (process.pid % 20_000);
    const a = new Real('net_a', places.a, port, await temporaryFolder());
    const b = new Real('net_b', places.b, port + 1, await temporaryFolder());
    for (const real of [a, b]) {
      onTestFinished(() => real.kill());
      await real.start();
    }
    const { json } = await a.api('POST', '/v1/pairing-invites', {
      rooms: ['general'],
      url: `http://${places.a.peer}:${port}`,
    });
    const { code } = json as unknown as PairingInvite;
    const accepted = await b.api('POST', '/v1/pairings/accept', { code });
    expect(accepted.status, JSON.stringify(accepted.json)).toBe(201);

    let over = false;
    const speaking = [a, b].map((real) => real.speak(() => over));
    for (let round = 0; round < ROUNDS; round++) {
      for (const real of [b, a]) {
        await pause(400);
        await real.kill();
        await real.start();
      }
      places.cut();
      await pause(SILENCE);
      places.mend();
      await pause(400);
    }
    over = true;
    await Promise.all(speaking);

    const began = performance.now();
    await becomes(async () => {
      const [here, there] = [await a.history(), await b.history()];
      for (const real of [a, b]) {
        const own = (real === a ? here : there).get(real.id)!;
        expect(new Set(own).size).toBe(own.length);
        expect(own).toEqual(expect.arrayContaining(real.said));
        expect((real === a ? there : here).get(real.id)).toEqual(own);
      }
    }, 60_000);
    const line = `processes, namespaces ${places.namespaces}, rounds ${ROUNDS}, silent for ${SILENCE} ms: said ${a.said.length} + ${b.said.length}, settled in ${Math.round(performance.now() - began)} ms`;
    process.stdout.write(`${line}\n`);
    const out = process.env['MOLTNET_PAIRING_OUT'];
    if (out !== undefined) appendFileSync(out, `${new Date().toISOString()} ${line}\n`);
    expect(a.said.length + b.said.length).toBeGreaterThan(20);
  },
  120_000 + ROUNDS * (SILENCE + 30_000),
);
