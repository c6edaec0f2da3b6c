/** The last so many values. */
export class RecentSet {
  readonly #values: Set<string>;
  readonly #max: number;

  constructor(max: number, values: Iterable<string> = []) {
    this.#max = max;
    this.#values = new Set(values);
  }

  has(value: string): boolean {
    return this.#values.has(value);
  }

  add(value: string): void {
    this.#values.delete(value);
    this.#values.add(value);
    if (this.#values.size > this.#max) this.#values.delete(this.#values.values().next().value!);
  }

  delete(value: string): boolean {
    return this.#values.delete(value);
  }

  /** Oldest first. */
  values(): string[] {
    return [...this.#values];
  }
}
