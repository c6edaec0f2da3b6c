/** Where the rules get ids from: passed in, so that a test can make the same decisions twice. */
import { randomUUID } from 'node:crypto';
import { newAgentToken, newClaimCode, newPairingSecret, newPairToken } from '../protocol/credentials.ts';
import { newActorUid, newEventId, newMessageId } from '../protocol/ids.ts';

export interface Random {
  messageId(): string;
  eventId(): string;
  actorUid(): string;
  /** Eight lower-case hex digits. */
  suffix(): string;
  agentToken(): string;
  claimCode(): string;
  pairToken(): string;
  pairingSecret(): string;
}

export const systemRandom: Random = {
  messageId: newMessageId,
  eventId: newEventId,
  actorUid: newActorUid,
  suffix: () => randomUUID().slice(-8),
  agentToken: newAgentToken,
  claimCode: newClaimCode,
  pairToken: newPairToken,
  pairingSecret: newPairingSecret,
};
