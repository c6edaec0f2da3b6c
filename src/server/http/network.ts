import { isLoopbackHost, isWildcardHost, parseListenAddress } from '../../config/listen.ts';
import { requireAccess } from '../../network/access.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import { DELIVERY_VERSION } from '../../protocol/frames.ts';
import {
  ATTACH_PROTOCOL,
  HTTP_PROTOCOL,
  Network as NetworkDocument,
  PAIR_PROTOCOL,
  type NetworkWarning,
} from '../../protocol/network.ts';
import { PageInfo, PageQuery } from '../../protocol/pages.ts';
import { z } from 'zod';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { canSendHuman } from './identity.ts';
import { pageText } from './pages.ts';

const Pairing = z.looseObject({
  id: z.string(),
  remote_network_id: z.string().optional(),
  remote_network_name: z.string().optional(),
  remote_base_url: z.string().optional(),
  status: z.string().optional(),
});
const PairingPage = z.object({ pairings: z.array(Pairing), page: PageInfo });

export async function networkRoutes(app: App, context: ServerContext): Promise<void> {
  const { network } = context;

  app.get(
    '/v1/network',
    {
      schema: {
        summary: 'What this network is and can do',
        tags: ['network'],
        response: answers({ 200: NetworkDocument }, 'unauthorized', 'forbidden'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(network.settings, identity, 'network.read');
      return sendValue(reply, networkDocument(context, canSendHuman(context, identity)));
    },
  );

  app.get(
    '/v1/pairings',
    {
      schema: {
        summary: 'Paired networks',
        tags: ['network'],
        querystring: PageQuery,
        response: answers({ 200: PairingPage }, 'unauthorized', 'forbidden', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      requireAccess(network.settings, context.identify(request.raw), 'observe');
      const pairings = new Map(context.config.pairings.map((pairing) => [pairing.id, pairing]));
      const page = parsePage(request.query);
      const { ids, info } = pageOfIds([...pairings.keys()].sort(), page, () => true);
      const item = (id: string) => {
        // Field by field: the token stays here.
        const {
          remote_network_id,
          remote_network_name,
          remote_base_url,
          status = 'unknown',
        } = pairings.get(id)!;
        return {
          id,
          json: JSON.stringify({ id, remote_network_id, remote_network_name, remote_base_url, status }),
        };
      };
      return sendJson(reply, pageText('pairings', ids, item, info, page, 'oldest'));
    },
  );
}

/** Fields in the order of the wire. */
function networkDocument({ config, version }: ServerContext, can_send_human: boolean): NetworkDocument {
  const { server, auth } = config;
  const list = warnings(config);
  return {
    id: config.network.id,
    name: config.network.name,
    version,
    protocols: { http: [HTTP_PROTOCOL], attach: [ATTACH_PROTOCOL], pair: [PAIR_PROTOCOL] },
    capabilities: {
      event_stream: 'sse',
      attachment_protocol: 'websocket',
      public_read: auth.public_read,
      agent_registration: auth.agent_registration,
      ...(server.debug_events ? { debug_events: true } : {}),
      human_ingress: server.human_ingress,
      direct_messages: server.direct_messages,
      message_pagination: 'cursor',
      pairings: config.pairings.length > 0,
      delivery: DELIVERY_VERSION,
    },
    console: { can_send_human },
    ...(list.length > 0 ? { warnings: list } : {}),
  };
}

function warnings({ server, auth }: ServerContext['config']): NetworkWarning[] {
  const host = parseListenAddress(server.listen_addr)?.host ?? '';
  if (auth.mode !== 'none' || isLoopbackHost(host)) return [];
  return [
    {
      severity: 'warning',
      code: 'auth.none_exposed',
      message: `Everyone who reaches ${isWildcardHost(host) ? 'this machine' : host} may read and write here: the server listens beyond this machine without authentication.`,
      action: 'Set server.listen_addr to 127.0.0.1:8787, or set auth.mode to bearer or open.',
    },
  ];
}
