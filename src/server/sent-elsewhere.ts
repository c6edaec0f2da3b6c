/**
 * Where several servers share a database only the one that an agent is attached to knows what its node has: the others
 * ask it. What they say to each other may be lost; what nobody has said in time is not said to be so.
 */
import { randomUUID } from 'node:crypto';
import type { Peers } from '../store/peers.ts';

type Question = { ask: string; cursor: string; agents: string[] };
type Answer = { answer: string; out: string[] };

/** Milliseconds for the answers. */
const ANSWERS = 500;
/** Agents of one question: it has to fit into what a server may tell. */
const AGENTS = 40;

export class SentElsewhere {
  readonly #peers: Pick<Peers, 'elsewhere' | 'hears' | 'others' | 'tell'>;
  readonly #isOut: (agent_id: string, cursor: string) => boolean;
  readonly #waiting = new Map<string, (out: readonly string[]) => void>();

  /** `isOut`: whether an attachment of this server has the event and nothing became of it yet. */
  constructor(
    peers: Pick<Peers, 'elsewhere' | 'hears' | 'others' | 'tell'>,
    isOut: (agent_id: string, cursor: string) => boolean,
  ) {
    this.#peers = peers;
    this.#isOut = isOut;
  }

  /** Those of the agents whose attachments at other servers have the event, and nothing became of it yet. */
  async isOut(agent_ids: readonly string[], cursor: string): Promise<ReadonlySet<string>> {
    const elsewhere = this.#peers.elsewhere();
    const agents = agent_ids.filter((id) => elsewhere.has(id));
    const questions: Promise<readonly string[]>[] = [];
    for (let at = 0; this.#peers.hears && at < agents.length; at += AGENTS)
      questions.push(this.#ask(agents.slice(at, at + AGENTS), cursor));
    return new Set((await Promise.all(questions)).flat());
  }

  /** False when it is something else that another server told. */
  heard(told: object): boolean {
    if ('ask' in told) {
      const { ask, cursor, agents } = told as Question;
      const answer: Answer = { answer: ask, out: agents.filter((id) => this.#isOut(id, cursor)) };
      this.#peers.tell(JSON.stringify(answer));
      return true;
    }
    if (!('answer' in told)) return false;
    const { answer, out } = told as Answer;
    this.#waiting.get(answer)?.(out);
    return true;
  }

  /** Until all servers have answered, or one has said of each of the agents that it is so. */
  #ask(agents: string[], cursor: string): Promise<readonly string[]> {
    const ask = randomUUID();
    const found = new Set<string>();
    let answers = 0;
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(ask);
        resolve([...found]);
      };
      const timer = setTimeout(end, ANSWERS);
      this.#waiting.set(ask, (out) => {
        for (const id of out) found.add(id);
        if (++answers >= this.#peers.others || agents.every((id) => found.has(id))) end();
      });
      this.#peers.tell(JSON.stringify({ ask, cursor, agents } satisfies Question));
    });
  }
}
