/** Which rule decides which command. */
import { applyConfig } from './apply-config.ts';
import type { Command, CommandKind } from './commands.ts';
import { confirmAgent } from './confirm-agent.ts';
import { createRoom } from './create-room.ts';
import { resumeGuard } from './guard-resume.ts';
import { followMembers } from './follow-members.ts';
import { inviteAgent } from './invite-agent.ts';
import { joinRoom } from './join-room.ts';
import {
  acceptPairing,
  beginRelay,
  exchangePairing,
  invitePairing,
  revokePairing,
  revokePairingInvite,
  saveRelay,
} from './pairing-rules.ts';
import type { Random } from './random.ts';
import { pruneHistory } from './prune-history.ts';
import { redactMessage } from './redact-message.ts';
import { registerAgent } from './register-agent.ts';
import { removeAgent } from './remove-agent.ts';
import { removeRoom } from './remove-room.ts';
import { rotateAgent } from './rotate-agent.ts';
import { changeMembers } from './room-members.ts';
import type { Decided } from './rule.ts';
import { saveDelivery } from './save-delivery.ts';
import { saveRead, saveSession } from './save-session.ts';
import { setPause } from './set-pause.ts';
import { backfillMessage, sendMessage } from './send-message.ts';
import type { State } from './state.ts';
import { takeRelay } from './take-relay.ts';
import { updateRoom } from './update-room.ts';

export function decide(state: State, command: Command, random: Random): Decided<CommandKind> {
  switch (command.kind) {
    case 'message.send':
      return sendMessage(state, command, random);
    case 'message.backfill':
      return backfillMessage(state, command, random);
    case 'message.redact':
      return redactMessage(state, command, random);
    case 'room.create':
      return createRoom(state, command, random);
    case 'room.update':
      return updateRoom(state, command, random);
    case 'room.members':
      return changeMembers(state, command, random);
    case 'room.remove':
      return removeRoom(state, command, random);
    case 'room.join':
      return joinRoom(state, command, random);
    case 'agent.register':
      return registerAgent(state, command, random);
    case 'agent.confirm':
      return confirmAgent(state, command, random);
    case 'agent.rotate':
      return rotateAgent(state, command, random);
    case 'agent.invite':
      return inviteAgent(state, command, random);
    case 'agent.remove':
      return removeAgent(state, command, random);
    case 'config.apply':
      return applyConfig(state, command, random);
    case 'guard.resume':
      return resumeGuard(state, command, random);
    case 'pause.set':
      return setPause(state, command, random);
    case 'delivery.save':
      return saveDelivery(state, command, random);
    case 'pairing.invite':
      return invitePairing(state, command, random);
    case 'pairing.invite.revoke':
      return revokePairingInvite(state, command, random);
    case 'pairing.exchange':
      return exchangePairing(state, command, random);
    case 'pairing.accept':
      return acceptPairing(state, command, random);
    case 'pairing.revoke':
      return revokePairing(state, command, random);
    case 'pairing.members':
      return followMembers(state, command, random);
    case 'relay.take':
      return takeRelay(state, command, random);
    case 'relay.begin':
      return beginRelay(state, command, random);
    case 'relay.save':
      return saveRelay(state, command, random);
    case 'history.prune':
      return pruneHistory(state, command, random);
    case 'session.save':
      return saveSession(state, command, random);
    case 'read.save':
      return saveRead(state, command, random);
  }
}
