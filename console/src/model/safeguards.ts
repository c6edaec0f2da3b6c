import type { Api } from '../live/api.ts';

/**
 * What stands between a click and what cannot be taken back, for everything that the console changes:
 * `undo`: it is done, and the way back is offered for a while; `confirm`: it first says what will happen;
 * `form`: it is written out and sent by its own button, and says there what comes of it; `harmless`: nothing of it lasts.
 */
export const SAFEGUARDS = {
  // The way in and out: signing in again is the way back.
  signIn: 'form',
  signOut: 'harmless',
  // What one writes can be removed, which says that it blanks it for everyone.
  send: 'form',
  redact: 'confirm',
  markRead: 'harmless',
  // Stop and go. What a conversation that goes on delivers cannot be called back, but its room can be paused.
  pause: 'undo',
  unpause: 'undo',
  resume: 'undo',
  settleWake: 'confirm',
  // Rooms and members.
  createRoom: 'undo',
  updateRoom: 'undo',
  roomMembers: 'undo',
  removeRoom: 'confirm',
  // Agents. A code ends by itself, and with the next one.
  inviteAgent: 'form',
  wakeTest: 'harmless',
  rotateToken: 'confirm',
  removeAgent: 'confirm',
  // Networks.
  invitePairing: 'form',
  removePairingInvite: 'confirm',
  acceptPairing: 'form',
  removePairing: 'confirm',
  reloadConfig: 'confirm',
} as const satisfies Partial<Record<keyof Api, 'undo' | 'confirm' | 'form' | 'harmless'>>;
