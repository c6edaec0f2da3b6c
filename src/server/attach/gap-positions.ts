/**
 * Where an attachment stood when it was told of a gap. The gap's own event id is no position in the log, yet a client
 * may come back with it as its cursor before another event came.
 */
export class GapPositions {
  readonly #positions = new Map<string, number>();
  readonly #max: number;

  /** @param max how many are remembered; after that the oldest is told of a gap again */
  constructor(max = 4_096) {
    this.#max = max;
  }

  set(agent_id: string, gapId: string, seq: number): void {
    const key = `${agent_id} ${gapId}`;
    this.#positions.delete(key);
    this.#positions.set(key, seq);
    if (this.#positions.size > this.#max) this.#positions.delete(this.#positions.keys().next().value!);
  }

  get(agent_id: string, gapId: string): number | undefined {
    return this.#positions.get(`${agent_id} ${gapId}`);
  }
}
