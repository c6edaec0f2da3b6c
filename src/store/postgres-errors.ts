/** What Postgres's and the network's errors mean to the store: a taken id, a database that does not work now, or a fault. */
import { ConstraintError, LeaseLostError, StateMovedError, StorageError } from './errors.ts';
import { LEASE_LOST } from './postgres-row-sql.ts';

/** The index that says that a batch was given up (postgres-commit-sql.ts). */
const GIVEN_UP = 'changes_batch';
const TAKEN = '23505';

/** Classes of SQLSTATE that are about the database and not about the statement. */
const AWAY: Readonly<Record<string, string>> = {
  '08': 'the connection broke',
  '25': 'it takes no writes (a standby, or a transaction that may only read)',
  '28': 'it does not let this user in',
  '40': 'it broke the transaction off',
  '53': 'it is out of disk, memory or connections',
  '55': 'another transaction holds what is needed',
  '57': 'it is starting, stopping or ended the query',
  '58': 'its machine reported an error',
  XX: 'it reported damage',
  '3D': 'there is no such database',
  '42501': 'this user may not do that there',
};
/** The connection was ended, perhaps after the commit: what became of it has to be looked up. Of a pooler all of class 08 is. */
const ENDED = /^(08|57P0)/;
const FATAL = new Set(['FATAL', 'PANIC']);
/** Being asked again will not help. */
const HOPELESS = /^(28|3D|42|0A|22|26)/;

export const sqlState = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && isFromServer(error) ? code : undefined;
};
const isFromServer = (error: unknown): boolean =>
  typeof (error as { severity?: unknown }).severity === 'string';

/** The statement may have been carried out, although its answer did not come. */
export function isUnsure(error: unknown): boolean {
  const code = sqlState(error);
  if (code === undefined) return !(error instanceof ConstraintError);
  return ENDED.test(code) || FATAL.has((error as { severity: string }).severity);
}

/** This session is with a server that takes no writes, as a primary that was made a standby: a new one may not be. */
export const isReadOnly = (error: unknown): boolean => sqlState(error) === '25006';

/** Nobody answers now, or nobody who can serve: worth another try later. */
export function isAway(error: unknown): boolean {
  const code = sqlState(error);
  return code === undefined ? tlsProblem(error) === undefined : !HOPELESS.test(code);
}

/** Why there is no TLS as the address wants it; undefined for any other error. */
function tlsProblem(error: unknown): string | undefined {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate is for another name: correct the host, or write sslmode=verify-ca';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'its certificate is not valid at this time';
  if (/^UNABLE_TO_|SELF_SIGNED|^CERT_/.test(code))
    return 'its certificate is of no authority that is trusted here: name the right one in sslrootcert';
  if (/does not support SSL/i.test(message))
    return 'it does not speak TLS: write sslmode=disable if that is meant, or switch it on there';
  if (/^ERR_SSL_|^ERR_OSSL_/.test(code)) return 'there is no TLS with it';
  return undefined;
}

/** A named statement is not there, or is there already: a pooler gives each transaction another session. */
export const isLostStatement = (error: unknown): boolean =>
  ['26000', '42P05'].includes(sqlState(error) ?? '');

/** The commit was given up, and found so: nothing of it was stored. */
export const isGivenUp = (error: unknown): boolean =>
  sqlState(error) === TAKEN && (error as { constraint?: unknown }).constraint === GIVEN_UP;

/** The error as the Store interface has it. Faults of our own (a wrong statement, a NOT NULL) stay what they are. */
export function asStoreError(error: unknown, shown: string): unknown {
  if ([ConstraintError, StorageError, StateMovedError].some((known) => error instanceof known)) return error;
  if (!(error instanceof Error)) return error;
  const code = sqlState(error);
  if (code === LEASE_LOST) return new LeaseLostError(error.message, { cause: error });
  if (code === TAKEN) return new ConstraintError(error.message, { cause: error });
  if (code === undefined) return isOfConnection(error) ? away(shown, error) : error;
  const what = AWAY[code] ?? AWAY[code.slice(0, 2)];
  return what === undefined
    ? error
    : new StorageError(`the database ${shown}: ${what} (${error.message})`, { cause: error });
}

const away = (shown: string, error: Error): StorageError =>
  new StorageError(
    `the database ${shown} ${tlsProblem(error) === undefined ? 'cannot be reached' : `is not reached: ${tlsProblem(error)}`} (${error.message || (error as NodeJS.ErrnoException).code})`,
    { cause: error },
  );

/** Of a socket or of pg's client; a TypeError of ours is none of them. */
const isOfConnection = (error: Error): boolean =>
  typeof (error as NodeJS.ErrnoException).code === 'string' ||
  /connection|timeout|terminated|not queryable|socket|SSL|certificate/i.test(error.message);
