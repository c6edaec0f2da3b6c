import type { CallerIdentity } from '../../../src/protocol/identity.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { personId } from './names.ts';

/** Who writes at this screen. */
export interface Me {
  id: string;
  name: string;
  /** The credential says who this is; otherwise the name is this browser's to choose. */
  bound: boolean;
}

export const chosenMe = (name: string): Me => ({ id: personId(name), name, bound: false });

/** Whom the server knows this browser as; the chosen name where it knows nobody. */
export function meOf(identity: CallerIdentity, chosen: string): Me {
  const { human } = identity;
  return human ? { id: human.id, name: human.name ?? human.id, bound: true } : chosenMe(chosen);
}

/** Nobody is signed in, on a network where one can. */
export const isAnonymous = (identity: CallerIdentity | undefined): boolean =>
  identity !== undefined && identity.mode !== 'none' && identity.credential === 'anonymous';

const has = (identity: CallerIdentity | undefined, ...scopes: CallerIdentity['scopes']): boolean =>
  identity !== undefined && (identity.mode === 'none' || scopes.every((s) => identity.scopes.includes(s)));

/** Held conversations are shown to observers only. */
export const maySeeGuard = (identity: CallerIdentity | undefined): boolean =>
  has(identity, 'observe') || has(identity, 'admin');
export const mayContinue = (identity: CallerIdentity | undefined): boolean =>
  has(identity, 'admin') || has(identity, 'observe', 'write');
export const mayRedact = (identity: CallerIdentity | undefined, me: Me, message: Message): boolean =>
  has(identity, 'admin') ||
  (has(identity, 'write') && message.from.type === 'human' && message.from.id === me.id);
/** Rooms, members, agents and the configuration. */
export const mayAdminister = (identity: CallerIdentity | undefined): boolean => has(identity, 'admin');
