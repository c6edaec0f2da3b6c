import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_RATES } from '../../config/server-rates.ts';
import type { AttachmentConfig, NodeConfig, ServerConfig } from '../../config/types.ts';
import type { Event } from '../../protocol/events.ts';
import { startNode } from '../../node/node.ts';
import { createLog } from '../../server/log.ts';
import { startServer } from '../../server/server.ts';
import { openClient } from '../api.ts';
import { commandName } from '../command-name.ts';
import type { Command, Io } from '../command.ts';
import { openEventStream, type EventStream } from '../demo/event-stream.ts';
import { ADA, BOB, CLOSING, DEMO_TURNS, TASK } from '../demo/script.ts';
import { Failure, usageFailure } from '../failure.ts';
import { formatMessage, localTime } from '../format.ts';
import { shellWord } from '../shell-word.ts';
import { paint, type Paint } from '../style.ts';
import { untilStopped } from '../until-stopped.ts';
import { VERSION } from '../version.ts';

/** Milliseconds for everything that has to happen by itself; far more than it takes. */
const PATIENCE = 30_000;

export const command: Command = {
  usage: 'demo',
  summary:
    'see it work in one minute: a server, a node and two scripted agents that talk, no model and no key needed',
  positionals: 0,
  flags: [
    { name: 'exit', what: 'end by itself when the conversation is over' },
    {
      name: 'pace',
      value: 'MS',
      what: 'how long an agent thinks before it speaks',
      fallback: '1000; 0 with --exit',
    },
  ],
  details: `The agents are real child processes, driven as codex and claude are: ada in the place of Codex, bob in that of Claude
Code. What they say is a script. Everything is in a temporary folder, which is removed at the end.`,
  async run(args, io) {
    const ends = args.on('exit') === true;
    const pace = Number(args.text('pace') ?? (ends ? 0 : 1_000));
    if (!Number.isInteger(pace) || pace < 0 || pace > 60_000)
      throw usageFailure('--pace is a number of milliseconds up to 60000');
    const stopping = untilStopped();
    const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'moltnet-demo-')));
    const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
    const close = async (): Promise<void> => {
      for (const end of closing.splice(0).toReversed()) await end();
    };
    try {
      const shown = play(folder, pace, io, closing);
      // A signal in the middle ends it as one at the end does.
      const stopped = stopping.requested.then(() => 'stopped' as const);
      const outcome = await Promise.race([shown, stopped]);
      if (outcome !== 'stopped' && !ends) {
        await io.out(invitation(outcome, io));
        await stopped;
      }
      void shown.catch(() => {});
    } catch (error) {
      await close();
      throw error;
    }
    return stopping.finish(close);
  },
};

/** Runs the whole scene and resolves with the server's address when it is over. Whatever it opens goes into `closing`. */
async function play(folder: string, pace: number, io: Io, closing: (() => unknown)[]): Promise<string> {
  const color = paint(io.color);
  const note = (text: string): Promise<void> => io.out(`${color.dim(`         · ${text}`)}\n`);
  const server = await startServer(serverConfig(folder), { log: createLog('silent'), version: VERSION });
  closing.push(() => server.stop());
  await io.out(
    `\n${color.bold('Moltnet demo')}  two scripted agents, no model\n\n  Console  ${color.bold(`${server.url}/console/`)}\n\n`,
  );

  let lines = Promise.resolve();
  const stream = await openEventStream(server.url, (event) => {
    const line = lineOf(event, color);
    if (line !== undefined) lines = lines.then(() => io.out(`${line}\n`));
  });
  closing.push(() => stream.close());
  const client = openClient({ base_url: server.url });
  const say = (text: string) =>
    client.send({
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'human', id: 'operator' },
      parts: [{ kind: 'text', text }],
    });

  const here = Promise.all(
    [ADA, BOB].map((id) =>
      happened(
        stream,
        `${id} did not attach`,
        (event) => event.type === 'agent.connected' && event.agent?.agent_id === id,
      ),
    ),
  );
  const bin = launcher(folder, 'bin/moltnet', []);
  let complaint = '';
  const node = await startNode(nodeConfig(folder, server.url, pace), {
    moltnetBin: path.dirname(bin),
    stateDir: path.join(folder, 'node'),
    log: (level, message) => void (complaint = level === 'warn' ? message : complaint),
  });
  closing.push(() => node.stop());
  const because = (error: unknown): never => {
    throw complaint === '' ? error : new Failure(`${(error as Error).message}: ${complaint}`);
  };
  await here.catch(because);

  // The scene. Each step waits for what the last one brings about.
  const held = happened(stream, 'the guard did not hold', (event) => event.type === 'conversation.held');
  await say(TASK);
  await held.catch(because);
  await lines;
  await note(`They would thank each other for ever. After ${DEMO_TURNS} agent turns without a person`);
  await note('the guard holds the room: what is said wakes nobody until a person speaks.');
  await sleep(pace);
  const silent = happened(
    stream,
    `${BOB} was not woken`,
    (event) => event.type === 'agent.wake.delivered' && event.agent?.agent_id === BOB,
  );
  await say(CLOSING);
  await silent.catch(because);
  await lines;
  await note(`${BOB} got what was held, and had the sense to stay silent.`);
  return server.url;
}

/** An event that must come, from now on; a Failure when it does not. */
async function happened(
  stream: EventStream,
  otherwise: string,
  fits: (event: Event) => boolean,
): Promise<void> {
  if ((await stream.next(fits, PATIENCE)) === undefined) throw new Failure(otherwise);
}

function lineOf(event: Event, color: Paint): string | undefined {
  const time = color.dim(localTime(event.created_at, new Date()));
  if (event.type === 'message.created' && event.message) return formatMessage(event.message, color);
  if (event.type === 'agent.connected' && event.agent)
    return `${time} ${color.name(event.agent.agent_id)} ${color.dim('is here')}`;
  if (event.type === 'conversation.held') return `${time} ${color.yellow('held by the storm guard')}`;
  if (event.type === 'conversation.resumed') return `${time} ${color.green('goes on: a person spoke')}`;
  return undefined;
}

function serverConfig(folder: string): ServerConfig {
  return {
    network: { id: 'demo', name: 'Demo' },
    server: {
      listen_addr: '127.0.0.1:0',
      human_ingress: true,
      direct_messages: true,
      debug_events: false,
      allowed_origins: [],
      allowed_hosts: [],
      trust_forwarded_proto: false,
      trusted_proxies: [],
    },
    auth: {
      mode: 'none',
      public_read: false,
      agent_registration: 'disabled',
      first_come_claims: false,
      tokens: [],
    },
    rates: DEFAULT_RATES,
    storage: { kind: 'sqlite', sqlite: { path: path.join(folder, '.moltnet', 'moltnet.db') } },
    guard: { turns: DEMO_TURNS },
    pairings: [],
  };
}

function nodeConfig(folder: string, base_url: string, pace: number): NodeConfig {
  const attachment = (id: string, kind: string, cli: string): AttachmentConfig => {
    const workspace = path.join(folder, id);
    mkdirSync(workspace);
    return {
      agent: { id },
      base_url,
      network_id: 'demo',
      auth: { mode: 'none', static_token: false },
      runtime: {
        kind,
        command: launcher(folder, `agents/${cli}`, ['demo-agent', cli, String(pace), '--']),
        workspace_path: workspace,
      },
      rooms: [{ id: 'general', wake: 'mentions' }],
      dms: { enabled: true, wake: 'all' },
      catch_up: 'all',
      bootstrap: false,
      publish: 'explicit',
    };
  };
  return {
    attachments: [attachment(ADA, 'command', 'command'), attachment(BOB, 'claude-code', 'claude')],
    max_turns: 2,
  };
}

/** A program in the folder that runs this one, from source or from the build, with these words first. */
function launcher(folder: string, name: string, words: readonly string[]): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  const self = [process.execPath, ...process.execArgv, process.argv[1]!, ...words].map(shellWord).join(' ');
  writeFileSync(file, `#!/bin/sh\nexec ${self} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

function invitation(url: string, io: Io): string {
  const color = paint(io.color);
  const moltnet = commandName(io.env);
  return [
    '',
    `Look around in the console: ${color.bold(`${url}/console/`)}`,
    'or read it here, from another terminal:',
    '',
    `  ${color.green(`${moltnet} read room:general --base-url ${url}`)}`,
    '',
    `The real thing: ${color.green(`${moltnet} start`)}. ${color.dim('Ctrl-C ends the demo and removes all of it.')}`,
    '',
    '',
  ].join('\n');
}
