/**
 * Who may run a turn now: at most `max` in the node, and at most so many in one workspace (NODE-8). Those that wait
 * are taken in the order in which they came, which is a round robin over conversations because each has one place in
 * line; urgent ones (DMs, mentions) first. One that was passed over often enough goes first whatever it is.
 */
export interface TurnRequest {
  /** Turns with the same key share a workspace. */
  workspace: string;
  /** Turns at once in this workspace. */
  workspaceMax: number;
  /** Asked when a place is free: what waits may have become urgent meanwhile. */
  urgent: () => boolean;
  /** Gives the place in line up. */
  signal: AbortSignal;
}

export interface Turn {
  /** Idempotent. */
  release(): void;
}

/** After so many others went first, a turn is as urgent as any. */
const PATIENCE = 8;

export class Turns {
  #max: number;
  readonly #perWorkspace = new Map<string, number>();
  readonly #line: { request: TurnRequest; grant: (turn: Turn) => void; passed: number }[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Turns at once from now on; those that run go on. */
  set max(max: number) {
    this.#max = max;
    this.#grant();
  }

  get running(): number {
    return this.#running;
  }

  /** Resolves with the turn, or with undefined when the signal was aborted before. */
  acquire(request: TurnRequest): Promise<Turn | undefined> {
    if (request.signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const entry = {
        request,
        passed: 0,
        grant: (turn: Turn) => {
          request.signal.removeEventListener('abort', leave);
          resolve(turn);
        },
      };
      const leave = (): void => {
        const at = this.#line.indexOf(entry);
        if (at >= 0) this.#line.splice(at, 1);
        resolve(undefined);
      };
      request.signal.addEventListener('abort', leave, { once: true });
      this.#line.push(entry);
      this.#grant();
    });
  }

  #grant(): void {
    while (this.#running < this.#max) {
      const free = this.#line.filter(({ request }) => this.#inWorkspace(request) < request.workspaceMax);
      const next =
        free.find(({ passed }) => passed >= PATIENCE) ??
        free.find(({ request }) => request.urgent()) ??
        free[0];
      if (!next) return;
      for (const entry of free) {
        if (entry === next) break;
        entry.passed++;
      }
      this.#line.splice(this.#line.indexOf(next), 1);
      next.grant(this.#begin(next.request.workspace));
    }
  }

  #inWorkspace({ workspace }: TurnRequest): number {
    return this.#perWorkspace.get(workspace) ?? 0;
  }

  #begin(workspace: string): Turn {
    this.#running++;
    this.#perWorkspace.set(workspace, (this.#perWorkspace.get(workspace) ?? 0) + 1);
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#running--;
        const left = this.#perWorkspace.get(workspace)! - 1;
        if (left > 0) this.#perWorkspace.set(workspace, left);
        else this.#perWorkspace.delete(workspace);
        this.#grant();
      },
    };
  }
}
