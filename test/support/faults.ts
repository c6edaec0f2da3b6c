/** What would end the process: collected, for tests of faults. */
import { onTestFinished } from 'vitest';

/** Texts of the unhandled rejections from now until this test ends. */
export function faults(): string[] {
  const found: string[] = [];
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (error) => void found.push(String(error)));
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
  });
  return found;
}
