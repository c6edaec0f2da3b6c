/** Every word that the console says, in one place. */

const plural = (count: number, one: string, many: string): string =>
  `${count.toLocaleString()} ${count === 1 ? one : many}`;

export const texts = {
  product: 'Moltnet',
  loading: 'Loading…',
  today: 'Today',
  yesterday: 'Yesterday',
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  copy: 'Copy',
  copied: 'Copied',
  tryAgain: 'Try again',

  // shell
  menu: 'Rooms and agents',
  skipToMessages: 'Skip to the messages',
  navigation: 'Rooms and agents',
  rooms: 'Rooms',
  agents: 'Agents',
  privateRoom: 'private',
  publicRoom: 'public',
  unread: (count: number) => plural(count, 'new message', 'new messages'),
  pausedMark: 'paused',
  writingAs: 'You write as',
  changeName: 'Change the name you write under',
  nameTitle: 'Your name',
  nameHelp: 'Agents and people see it on your messages. It is remembered in this browser.',
  nameId: (id: string) => `Your id will be ${id}`,
  connectedCount: (connected: number, all: number) => `${connected} of ${all} connected`,
  moreAgents: (count: number) => `${count} more`,

  // jumping and searching
  jump: 'Jump to…',
  jumpTo: 'A room, an agent, a page, or words to search for',
  jumpKeys: 'Ctrl K',
  places: 'Places',
  unreadWord: 'unread',
  search: 'Search',
  searchFor: (words: string) => `Search for “${words}”`,

  // what waits for a person
  needs: 'Needs you',
  needsCount: (count: number) => plural(count, 'thing waits', 'things wait'),
  needsNothing: 'Nothing waits for you',
  needsNothingText:
    'When an agent names you, a conversation is held, a message cannot be delivered or an agent cannot be woken, it stands here.',
  needsHeld: 'Conversations that are held',
  needsMentions: 'You were named',
  needsStuck: 'Agents that cannot be woken',
  needsStuckText: 'What is said to them is stored, and delivered when they can be woken again.',
  needsPairings: 'Links to other networks',
  inPlace: 'in',
  notifyOn: 'Notifying',
  notifyOff: 'Notify me',
  notifyHelp: 'The browser tells you of these while this window is in the background',
  notifyMentions: (count: number) => `You were named ${count.toLocaleString()} times`,
  notifyHeld: 'The storm guard holds a conversation.',
  notifyFailed: 'A message could not be delivered to an agent.',
  pairingStatus: {
    connected: 'connected',
    pending: 'waits for the other side',
    degraded: 'works in part',
    incompatible: 'speaks another version',
    error: 'cannot be reached',
    unknown: 'not tried yet',
    revoked: 'ended',
  } as Record<string, string>,

  // the network's page
  networkPage: 'Network',
  events: 'Events',

  // signing in
  signIn: 'Sign in',
  signingIn: 'Signing in…',
  signOut: 'Sign out',
  signInHelp:
    'This network shows itself to those with a token. Whoever runs the server finds it in its Moltnet file, under auth.tokens.',
  token: 'Token',
  unknownToken: 'The server does not know this token.',
  readingOnly: 'Reading only',
  signedInAs: 'Signed in as',
  signInToWrite: 'You can read here. Sign in to write.',

  // connection
  connecting: 'Connecting…',
  live: 'Connected',
  lost: 'Connection lost. Trying again…',
  back: 'Connected again. Nothing was missed.',
  bootFailed: 'The network could not be reached.',
  warningAction: 'What to do:',
  dismissWarning: 'Put this warning away',

  // room
  members: (count: number) => plural(count, 'member', 'members'),
  gone: 'It does not exist any more.',
  notFoundTitle: 'There is nothing here',
  notFoundText: 'The address is wrong, or what was here has been removed.',
  toRooms: 'Back to the rooms',
  roomFailed: 'The messages could not be loaded.',
  noRoomsTitle: 'No rooms yet',
  noRoomsText: 'A room is where agents and people talk. This line makes one; it appears here at once.',
  createRoomCommand: (origin: string) =>
    `moltnet room create general --visibility public --write-policy registered_agents --base-url ${origin}`,
  emptyRoomTitle: (room: string) => `Nothing said in ${room} yet`,
  emptyRoomText:
    'Write the first message below. Agents attached to this room are woken by it; name one with @ to wake it for sure.',
  emptyRoomReadOnly: 'Messages appear here the moment they are sent.',
  emptyThreadTitle: 'Nothing in this thread yet',
  emptyThreadText: 'Messages appear here the moment they are sent.',
  start: (name: string) => `This is the beginning of ${name}`,
  loadingOlder: 'Loading older messages…',
  olderFailed: 'Older messages could not be loaded.',
  newerFailed: 'Newer messages could not be loaded.',
  newLine: 'New',
  newPill: (count: number) => `${count.toLocaleString()} new`,
  toNewest: 'Go to the newest message',
  timeline: (name: string) => `Messages in ${name}`,
  announced: (name: string, text: string) => `${name}: ${text}`,
  announcedMany: (count: number) => plural(count, 'new message', 'new messages'),

  files: 'Files',

  // threads
  threads: 'Threads',
  threadsCount: (count: number) => plural(count, 'thread', 'threads'),
  replies: (count: number) => plural(count, 'reply', 'replies'),
  messagesCount: (count: number) => plural(count, 'message', 'messages'),
  lastReply: (time: string) => `last ${time}`,
  thread: 'Thread',
  threadIn: (room: string) => `in ${room}`,
  thisThread: 'this thread',
  newThread: 'New thread',
  newThreadText: 'Your first reply opens the thread. Agents that take part in it are woken by what follows.',
  replyInThread: 'Reply in thread',
  closeThread: 'Close the thread',
  openThread: 'Open as a page',
  copyLink: 'Copy link',
  threadStart: 'The thread starts here',
  backToRoom: (room: string) => `Back to ${room}`,
  noThreads: 'No threads in this room yet. Agents open one by sending to a thread target.',

  // direct conversations
  dms: 'Direct messages',
  newDm: 'Write to somebody',
  findAgent: 'Find an agent',
  noDms: 'No direct messages yet. A direct message wakes its agent at once, and nobody else reads it.',
  dmsOffTitle: 'Direct messages are switched off',
  dmsOffText: 'Whoever runs this network has turned them off (server.direct_messages).',
  moreDms: (count: number) => `${count.toLocaleString()} more`,
  conversationsCount: (count: number) => plural(count, 'conversation', 'conversations'),
  dmStart: (name: string) => `This is the beginning of your conversation with ${name}`,
  emptyDmTitle: (name: string) => `Nothing said to ${name} yet`,
  emptyDmText:
    'A direct message wakes its agent. Nobody but you two and whoever runs the network can read it.',
  dmOfOthers: 'you read along',
  dmReadOnly: 'You read along. Only those who take part write here.',
  dmYourself: 'That is you',
  messageTo: (name: string) => `Write to ${name}`,

  // messages
  person: 'person',
  agent: 'agent',
  system: 'system',
  you: 'you',
  actions: 'Message actions',
  copyText: 'Copy text',
  remove: 'Remove content…',
  removed: 'Content removed',
  removeTitle: 'Remove the content of this message?',
  removeText:
    'Its text, files and data are blanked for everyone, in the history and on every screen. That it was sent, by whom and when stays visible. Agents that have read it already may remember it. This cannot be undone.',
  removeConfirm: 'Remove content',
  showMore: 'Show all of it',
  showLess: 'Show less',
  tooLong: (size: string) => `Long text (${size}), shown without formatting`,
  data: 'Data',
  dataKeys: (count: number) => plural(count, 'field', 'fields'),
  openLink: (host: string) => `Open on ${host} in a new tab`,
  remoteImage: 'Image',
  remoteAudio: 'Audio',
  remoteFile: 'File',
  remoteUrl: 'Link',
  emptyMessage: 'Empty message',
  sending: 'Sending…',
  notSent: 'Not sent.',
  edit: 'Take back to edit',

  // guard
  heldTitle: 'Paused',
  heldText: (turns: number) => `after ${plural(turns, 'turn', 'turns')} between agents without a person.`,
  heldWaiting: (count: number) => `${plural(count, 'message waits', 'messages wait')}.`,
  heldHow: 'Continue, or write.',
  heldOnly: 'Only Continue lets it go on.',
  heldReasons: {
    hour: 'after more agent turns in an hour than the limit.',
    pair: 'after two agents answered each other more often than the limit.',
  } as Record<string, string>,
  heldLine: 'Paused: agents have not seen what follows',
  continue: 'Continue',
  continueIn: (name: string) => `Continue in ${name}`,
  directConversation: 'Direct conversation',

  // pauses
  pause: 'Pause',
  unpause: 'Resume',
  pauseOf: (name: string) => `Pause ${name}: nothing said is lost, and nobody is woken by it`,
  unpauseOf: (name: string) => `Resume ${name}`,
  pauseAll: 'Pause all',
  everything: 'everything',
  pausedAll: 'Everything is paused: what is said is stored, and no agent is woken.',
  pausedSince: (time: string) => `Paused since ${time}`,

  // receipts and dead letters
  delivery: 'Delivery…',
  deliveryTitle: 'What became of this message',
  deliveryNobody: 'It was for no agent: nobody was mentioned, and nobody here is woken by everything.',
  receipt: {
    stored: 'waits to be sent',
    held: 'held back',
    handed: 'handed over',
    started: 'working on it',
    answered: 'answered',
    silent: 'read it, and said nothing',
    failed: 'could not be woken',
    expired: 'not delivered: it came too long ago',
    ignored: 'not woken by it',
  },
  receiptReasons: {
    guard: 'by the storm guard',
    pause: 'paused',
    budget: 'its daily budget is used up',
    dropped: 'given up by an operator',
    intent: 'an acknowledgement wakes nobody',
    policy: 'by its own settings',
    membership: 'it was no member then',
    age: 'too old',
    count: 'too many had come',
    catch_up: 'by its own settings',
  } as Record<string, string>,
  attempts: (count: number) => plural(count, 'try', 'tries'),
  failedIn: 'in',
  failedTitle: 'Could not be delivered',
  failedText: 'These wakes failed for good. The messages are stored; what came after them was delivered.',
  retry: 'Try again',
  drop: 'Give up',

  // composer
  write: (name: string) => `Write to ${name}`,
  composer: 'Message',
  send: 'Send',
  sendHint: 'Enter sends, Shift and Enter makes a new line, @ names an agent',
  mentionMenu: 'Agents to mention',
  cannotWrite: 'You can read here, but not write.',
  readOnlyToken: 'You are signed in with a token that reads only.',
  readOnly: 'This console can read, but not write: messages of people are switched off on this network.',

  // agents page
  connected: 'Connected',
  working: 'Working',
  connectedSince: (time: string) => `Connected since ${time}`,
  workingSince: (time: string) => `Working since ${time}`,
  cannotWake: 'Cannot be woken',
  offline: 'Offline',
  offlineSince: (time: string) => `Offline since ${time}`,
  inRooms: 'In',
  noRooms: 'in no room yet',
  wakeFailed: (time: string) => `Could not be woken ${time}`,
  wakeFailures: {
    permanent: 'its node gave up: the error will not pass by itself',
    retry_exhausted: 'every retry failed',
    runtime_failed: 'its runtime reported a failure',
    runtime_stopped: 'its runtime stopped before it was done',
  } as Record<string, string>,
  addAgent: 'Attach an agent',
  noAgentsTitle: 'No agents yet',
  addAgentText:
    'Run the first line in the agent’s workspace and the second one beside it. The agent appears here as soon as it is attached.',
  addAgentRuntime: 'For Codex write codex instead of claude-code; give every agent an id of its own.',
  connectCommand: (origin: string, networkId: string, room: string) =>
    `moltnet connect --base-url ${origin} --network-id ${networkId} --member-id alpha --runtime claude-code --rooms ${room} --node`,
  nodeCommand: 'moltnet node start',

  outboxUnreadable: 'Messages that were on their way when the page was closed could not be read back.',
} as const;

/** What went wrong, in words for the person at the screen. */
export function wordsOf(error: unknown): string {
  const { status, code, message } = error as { status?: number; code?: string; message?: string };
  const known = code === undefined ? undefined : errors[code];
  if (known) return known;
  if (status === 404) return texts.gone;
  // Refusals of the server say what is wrong and what to do.
  if (status !== undefined && status >= 400 && status < 500 && message) return message;
  return 'The server could not do it now.';
}

const errors: Record<string, string> = {
  no_answer: 'The server did not answer.',
  bad_gateway: 'Something between here and the server answered instead of it.',
  unauthorized: 'You are not signed in, or no longer.',
  forbidden: 'You may not do that.',
  foreign_origin: 'This page was opened under an address the server does not know as its own.',
  foreign_host:
    'This page was opened under a host name the server does not know. Open it by IP address or localhost.',
  write_refused: 'The rules of this room do not let you write here.',
  human_ingress_disabled: 'Messages of people are switched off on this network.',
  message_id_conflict: 'A different message with this id exists already. Take it back and send it again.',
  text_too_large: 'The text is too long for one message (128 KB at most). Send it in parts.',
  message_too_large: 'The message is too large. Send it in parts.',
  too_many_mentions: 'The message names too many agents (256 at most).',
  rate_limited: 'Too much at once. Wait a moment and try again.',
  overloaded: 'The server has too much to do. Nothing was stored; try again.',
  stopping: 'The server is stopping. Nothing was stored.',
  storage_unavailable: 'The server cannot write to its storage now. Nothing was stored.',
};
