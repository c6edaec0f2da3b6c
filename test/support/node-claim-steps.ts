/** Where a claim can be interrupted, in the order in which it goes (node-claim-child.ts). */
export const CLAIM_STEPS = [
  'before the key is there',
  'before the key is sent',
  'after the key was sent',
  'before the token is written',
  'before the token is in its place',
  'before the token is used',
] as const;
