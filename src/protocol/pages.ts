import { z } from 'zod';
import { AgentSummary } from './agents.ts';
import { GuardState } from './events.ts';
import { Message } from './messages.ts';
import { Artifact, DirectConversation, Room, Thread } from './rooms.ts';

export const PageInfo = z.object({
  has_more: z.boolean(),
  next_before: z.string().optional(),
  next_after: z.string().optional(),
});
export type PageInfo = z.infer<typeof PageInfo>;

/** Query of every page: strings as they come; `limit` is clamped, never refused (wire.md 3.5). */
export const PageQuery = z.object({
  limit: z.string().optional(),
  before: z.string().optional(),
  after: z.string().optional(),
});
export type PageQuery = z.infer<typeof PageQuery>;

export const RoomPage = z.object({ rooms: z.array(Room), page: PageInfo });
export const AgentPage = z.object({ agents: z.array(AgentSummary), page: PageInfo });
export const ThreadPage = z.object({ threads: z.array(Thread), page: PageInfo });
export const DirectConversationPage = z.object({ dms: z.array(DirectConversation), page: PageInfo });
export const MessagePage = z.object({ messages: z.array(Message), page: PageInfo });
export const ArtifactPage = z.object({ artifacts: z.array(Artifact), page: PageInfo });
export const GuardPage = z.object({ conversations: z.array(GuardState), page: PageInfo });
export type RoomPage = z.infer<typeof RoomPage>;
export type AgentPage = z.infer<typeof AgentPage>;
export type ThreadPage = z.infer<typeof ThreadPage>;
export type DirectConversationPage = z.infer<typeof DirectConversationPage>;
export type MessagePage = z.infer<typeof MessagePage>;
export type ArtifactPage = z.infer<typeof ArtifactPage>;
export type GuardPage = z.infer<typeof GuardPage>;
