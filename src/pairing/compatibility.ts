/** Whether a paired network can be spoken with, by its network document (wire.md 8.3): the first failing check decides. */
import { z } from 'zod';
import { HTTP_PROTOCOL, PAIR_PROTOCOL } from '../protocol/network.ts';
import type { PairingStatus } from '../protocol/pairings.ts';

export interface Compatibility {
  status: Extract<PairingStatus, 'connected' | 'degraded' | 'incompatible'>;
  reason?: string;
  message?: string;
}

const Protocols = z.array(z.string().max(100)).max(32).optional().catch(undefined);
/** What of a document is gone by. It is another network's: what is not as it should be counts as not said. */
const Document = z.object({
  id: z.string().max(200).optional().catch(undefined),
  version: z.string().optional().catch(undefined),
  protocols: z.object({ http: Protocols, attach: Protocols, pair: Protocols }).catch({}),
  capabilities: z
    .object({
      message_pagination: z.string().optional().catch(undefined),
      direct_messages: z.boolean().optional().catch(undefined),
      relay: z.number().optional().catch(undefined),
    })
    .catch({}),
});
export type RemoteDocument = z.infer<typeof Document>;
export const readDocument = (document: unknown): RemoteDocument =>
  Document.safeParse(document).data ?? { protocols: {}, capabilities: {} };

/** @param discovery its rooms and agents are to be listed, all pages of them */
export function compatibilityOf(
  document: RemoteDocument,
  expected: string | undefined,
  local: string,
  discovery: boolean,
): Compatibility {
  const { id, protocols, capabilities } = document;
  if (id === undefined || id === '')
    return wrong('network_id_mismatch', 'what answers there names no network');
  if (expected !== undefined && id !== expected)
    return wrong('network_id_mismatch', `the network there is ${id}, not ${expected}`);
  if (id === local) return wrong('network_id_mismatch', `the network there is called ${id} as this one is`);
  const { http = [], attach = [], pair = [] } = protocols;
  const paged = capabilities.message_pagination === 'cursor';
  const legacy = http.length + attach.length + pair.length === 0 && paged;
  if (!legacy && !http.includes(HTTP_PROTOCOL))
    return wrong('unsupported_http_protocol', `it does not speak ${HTTP_PROTOCOL}`);
  if (pair.length > 0 && !pair.includes(PAIR_PROTOCOL))
    return wrong('unsupported_pair_protocol', `it does not speak ${PAIR_PROTOCOL}`);
  if (discovery && !paged)
    return {
      status: 'degraded',
      reason: 'missing_cursor_pagination',
      message: 'its lists cannot be read page by page',
    };
  if (capabilities.direct_messages !== true)
    return { status: 'degraded', reason: 'direct_messages_disabled', message: 'it takes no direct messages' };
  return { status: 'connected' };
}

const wrong = (reason: string, message: string): Compatibility => ({
  status: 'incompatible',
  reason,
  message,
});
