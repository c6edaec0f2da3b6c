/** Two network namespaces with a wire between them, where the machine lets us (Linux, root); else this machine's loopback. */
import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';

export interface Place {
  /** In front of a command, to run it there. */
  prefix: string[];
  /** Where the test reaches what listens there. */
  address: string;
  /** Where the other place reaches it. */
  peer: string;
}
export interface TwoPlaces {
  namespaces: boolean;
  a: Place;
  b: Place;
  /** Packets between the two are lost without a word. Nothing without namespaces. */
  cut(): void;
  mend(): void;
}

const ip = (...words: string[]): void => void execFileSync('ip', words, { stdio: 'pipe' });

/** They are gone when the test ends. */
export function twoPlaces(): TwoPlaces {
  const tag = `mp${process.pid % 10_000}`;
  const [a, b] = [`${tag}a`, `${tag}b`];
  const net = `10.${200 + (process.pid % 50)}`;
  const remove = (): void => {
    for (const name of [a, b])
      try {
        ip('netns', 'del', name);
      } catch {
        // It was never made.
      }
  };
  try {
    ip('netns', 'add', a);
    ip('netns', 'add', b);
    onTestFinished(remove);
    // From the test to each, and between them.
    for (const [name, subnet] of [
      [a, `${net}.1`],
      [b, `${net}.2`],
    ] as const) {
      ip('link', 'add', `${name}0`, 'type', 'veth', 'peer', 'name', `${name}1`, 'netns', name);
      ip('addr', 'add', `${subnet}.1/24`, 'dev', `${name}0`);
      ip('link', 'set', `${name}0`, 'up');
      ip('-n', name, 'addr', 'add', `${subnet}.2/24`, 'dev', `${name}1`);
      ip('-n', name, 'link', 'set', `${name}1`, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', `${tag}x`, 'netns', a, 'type', 'veth', 'peer', 'name', `${tag}y`, 'netns', b);
    ip('-n', a, 'addr', 'add', `${net}.3.1/24`, 'dev', `${tag}x`);
    ip('-n', b, 'addr', 'add', `${net}.3.2/24`, 'dev', `${tag}y`);
    ip('-n', a, 'link', 'set', `${tag}x`, 'up');
    ip('-n', b, 'link', 'set', `${tag}y`, 'up');
  } catch {
    remove();
    const here = { prefix: [], address: '127.0.0.1', peer: '127.0.0.1' };
    return { namespaces: false, a: here, b: here, cut() {}, mend() {} };
  }
  return {
    namespaces: true,
    a: { prefix: ['ip', 'netns', 'exec', a], address: `${net}.1.2`, peer: `${net}.3.1` },
    b: { prefix: ['ip', 'netns', 'exec', b], address: `${net}.2.2`, peer: `${net}.3.2` },
    cut: () => ip('-n', a, 'link', 'set', `${tag}x`, 'down'),
    mend: () => ip('-n', a, 'link', 'set', `${tag}x`, 'up'),
  };
}
