import { useId } from 'react';
import { texts } from '../texts.ts';
import styles from './chart.module.css';

export interface Bar {
  /** `2026-11-30` */
  day: string;
  value: number;
}

const HEIGHT = 56;
const WIDTH = 14;
const GAP = 4;

/** A small bar chart of days; each bar tells its number to whoever points at it, and all of them to screen readers. */
export function DayChart({
  title,
  bars,
  format = (value) => value.toLocaleString(),
}: {
  title: string;
  bars: readonly Bar[];
  format?: (value: number) => string;
}) {
  const id = useId();
  const most = Math.max(1e-9, ...bars.map((bar) => bar.value));
  const total = bars.reduce((sum, bar) => sum + bar.value, 0);
  const width = bars.length * (WIDTH + GAP) - GAP;
  return (
    <figure className={styles.figure}>
      <figcaption id={id}>
        <span>{title}</span>
        <strong>{format(total)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${HEIGHT}`}
        className={styles.chart}
        role="img"
        aria-labelledby={id}
        preserveAspectRatio="none"
      >
        {bars.map((bar, index) => {
          const height = bar.value === 0 ? 1 : Math.max(2, (bar.value / most) * (HEIGHT - 2));
          return (
            <g key={bar.day}>
              <title>{texts.dayValue(bar.day, format(bar.value))}</title>
              <rect x={index * (WIDTH + GAP)} y={0} width={WIDTH} height={HEIGHT} className={styles.hit} />
              <rect
                x={index * (WIDTH + GAP)}
                y={HEIGHT - height}
                width={WIDTH}
                height={height}
                rx={1.5}
                className={bar.value === 0 ? styles.none : styles.bar}
              />
            </g>
          );
        })}
      </svg>
      <p className={styles.ends} aria-hidden="true">
        <span>{bars[0]?.day.slice(5)}</span>
        <span>{bars.at(-1)?.day.slice(5)}</span>
      </p>
    </figure>
  );
}

/** How much of a limit is used, as a bar and in numbers. */
export function Meter({ name, value, limit }: { name: string; value: number; limit: number | 'off' }) {
  const share = limit === 'off' ? 0 : Math.min(1, value / Math.max(1, limit));
  return (
    <div className={styles.meter}>
      <span className={styles.meterName}>{name}</span>
      {limit === 'off' ? (
        <span className={styles.off}>{texts.noLimit}</span>
      ) : (
        <meter
          className={share >= 1 ? styles.full : share > 0.7 ? styles.high : undefined}
          min={0}
          max={limit}
          value={Math.min(value, limit)}
          aria-label={name}
        />
      )}
      <span className={styles.numbers}>
        {value.toLocaleString()}
        {limit !== 'off' && ` / ${limit.toLocaleString()}`}
      </span>
    </div>
  );
}
