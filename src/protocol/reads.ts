/** How far people have read: one position per person and conversation, for all of their browsers and programs. */
import { z } from 'zod';

export const ReadPosition = z.object({
  conversation: z.string().describe('`room:ID`, `thread:ID` or `dm:ID`'),
  message_id: z.string().describe('the newest message that the person has seen there'),
  unread: z
    .number()
    .int()
    .describe('messages of others behind it; not counted beyond the limit `unread_counted`'),
  at: z.string(),
});
export type ReadPosition = z.infer<typeof ReadPosition>;

/** GET /v1/reads: the positions of the person who asks, the latest first, where they may still read. */
export const ReadList = z.object({ reads: z.array(ReadPosition) });
export type ReadList = z.infer<typeof ReadList>;

/** Body of PUT /v1/reads/{conversation}. */
export const ReadRequest = z.object({ message_id: z.string() });
export type ReadRequest = z.infer<typeof ReadRequest>;
