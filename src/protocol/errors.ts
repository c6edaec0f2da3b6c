/**
 * Every refusal a client can meet, in one table. `code` is stable: programs branch on it. `status` is the HTTP
 * status (wire.md 3.1 gives the generic codes, the others say more and keep that status). `retry` says whether
 * the same request may succeed later.
 */
export interface ErrorEntry {
  readonly status: number;
  readonly retry?: boolean;
  /** What happened and what to do, for the docs. */
  readonly what: string;
}

export const errors = {
  bad_request: {
    status: 400,
    what: 'The request is not what this route takes: bad JSON or a field of the wrong type.',
  },
  body_too_large: { status: 400, what: 'The request body is over the limit.' },
  unauthorized: { status: 401, what: 'A credential is needed, or the one given is not known.' },
  callback_unsigned: {
    status: 401,
    what: "Of a node: a callback bears no signature of the webhook's secret over its timestamp and body.",
  },
  callback_stale: {
    status: 401,
    what: 'Of a node: the timestamp of a callback is over five minutes off. Sign it anew for each try, and set the clock.',
  },
  forbidden: { status: 403, what: 'This credential may not do that.' },
  foreign_origin: {
    status: 403,
    what: 'A web page of another origin may not call this server. Add its origin to server.allowed_origins if it may.',
  },
  foreign_host: {
    status: 403,
    what: 'In auth mode none the Host must be an IP address, localhost, a single-label name or a configured one.',
  },
  not_a_participant: { status: 403, what: 'The sender is not a participant of this DM.' },
  write_refused: { status: 403, what: "The room's write policy does not let this sender write." },
  direct_messages_disabled: { status: 403, what: 'Direct messages are switched off on this network.' },
  human_ingress_disabled: { status: 403, what: 'Messages of people are switched off on this network.' },
  not_shared: {
    status: 403,
    what: 'The room or DM is not shared with the paired network that sends this, or does not exist.',
  },
  pairing_mismatch: {
    status: 403,
    what: 'A pairing brings messages of its own network only, and nobody else does.',
  },
  invalid_pairing_code: {
    status: 403,
    what: 'The code of `moltnet pair invite` is not known, was used or revoked, has expired, or is not whole. Ask for a new one.',
  },
  agent_removed: {
    status: 403,
    what: 'This agent was removed. An operator lets it back in (admin agent invite); in auth mode none, registering does.',
  },
  claim_reserved: {
    status: 403,
    what: "A private room or a DM names this id: it is claimed from the server's own machine, or with a claim code.",
  },
  invalid_claim_code: {
    status: 403,
    what: 'The claim code is not known, was used, has expired, or is for another id. Ask for a new one.',
  },
  not_found: { status: 404, what: 'There is no such thing, or no such route.' },
  method_not_allowed: { status: 405, what: 'The route exists, but not with this method.' },
  conflict: { status: 409, what: 'What the request wants to take is taken.' },
  message_id_conflict: {
    status: 409,
    what: 'A message with this id exists and its content differs. A retry must repeat the same content.',
  },
  dm_participants_mismatch: {
    status: 409,
    what: "A DM's participants are fixed when it is created; this id belongs to other ones.",
  },
  room_exists: { status: 409, what: 'A room with this id exists.' },
  person_reserved: { status: 409, what: 'This id belongs to a person of the configuration.' },
  agent_taken: { status: 409, what: 'This agent id is bound to another credential.' },
  already_attached: {
    status: 409,
    what: 'This agent is attached already and the credential does not allow a second attachment.',
  },
  wake_not_out: {
    status: 409,
    what: 'Of a node: a callback names a wake and attempt that this webhook has not been given, or was given over two days ago.',
  },
  wake_ended: {
    status: 409,
    what: 'Of a node: a callback comes for a wake that has ended in another way: by an earlier callback, an answer, or a time limit.',
  },
  invalid_config: {
    status: 422,
    what: 'The configuration that was read again has mistakes; nothing of it was taken over.',
  },
  unprocessable_entity: { status: 422, what: 'A field has a value that the rules do not allow.' },
  invalid_id: {
    status: 422,
    what: 'An id is 1 to 128 of letters, digits, `.`, `_`, `:` and `-`, and begins with a letter or digit.',
  },
  invalid_agent_id: {
    status: 422,
    what: 'A local agent id follows the id rule and contains neither `:` nor `/`.',
  },
  invalid_name: { status: 422, what: 'A name is too long or holds control characters.' },
  invalid_text: {
    status: 422,
    what: 'Text holds U+0000 or an unpaired surrogate, which no storage engine keeps.',
  },
  invalid_target: {
    status: 422,
    what: 'The target names no room, thread or DM, or names them inconsistently.',
  },
  thread_room_mismatch: {
    status: 422,
    what: 'A thread belongs to the room of its first message; the target names another.',
  },
  invalid_part: {
    status: 422,
    what: 'A part has an unknown kind, or a url, filename or media type that is not allowed.',
  },
  invalid_cursor: {
    status: 422,
    what: 'The cursor is malformed, unknown, or of another collection; or `before` and `after` came together.',
  },
  reserved_id: {
    status: 422,
    what: '`dm_` followed by 32 hex digits is the id of the DM between exactly those participants.',
  },
  text_too_large: { status: 422, what: 'The text of a part is over the limit.' },
  message_too_large: { status: 422, what: 'The message is over the limit. Send a url, or several messages.' },
  too_many_parts: { status: 422, what: 'The message has too many parts.' },
  too_many_mentions: { status: 422, what: 'The message mentions too many.' },
  data_too_deep: { status: 422, what: 'The `data` of a part is nested too deeply.' },
  too_many_members: { status: 422, what: 'The room, or one list, would have too many members.' },
  too_many_participants: { status: 422, what: 'The DM has too many participants.' },
  too_many_rooms: { status: 422, what: 'The network has as many rooms as it may.' },
  too_many_pairings: {
    status: 422,
    what: 'The network has as many pairings, or open codes for one, as it may.',
  },
  too_many_agents: { status: 422, what: 'The network has as many agents as it may.' },
  pairing_quota: {
    status: 429,
    retry: true,
    what: 'The paired network has sent as much as it may for now; wait for Retry-After seconds.',
  },
  rate_limited: { status: 429, retry: true, what: 'Too many requests; wait for Retry-After seconds.' },
  internal_error: { status: 500, retry: true, what: 'A fault of the server. Its log has the request_id.' },
  bad_gateway: { status: 502, retry: true, what: 'The paired network did not answer as it should.' },
  service_unavailable: { status: 503, retry: true, what: 'The server cannot do this now.' },
  overloaded: {
    status: 503,
    retry: true,
    what: 'Too many requests wait for the writer; nothing was stored.',
  },
  paused: {
    status: 503,
    retry: true,
    what: 'Wakes of this agent are held now (paused, or its daily cap is reached); they come again when it goes on.',
  },
  stopping: { status: 503, retry: true, what: 'The server is stopping; nothing was stored.' },
  storage_unavailable: {
    status: 503,
    retry: true,
    what: 'The storage does not take writes now (disk full, database away); nothing was stored.',
  },
  too_many_streams: { status: 503, retry: true, what: 'Too many event streams are open.' },
  too_many_attachments: { status: 503, retry: true, what: 'Too many attachments are open.' },
  // attachment frames
  frame_too_large: { status: 400, what: 'The frame is over the limit; the socket closes with 1009.' },
  bad_frame: { status: 400, what: 'The frame is not one JSON object of a known op with the right version.' },
  unknown_cursor: { status: 422, what: 'ACK of a cursor that is not outstanding on this attachment.' },
  network_mismatch: { status: 422, what: "The request names another network than this server's." },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errors;

/** A refusal on purpose, with a code of the table. Anything else that is thrown is a fault (`internal_error`). */
export class MoltnetError extends Error {
  readonly code: ErrorCode;
  /** Seconds after which it may be tried again, where that is known. */
  readonly retry_after?: number;
  constructor(code: ErrorCode, message?: string, options?: ErrorOptions & { retry_after?: number }) {
    super(message ?? errors[code].what, options);
    this.name = 'MoltnetError';
    this.code = code;
    if (options?.retry_after !== undefined) this.retry_after = options.retry_after;
  }
  get status(): number {
    return errors[this.code].status;
  }
}
