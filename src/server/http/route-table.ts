/** Which methods a path takes: asked only when no route matched, to tell 405 with `Allow` from 404. */
export class RouteTable {
  readonly #patterns = new Map<string, { matches: RegExp; methods: Set<string> }>();

  /** @param url a fastify pattern: `:name` is one segment, a final `*` is any rest */
  add(url: string, methods: readonly string[]): void {
    let entry = this.#patterns.get(url);
    if (!entry) {
      const source = url
        .split('/')
        .map((part) =>
          part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
        );
      this.#patterns.set(url, (entry = { matches: new RegExp(`^${source.join('/')}$`), methods: new Set() }));
    }
    for (const method of methods) entry.methods.add(method);
  }

  /** Methods of the routes that this path (without its query) would match, sorted. */
  methodsOf(path: string): string[] {
    const methods = new Set<string>();
    for (const entry of this.#patterns.values())
      if (entry.matches.test(path)) for (const method of entry.methods) methods.add(method);
    return [...methods].sort();
  }
}

/** `/v1/rooms/:roomID` → `/v1/rooms/{roomID}`, as metrics and the documentation show it. */
export const patternOf = (url: string): string => url.replace(/:(\w+)/g, '{$1}');
