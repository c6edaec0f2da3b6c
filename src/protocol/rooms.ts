import { z } from 'zod';
import { nullish } from './nullish.ts';

const TurnLimit = z.union([z.number().int().min(1).max(100_000), z.literal('off')]);
export type TurnLimit = z.infer<typeof TurnLimit>;

/** Storm guard of a room and its threads: what holds its wakes. `off` never does; what is left out is the network's default. */
export const GuardSettings = z.object({
  turns: TurnLimit.optional().describe('agent turns without a person'),
  hour_turns: TurnLimit.optional().describe('agent turns in any hour, people or not'),
  pair_turns: TurnLimit.optional().describe(
    'turns of two agents that answer each other, anywhere in the network, in any ten minutes',
  ),
});
export type GuardSettings = z.infer<typeof GuardSettings>;

export const VISIBILITIES = ['private', 'public'] as const;
export const WRITE_POLICIES = ['members', 'registered_agents', 'operators'] as const;
export type Visibility = (typeof VISIBILITIES)[number];
export type WritePolicy = (typeof WRITE_POLICIES)[number];

/** With which paired networks a room is shared: none, all, or those of these pairing ids (wire-newer.md 4). */
export const Federation = z.union([z.literal('none'), z.literal('all'), z.array(z.string())]);
export type Federation = z.infer<typeof Federation>;

export const RoomAccess = z.object({
  can_read: z.boolean(),
  can_write: z.boolean(),
  reason: z.string().optional(),
});
export type RoomAccess = z.infer<typeof RoomAccess>;

export const Room = z.object({
  id: z.string(),
  network_id: z.string().optional(),
  fqid: z.string().optional(),
  name: z.string(),
  members: z.array(z.string()).optional(),
  visibility: z.string().optional(),
  write_policy: z.string().optional(),
  guard: GuardSettings.optional(),
  federation: Federation.optional().describe('none when absent'),
  access: RoomAccess.optional(),
  created_at: z.string(),
});
export type Room = z.infer<typeof Room>;

export const CreateRoomRequest = z.object({
  id: z.string().optional(),
  name: nullish(z.string()),
  members: nullish(z.array(z.string())),
  visibility: nullish(z.string()),
  write_policy: nullish(z.string()),
  guard: nullish(GuardSettings),
  federation: nullish(Federation).describe('what is left out stays: a new room is shared with none'),
  /** Whoever knows it may join by itself (POST /v1/rooms/{id}/join). Kept as a hash and never shown; "" takes it away. */
  credential: nullish(z.string()),
});
export type CreateRoomRequest = z.infer<typeof CreateRoomRequest>;

/** What is given changes; null is the network's default again. */
const GuardChange = z.object({
  turns: TurnLimit.nullish(),
  hour_turns: TurnLimit.nullish(),
  pair_turns: TurnLimit.nullish(),
});

/** Body of PATCH /v1/rooms/{id}: only what is given changes. */
export const UpdateRoomRequest = z.object({
  name: z.string().optional(),
  visibility: z.string().optional(),
  write_policy: z.string().optional(),
  guard: GuardChange.nullish().describe('only the limits that are given change; null clears one, or all'),
  federation: Federation.optional(),
  /** As in CreateRoomRequest. */
  credential: z.string().optional(),
});
export type UpdateRoomRequest = z.infer<typeof UpdateRoomRequest>;

/** Body of POST /v1/rooms/{id}/join (wire-newer.md 4). */
export const JoinRoomRequest = z.object({
  from: z
    .object({ type: nullish(z.string()), id: nullish(z.string()) })
    .nullish()
    .transform((v) => v ?? undefined),
  credential: nullish(z.string()),
});
export type JoinRoomRequest = z.infer<typeof JoinRoomRequest>;

export const UpdateRoomMembersRequest = z.object({
  add: nullish(z.array(z.string())),
  remove: nullish(z.array(z.string())),
});
export type UpdateRoomMembersRequest = z.infer<typeof UpdateRoomMembersRequest>;

export const RemoveResult = z.object({
  removed: z.boolean(),
  kind: z.string(),
  id: z.string(),
  mode: z.string(),
});
export type RemoveResult = z.infer<typeof RemoveResult>;

export const Thread = z.object({
  id: z.string(),
  network_id: z.string().optional(),
  fqid: z.string().optional(),
  room_id: z.string(),
  parent_message_id: z.string().optional(),
  message_count: z.number().int(),
  last_message_at: z.string(),
});
export type Thread = z.infer<typeof Thread>;

export const DirectConversation = z.object({
  id: z.string(),
  network_id: z.string().optional(),
  fqid: z.string().optional(),
  participant_ids: z.array(z.string()).optional(),
  message_count: z.number().int(),
  last_message_at: z.string(),
});
export type DirectConversation = z.infer<typeof DirectConversation>;

export const Artifact = z.object({
  id: z.string(),
  network_id: z.string().optional(),
  fqid: z.string().optional(),
  message_id: z.string(),
  target: z.looseObject({ kind: z.string() }),
  part_index: z.number().int(),
  kind: z.string(),
  media_type: z.string().optional(),
  filename: z.string().optional(),
  url: z.string().optional(),
  created_at: z.string(),
});
export type Artifact = z.infer<typeof Artifact>;
