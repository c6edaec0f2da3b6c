/** A value as one word of a POSIX shell, for commands that agents copy and run. */
export const shellWord = (value: string): string =>
  /^[A-Za-z0-9._:/,-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
