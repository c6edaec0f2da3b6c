/** Every route of the server, and who may ask it. */
import { attaching, consoleFiles, reads } from './matrix-reads.ts';
import { administration, pairings, registers, sessions, writes } from './matrix-writes.ts';
import type { Row } from './matrix.ts';

export const MATRIX: readonly Row[] = [
  ...reads,
  ...consoleFiles,
  attaching,
  ...registers,
  ...administration,
  ...pairings,
  ...writes,
  // A logout ends the session of the matrix, so they stand last.
  ...sessions,
];
