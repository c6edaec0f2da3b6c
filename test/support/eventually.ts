/** Waits for a fact that nothing announces, turn by turn of the event loop. Rejects when it does not come to be. */
export async function eventually(
  holds: () => boolean,
  what = String(holds),
  milliseconds = 20_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!holds()) {
    if (performance.now() > deadline)
      throw new Error(`it did not come to be within ${milliseconds} ms: ${what}`);
    await new Promise(setImmediate);
  }
}
