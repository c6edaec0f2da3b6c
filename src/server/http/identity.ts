import { can } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { CallerIdentity } from '../../protocol/identity.ts';
import { SCOPES } from '../../protocol/credentials.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';

/** GET /v1/identity: who the caller is to this server; also to callers without a credential. */
export async function identityRoutes(app: App, context: ServerContext): Promise<void> {
  app.get(
    '/v1/identity',
    {
      schema: {
        summary: 'Who the caller is to this server',
        tags: ['network'],
        response: answers({ 200: CallerIdentity }, 'unauthorized', 'agent_removed'),
      },
    },
    (request, reply) => sendValue(reply, callerIdentity(context, context.identify(request.raw))),
  );
}

export function callerIdentity(context: ServerContext, identity: Identity): CallerIdentity {
  const { mode, scopes, agents, human } = identity;
  return {
    mode,
    credential: context.credentials.kindOf(identity),
    scopes: SCOPES.filter((scope) => scopes.has(scope)),
    ...(agents && { agents: [...agents].sort() }),
    ...(human && { human }),
    can_send_human: canSendHuman(context, identity),
  };
}

/** Whether this caller may write as a person: as the one it is, or as one that is nobody's. */
export const canSendHuman = ({ network, config }: ServerContext, identity: Identity): boolean =>
  config.server.human_ingress && can(network.settings, identity, 'human.act').allowed;
