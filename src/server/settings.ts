/** The part of the configuration that the rules of the network go by. */
import type { ServerConfig } from '../config/types.ts';
import { isBoundPairing } from '../config/pairings.ts';
import { settingsOfFile } from '../pairing/spec.ts';
import { tokenAgents } from '../network/network.ts';
import type { NetworkSettings } from '../network/settings.ts';

export const settingsOf = (config: ServerConfig): NetworkSettings => {
  const { network, auth, server, guard } = config;
  return {
    id: network.id,
    name: network.name,
    auth_mode: auth.mode,
    public_read: auth.public_read,
    agent_registration: auth.agent_registration,
    human_ingress: server.human_ingress,
    direct_messages: server.direct_messages,
    debug_events: server.debug_events,
    guard,
    people: new Map(auth.tokens.flatMap(({ human }) => (human ? [[human.id, human]] : []))),
    token_agents: new Map(tokenAgents(config).map(({ id, credential_key }) => [id, credential_key])),
    pairings: settingsOfFile(config.pairings, (id) => isBoundPairing(config, id)),
    first_come_claims: auth.first_come_claims,
  };
};
