/** Ids in paths: decoded (by the router), trimmed, and checked by the id rule before anything is looked up. */
import { z } from 'zod';
import { MoltnetError, type ErrorCode } from '../../protocol/errors.ts';
import { isId } from '../../protocol/ids.ts';

export const RoomParams = z.object({ roomID: z.string() });
export const ThreadParams = z.object({ threadID: z.string() });
export const DmParams = z.object({ dmID: z.string() });
export const AgentParams = z.object({ agentID: z.string() });
export const ConversationParams = z.object({
  conversation: z.string().describe('`room:ID`, `thread:ID` or `dm:ID`'),
});
export const ScopeParams = z.object({ scope: z.string().describe('`*`, `agent:ID` or `room:ID`') });
export const MessageParams = z.object({ messageID: z.string() });

/**
 * @param whenMalformed reads answer `not_found`, for there cannot be such a thing; changes say what is wrong: `invalid_id`
 */
export function pathId(
  value: string,
  what: string,
  whenMalformed: Extract<ErrorCode, 'not_found' | 'invalid_id'> = 'not_found',
): string {
  const id = value.trim();
  if (isId(id)) return id;
  throw new MoltnetError(whenMalformed, `${what}: not an id: ${JSON.stringify(id.slice(0, 160))}`);
}
