/** A value as one word of a POSIX shell, for lines that people copy. */
export const shellWord = (value: string): string =>
  /^[A-Za-z0-9._:/@,-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
