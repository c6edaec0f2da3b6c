import { isLoopbackHost, isWildcardHost, parseListenAddress } from '../../config/listen.ts';
import { requireAccess } from '../../network/access.ts';
import { DELIVERY_VERSION } from '../../protocol/frames.ts';
import {
  ATTACH_PROTOCOL,
  HTTP_PROTOCOL,
  Network as NetworkDocument,
  PAIR_PROTOCOL,
  type NetworkWarning,
} from '../../protocol/network.ts';
import { RELAY_VERSION } from '../../protocol/pairings.ts';
import { pairingWarnings } from '../pairings.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { canSendHuman } from './identity.ts';

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
}

/** Fields in the order of the wire. */
function networkDocument(
  { config, version, pairings }: ServerContext,
  can_send_human: boolean,
): NetworkDocument {
  const { server, auth } = config;
  const list = [...warnings(config), ...pairingWarnings(pairings, config)];
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
      pairings: pairings.list().length > 0,
      delivery: DELIVERY_VERSION,
      relay: RELAY_VERSION,
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
