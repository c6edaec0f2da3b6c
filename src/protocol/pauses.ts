/** Pauses: no wakes for an agent, in a room or anywhere, while everything is still stored. */
import { z } from 'zod';
import { MoltnetError } from './errors.ts';
import { isId, isLocalAgentId } from './ids.ts';

/** `*` is everything. Of a room, its threads too. */
export type PauseScope = '*' | `agent:${string}` | `room:${string}`;

export const Pause = z.object({
  scope: z.string().describe('`*` (everything), `agent:ID` or `room:ID` (with its threads)'),
  at: z.string().describe('since when'),
  by: z.string().describe('id of the person who said so, or `operator`'),
  until: z.string().optional().describe('when it ends by itself'),
});
export type Pause = z.infer<typeof Pause>;

/** In `pause.changed`, and what POST and DELETE answer. The end of a pause whose time is over is `by` `until`. */
export const PauseChange = Pause.extend({
  paused: z.boolean(),
  since: z.string().optional().describe('of one that is over: when it began'),
});
export type PauseChange = z.infer<typeof PauseChange>;

/** Body of POST /v1/pauses. */
export const PauseRequest = z.object({
  scope: Pause.shape.scope,
  until: z.string().nullish().describe('RFC 3339, in the future; left out: until it is resumed'),
});
export type PauseRequest = z.infer<typeof PauseRequest>;

/** GET /v1/pauses: in order of scope. */
export const PauseList = z.object({ pauses: z.array(Pause) });
export type PauseList = z.infer<typeof PauseList>;

/** Throws `unprocessable_entity` when it is none. */
export function parsePauseScope(given: string): PauseScope {
  const scope = given.trim();
  if (scope === '*') return scope;
  const colon = scope.indexOf(':');
  const kind = scope.slice(0, colon);
  const id = scope.slice(colon + 1);
  if (kind === 'agent' && isLocalAgentId(id)) return `agent:${id}`;
  if (kind === 'room' && isId(id)) return `room:${id}`;
  throw new MoltnetError(
    'unprocessable_entity',
    `scope: not something that can be paused: ${JSON.stringify(given.slice(0, 160))} (use *, agent:ID or room:ID)`,
  );
}
