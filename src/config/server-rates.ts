/** `rates` of the server's file: what one caller may do in a time. */
import { show, type Section } from './check.ts';
import type { Rate, ServerConfig } from './types.ts';

/** A person, a bench, a node with 50 agents or a relay never meets them. Claims: ten a minute. */
export const DEFAULT_RATES: ServerConfig['rates'] = {
  anonymous: { per_second: 20, burst: 200 },
  sends: { per_second: 50, burst: 500 },
  pair: { per_second: 200, burst: 2_000 },
  claims: { per_second: 1 / 6, burst: 10 },
};

/** One in about three hours; above a million no server of ours is the one that says no. */
const SLOWEST = 0.0001;
const MOST = 1_000_000;

/** What the file leaves out has its default. */
export function readRates(root: Section): ServerConfig['rates'] {
  const kinds = Object.keys(DEFAULT_RATES) as (keyof ServerConfig['rates'])[];
  const rates = root.section('rates', kinds);
  const read = { ...DEFAULT_RATES };
  for (const kind of kinds) if (rates?.has(kind)) read[kind] = readRate(rates, kind) ?? read[kind];
  return read;
}

function readRate(rates: Section, kind: string): Rate | 'off' | undefined {
  const raw = rates.raw(kind);
  if (raw === 'off' || raw === false) return 'off';
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    rates.note(kind, `is ${show(raw)}`, 'write {per_second: …, burst: …}, or off');
    return undefined;
  }
  const rate = rates.section(kind, ['per_second', 'burst'])!;
  const per_second = numberIn(rate, 'per_second', SLOWEST, (value) => value <= MOST);
  const burst = numberIn(rate, 'burst', 1, (value) => Number.isInteger(value) && value <= MOST);
  return per_second === undefined || burst === undefined ? undefined : { per_second, burst };
}

function numberIn(
  rate: Section,
  key: string,
  min: number,
  fits: (value: number) => boolean,
): number | undefined {
  const raw = rate.raw(key);
  if (typeof raw === 'number' && raw >= min && fits(raw)) return raw;
  const whole = key === 'burst' ? 'a whole number' : 'a number';
  rate.note(
    key,
    raw === undefined ? 'is missing' : `is ${show(raw)}`,
    `write ${whole} from ${min} to ${MOST}`,
  );
  return undefined;
}
