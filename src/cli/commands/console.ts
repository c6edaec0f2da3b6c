import { connect } from 'node:net';
import { baseUrlFlag, tokenOf } from '../speaker.ts';
import { explained, openClient } from '../api.ts';
import type { Command } from '../command.ts';
import { Failure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { localServer, personToken } from '../local-server.ts';
import { openInBrowser } from '../open-browser.ts';

export const command: Command = {
  usage: 'console',
  summary: 'open the console in the browser, signed in',
  positionals: 0,
  flags: [
    { name: 'print', what: 'the address alone; no browser' },
    { name: 'no-open', what: 'say where it is, open no browser' },
    { name: 'as', value: 'ID', what: 'whose token, when the server file has those of several people' },
    { name: 'config', value: 'FILE', what: "the server's file", fallback: 'as for start' },
    { name: 'id', value: 'ID', what: 'the network, to be sure that it is this one' },
    { name: 'base-url', value: 'URL', what: 'address of the server', fallback: "this machine's own" },
    { name: 'token-env', value: 'NAME', what: 'environment variable that holds a token to sign in with' },
    { name: 'token-path', value: 'FILE', what: 'file that holds it' },
    { name: 'no-restart', what: 'taken for other programs: nothing is ever restarted for it' },
    ...OUTPUT_FLAGS,
  ],
  details: `On a server with tokens the browser is signed in as the person of the server's own file, with the rights that
person has. The address holds no token: a ticket stands in it, which is good once, and for a minute.`,
  async run(args, io) {
    const named = baseUrlFlag(args);
    const given = tokenOf(args, io);
    const local = named === undefined ? await localServer(io, args.text('config')) : undefined;
    const base = named ?? local!.url;
    await requireServer(base);
    const id = args.text('id');
    if (id !== undefined && local && local.config.network.id !== id)
      throw new Failure(`the server of ${local.shown} is network ${local.config.network.id}, not ${id}`, {
        hint: 'run this in the folder of that network, or name its file: --config FILE',
      });
    const token = given ?? (local && personToken(local, { as: args.text('as'), speaks: false }));
    const plain = `${base}/console/`;
    // In mode none there is nobody to be.
    const ticket =
      token === undefined
        ? undefined
        : (await explained(() => openClient({ base_url: base }).consoleTicket({ token }))).ticket;
    const url = ticket === undefined ? plain : `${plain}?ticket=${ticket}`;
    const quiet = args.on('print') === true || args.on('no-open') === true;
    const opened = quiet ? false : await openInBrowser(url, io.env);
    // For scripts: nothing but the address, wherever it goes.
    if (args.on('print') === true && args.on('json') !== true) return io.out(`${url}\n`);
    const about = { url: opened ? plain : url, opened, signed_in: ticket !== undefined };
    await print(args, io, about, (color) => {
      if (opened) return `${color.green('opened')} ${plain}`;
      const minute = ticket === undefined ? '' : color.dim('  (signs in once, within a minute)');
      return `${quiet ? '' : `${color.dim('no browser could be opened here; the console is at')}\n`}${url}${minute}`;
    });
  },
};

/** That something listens there; what it is, the next request finds out. */
async function requireServer(base: string): Promise<void> {
  const { hostname, port, protocol } = new URL(base);
  const at = Number(port || (protocol === 'https:' ? 443 : 80));
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: at, timeout: 3_000 });
    const fail = () => {
      socket.destroy();
      reject(
        new Failure(`no server answers at ${base}`, {
          hint: 'start it: moltnet start; or name another: --base-url URL',
        }),
      );
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', fail);
    socket.once('timeout', fail);
  });
}
