/** Rows of what is read, and of what stays open: streams, attachments. matrix.ts says how to read them. */
import type { Caller } from '../support/auth-lab.ts';
import { ADMINS, everyone, EVERYONE, NOBODY, OBSERVERS, PUBLIC, type Row } from './matrix.ts';

/** wire.md 9: a private room under public_read, "403 if private". */
const PRIVATE = '403 401 200 403 200 403 403';
const GONE = '401 401 404 403 404 403 403';
const GONE_PUBLIC = '404 401 404 404 404 404 404';

/** Who is bound to an agent or a person reads what is public, and what it is in. */
const bound = (status: number, why = 'W26'): Partial<Record<Caller, string>> => ({
  member: `${status}~${why}`,
  outsider: `${status}~${why}`,
  listed: `${status}~${why}`,
  person: `${status}~3.2`,
});
/** Those of them that are in `den` and `dm-in`. */
const inside = (status: number): Partial<Record<Caller, string>> => ({
  member: `${status}~W26`,
  listed: `${status}~W26`,
  person: `${status}~3.2`,
});
/** A route of a room, a thread or a message by id: what is public, what is private, and what is not there. */
function readable(route: string, parameter: string, open: string, closed: string, foreign: string): Row[] {
  const at = (id: string): string => route.slice(4).replace(`{${parameter}}`, id);
  return [
    { route, at: at(open), none: 200, bearer: OBSERVERS, read: PUBLIC, but: { bearer: bound(200) } },
    { route, at: at(closed), none: 200, bearer: OBSERVERS, read: PRIVATE, but: { all: inside(200) } },
    { route, at: at(foreign), none: 200, bearer: OBSERVERS, read: PRIVATE },
    { route, at: at('nowhere'), none: 404, bearer: GONE, read: GONE_PUBLIC, but: { bearer: bound(404) } },
  ];
}
/** The same of DMs, which public_read does not open. A DM that is not there is to the bound like one they are not in. */
function ofDm(route: string, parameter: string, own: string, foreign: string): Row[] {
  const at = (id: string): string => route.slice(4).replace(`{${parameter}}`, id);
  return [
    { route, at: at(own), none: 200, bearer: OBSERVERS, but: { all: inside(200) } },
    { route, at: at(foreign), none: 200, bearer: OBSERVERS },
  ];
}
export const reads: Row[] = [
  {
    route: 'GET /v1/network',
    none: 200,
    bearer: '401 401 200 403 200 200 200',
    read: PUBLIC,
    but: { bearer: { person: '200~3.2' } },
  },
  {
    // Additive: read positions, which are of people.
    route: 'GET /v1/reads',
    none: 403,
    bearer: '401 401 403 403 403 403 403',
    but: { all: { person: '200' } },
  },
  // pair: an empty list without public_read (W39)
  ...['GET /v1/rooms', 'GET /v1/agents', 'GET /v1/pauses'].map((route): Row => ({
    route,
    none: 200,
    bearer: '401 401 200 403 200 403 200',
    read: PUBLIC,
    but: { bearer: bound(200) },
  })),
  ...readable('GET /v1/rooms/{roomID}', 'roomID', 'hall', 'den', 'vault'),
  ...readable('GET /v1/rooms/{roomID}/messages', 'roomID', 'hall', 'den', 'vault'),
  ...readable('GET /v1/rooms/{roomID}/threads', 'roomID', 'hall', 'den', 'vault'),
  ...readable('GET /v1/threads/{threadID}', 'threadID', 't-hall', 't-den', 't-vault'),
  ...readable('GET /v1/threads/{threadID}/messages', 'threadID', 't-hall', 't-den', 't-vault'),
  ...readable('GET /v1/messages/{messageID}', 'messageID', 'm-hall', 'm-den', 'm-vault'),
  ...readable('GET /v1/messages/{messageID}', 'messageID', 'm-t-hall', 'm-t-den', 'm-t-vault'),
  ...readable('GET /v1/messages/{messageID}/receipts', 'messageID', 'm-hall', 'm-den', 'm-vault'),
  ...['', '/receipts'].flatMap((what) =>
    ofDm(`GET /v1/messages/{messageID}${what}`, 'messageID', 'm-dm-in', 'm-dm-out').map((row): Row => ({
      ...row,
      // Additive: without a credential the route is public_read's, the message is not.
      read: OBSERVERS,
    })),
  ),
  {
    route: 'GET /v1/agents/{agentID}',
    at: '/v1/agents/member',
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { bearer: bound(200) },
  },
  // Registered, and in a private room alone.
  {
    route: 'GET /v1/agents/{agentID}',
    at: '/v1/agents/far',
    none: 200,
    bearer: OBSERVERS,
    read: '404 401 200 404 200 404 404',
    but: { bearer: bound(404) },
  },
  {
    route: 'GET /v1/agents/{agentID}',
    at: '/v1/agents/nobody',
    none: 404,
    bearer: GONE,
    read: GONE_PUBLIC,
    but: { bearer: bound(404) },
  },
  { route: 'GET /v1/dms', none: 200, bearer: OBSERVERS, but: { all: bound(200) } },
  ...ofDm('GET /v1/dms/{dmID}', 'dmID', 'dm-in', 'dm-out'),
  { route: 'GET /v1/dms/{dmID}', at: '/v1/dms/nowhere', none: 404, bearer: GONE },
  ...ofDm('GET /v1/dms/{dmID}/messages', 'dmID', 'dm-in', 'dm-out'),
  { route: 'GET /v1/dms/{dmID}/messages', at: '/v1/dms/nowhere/messages', none: 404, bearer: GONE },
  // Artifacts are never public (wire.md 3.3, 9).
  ...['room_id=hall', 'thread_id=t-hall'].map((query): Row => ({
    route: 'GET /v1/artifacts',
    at: `/v1/artifacts?${query}`,
    none: 200,
    bearer: OBSERVERS,
    but: { all: bound(200) },
  })),
  ...['room_id=den', 'thread_id=t-den', 'dm_id=dm-in'].map((query): Row => ({
    route: 'GET /v1/artifacts',
    at: `/v1/artifacts?${query}`,
    none: 200,
    bearer: OBSERVERS,
    but: { all: inside(200) },
  })),
  ...['room_id=vault', 'thread_id=t-vault', 'dm_id=dm-out'].map((query): Row => ({
    route: 'GET /v1/artifacts',
    at: `/v1/artifacts?${query}`,
    none: 200,
    bearer: OBSERVERS,
  })),
  {
    route: 'GET /v1/artifacts',
    none: 422,
    bearer: '401 401 422 403 422 403 403',
    but: { all: bound(422) },
  },
  // Additive: what is found is what the rooms' and DMs' own routes show.
  {
    route: 'GET /v1/search',
    at: '/v1/search?q=hello',
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { bearer: bound(200) },
  },
  { route: 'GET /v1/pairings', none: 200, bearer: OBSERVERS },
  // There is none in this world: who may look is told so.
  ...['', '/network', '/rooms', '/agents'].map((what): Row => ({
    route: `GET /v1/pairings/{pairingID}${what}`,
    at: `/v1/pairings/nowhere${what}`,
    none: 404,
    bearer: GONE,
  })),
  ...readable('GET /v1/messages/{messageID}/relays', 'messageID', 'm-hall', 'm-den', 'm-vault'),
  ...ofDm('GET /v1/messages/{messageID}/relays', 'messageID', 'm-dm-in', 'm-dm-out').map((row): Row => ({
    ...row,
    read: OBSERVERS,
  })),
  { route: 'GET /v1/guard', none: 200, bearer: OBSERVERS },
  ...readable('GET /v1/guard/{conversation}', 'conversation', 'room:hall', 'room:den', 'room:vault'),
  ...readable(
    'GET /v1/guard/{conversation}',
    'conversation',
    'thread:t-hall',
    'thread:t-den',
    'thread:t-vault',
  ),
  ...ofDm('GET /v1/guard/{conversation}', 'conversation', 'dm:dm-in', 'dm:dm-out').map((row): Row => ({
    ...row,
    // Additive: as a DM's messages, and those are never public.
    read: OBSERVERS,
  })),
  { route: 'GET /v1/deliveries', none: 200, bearer: OBSERVERS },
  { route: 'GET /v1/usage', none: 200, bearer: OBSERVERS },
  {
    route: 'GET /v1/events/stream',
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { bearer: bound(200, 'W25') },
  },
  { route: 'GET /metrics', none: 200, bearer: ADMINS },
  ...['GET /healthz', 'GET /readyz'].map((route): Row => ({
    route,
    none: 200,
    bearer: EVERYONE,
    read: PUBLIC,
  })),
  // The last is additive: a description like the others.
  ...['GET /install.md', 'GET /llms.txt', 'GET /openapi.json'].map((route): Row => ({
    route,
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { bearer: bound(200) },
  })),
  {
    route: 'GET /skill.md',
    none: 200,
    bearer: '401 401 200 200 200 200 403',
    read: PUBLIC,
  },
  // Additive. Tells a caller who it is, also that it is nobody.
  { route: 'GET /v1/identity', none: 200, bearer: PUBLIC },
];

export const consoleFiles: Row[] = [
  {
    route: 'GET /console/*',
    at: '/console/',
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { all: everyone('200~W14') },
  },
  {
    route: 'GET /console/*',
    at: '/console/rooms/den',
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { all: everyone('200~W14') },
  },
  // Additive: the frame of a picture, which holds nothing.
  {
    route: 'GET /console/picture',
    none: 200,
    bearer: OBSERVERS,
    read: PUBLIC,
    but: { all: everyone('200~W14') },
  },
  ...['GET /', 'GET /console'].map((route): Row => ({
    route,
    none: 307,
    bearer: NOBODY,
    but: { all: everyone('307~W14') },
  })),
];

export const attaching: Row = {
  route: 'GET /v1/attach',
  none: 101,
  bearer: '401 401 403 403 403 101 403',
  claims: '101 401 403 403 403 101 403',
};
