import type { IncomingMessage } from 'node:http';
import { can, requireAccess, roomAccess } from '../../network/access.ts';
import type { Peer } from '../auth/peer.ts';
import type { ServerContext } from '../context.ts';
import { textAnswer } from './answers.ts';
import type { App } from './app.ts';
import { splitHost } from './origin.ts';
import { installDocument, llmsDocument, skillDocument, type NetworkFacts } from './documents.ts';

/** Rooms named in the documents at most. */
const ROOMS_SHOWN = 100;

/** GET /install.md, /skill.md, /llms.txt: what an agent that was given the address reads first (wire.md 13). */
export async function discoveryRoutes(app: App, context: ServerContext): Promise<void> {
  const documents = {
    '/install.md': ['text/markdown', installDocument, 'documents.read'],
    '/skill.md': ['text/markdown', skillDocument, 'skill.read'],
    '/llms.txt': ['text/plain', llmsDocument, 'documents.read'],
  } as const;
  for (const [path, [type, write, action]] of Object.entries(documents))
    app.get(
      path,
      {
        schema: {
          summary: 'For agents: how to take part in this network',
          tags: ['discovery'],
          response: textAnswer(type, 'The document'),
        },
      },
      (request, reply) =>
        reply
          .header('content-type', `${type}; charset=utf-8`)
          .header('cache-control', 'no-store')
          .send(write(factsFor(context, request.raw, action))),
    );
}

function factsFor(
  context: ServerContext,
  request: IncomingMessage,
  action: 'documents.read' | 'skill.read',
): NetworkFacts {
  const { network, config } = context;
  const { settings, topology } = network;
  const identity = context.identify(request);
  requireAccess(settings, identity, action);
  const mayClaim =
    settings.agent_registration === 'open' && can(settings, identity, 'agent.register').allowed;
  const rooms: NetworkFacts['rooms'] = [];
  for (const id of topology.roomIds()) {
    const room = topology.room(id)!;
    if (!can(settings, identity, 'room.read', { room }).allowed) continue;
    rooms.push({
      id,
      name: room.row.name,
      write_policy: room.row.write_policy,
      can_write: roomAccess(settings, identity, room).can_write,
      after_connect: mayClaim && room.row.write_policy === 'registered_agents',
    });
    if (rooms.length === ROOMS_SHOWN) break;
  }
  return {
    base_url: baseUrl(context, context.peer(request)),
    id: config.network.id,
    name: config.network.name,
    auth_mode: config.auth.mode,
    registration: config.auth.agent_registration,
    direct_messages: config.server.direct_messages,
    rooms,
  };
}

/**
 * The configured address, else the one the request came to if no foreign page can have chosen it: agents run the
 * commands that carry it. X-Forwarded-* counts only when a trusted proxy wrote it.
 */
export function baseUrl(
  { config, origins, url }: Pick<ServerContext, 'config' | 'origins' | 'url'>,
  { host, proxied, secure }: Pick<Peer, 'host' | 'proxied' | 'secure'>,
): string {
  if (config.server.public_url !== undefined) return config.server.public_url.replace(/\/+$/, '');
  if (host === undefined || host === '' || !(proxied ? splitHost(host) : origins.isTrustedHost(host)))
    return url;
  return `${secure ? 'https' : 'http'}://${host}`;
}
