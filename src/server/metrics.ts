/**
 * What /metrics shows (wire.md 14). Label values come from fixed sets only, so a stranger's requests cannot grow
 * the process: the route is the pattern that matched or `unmatched`, the method one of a known few or `other`.
 */
import { Counter, Gauge, Histogram, Registry, type Metric } from 'prom-client';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Numbers that others keep; read when somebody scrapes. */
export interface MetricSources {
  attachments(): number;
  streams(): number;
  /** Commands waiting for the writer. */
  writerQueue(): number;
  /** Other servers on the same database. */
  otherServers(): number;
  /** seq of the newest event. */
  head(): number;
  /** Conversations with messages that wait for a paired network. */
  relayWaiting(): number;
}

export interface Metrics {
  readonly registry: Registry;
  /** Counts one finished request. `seconds` is its duration. */
  request(method: string, route: string | undefined, status: number, seconds: number): void;
  /** Counts events that a live reader could not be given at once and reads from the log instead. */
  readonly eventsDropped: Counter;
  readonly relay: Counter<'result'>;
  readonly storeHealth: Gauge;
  /** Commands per transaction. */
  readonly batchSize: Histogram;
}

/** Requests of one method and route. Plain numbers, because this is counted on every request. */
interface RouteCount {
  method: string;
  route: string;
  statuses: Map<number, number>;
  buckets: number[];
  sum: number;
  count: number;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const routes = new Map<string, Map<string, RouteCount>>();

  registry.registerMetric(requestsTotal(routes));
  registry.registerMetric(requestDuration(routes));
  gauge('moltnet_active_attachments', 'Attachments that are open.', sources.attachments);
  gauge('moltnet_active_sse_subscribers', 'Event streams that are open.', sources.streams);
  gauge('moltnet_writer_queue', 'Commands that wait for the writer.', sources.writerQueue);
  gauge(
    'moltnet_relay_waiting',
    'Conversations with messages that wait for a paired network.',
    sources.relayWaiting,
  );
  gauge('moltnet_other_servers', 'Other servers on the same database.', sources.otherServers);
  gauge('moltnet_events_head', 'Sequence number of the newest event.', sources.head);
  const relay = new Counter({
    name: 'moltnet_relay_total',
    help: 'Messages relayed to paired networks, by result.',
    labelNames: ['result'],
    registers,
  });
  for (const result of ['success', 'error', 'dropped', 'refused']) relay.inc({ result }, 0);
  const metrics: Metrics = {
    registry,
    relay,
    eventsDropped: new Counter({
      name: 'moltnet_events_dropped_total',
      help: 'Events that a slow live reader reads from the log instead of being pushed.',
      registers,
    }),
    storeHealth: new Gauge({
      name: 'moltnet_store_health',
      help: '1 when the last health check of the store succeeded, else 0.',
      registers,
    }),
    batchSize: new Histogram({
      name: 'moltnet_batch_size',
      help: 'Commands committed in one transaction.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    }),
    request(method, route = 'unmatched', status, seconds) {
      const known = METHODS.has(method) ? method : 'other';
      let methods = routes.get(route);
      if (!methods) routes.set(route, (methods = new Map()));
      let entry = methods.get(known);
      if (!entry)
        methods.set(
          known,
          (entry = {
            method: known,
            route,
            statuses: new Map(),
            buckets: BUCKETS.map(() => 0),
            sum: 0,
            count: 0,
          }),
        );
      entry.statuses.set(status, (entry.statuses.get(status) ?? 0) + 1);
      entry.sum += seconds;
      entry.count++;
      const bucket = BUCKETS.findIndex((le) => seconds <= le);
      if (bucket >= 0) entry.buckets[bucket]!++;
    },
  };
  processMetrics();
  return metrics;

  /** Those of the library's defaults that need neither a timer nor an observer that lives as long as the process. */
  function processMetrics(): void {
    const cpuSeconds = (): number => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    };
    registry.registerMetric(
      scraped('process_cpu_seconds_total', 'counter', 'CPU time of this process, in seconds.', () => [
        { value: cpuSeconds(), labels: {} },
      ]),
    );
    gauge('process_resident_memory_bytes', 'Resident memory, in bytes.', () => process.memoryUsage.rss());
    gauge(
      'process_start_time_seconds',
      'When this process began, in seconds since 1970.',
      () => performance.timeOrigin / 1_000,
    );
    gauge('nodejs_heap_size_used_bytes', 'Heap in use, in bytes.', () => process.memoryUsage().heapUsed);
    gauge(
      'nodejs_eventloop_utilization',
      'Share of the time since the start that the main thread was busy.',
      () => performance.eventLoopUtilization().utilization,
    );
  }

  function gauge(name: string, help: string, read: () => number): void {
    registry.registerMetric(scraped(name, 'gauge', help, () => [{ value: read(), labels: {} }]));
  }
}

type Routes = Map<string, Map<string, RouteCount>>;
const entriesOf = (routes: Routes): RouteCount[] =>
  [...routes.values()].flatMap((methods) => [...methods.values()]);

interface Sample {
  metricName?: string;
  value: number;
  labels: Record<string, string | number>;
}

/**
 * A metric that is filled when somebody scrapes. The library's own are updated (and hash their labels) on every
 * request; a metric of one's own is anything with a name and a get().
 */
const scraped = (
  name: string,
  type: 'counter' | 'gauge' | 'histogram',
  help: string,
  samples: () => Sample[],
): Metric =>
  ({
    name,
    get: () => ({ name, help, type, aggregator: 'sum', values: samples() }),
    reset: () => {},
  }) as unknown as Metric;

function requestsTotal(routes: Routes): Metric {
  return scraped('moltnet_http_requests_total', 'counter', 'HTTP requests answered.', () =>
    entriesOf(routes).flatMap(({ method, route, statuses }) =>
      [...statuses].map(([status, value]) => ({ value, labels: { method, route, status } })),
    ),
  );
}

function requestDuration(routes: Routes): Metric {
  const name = 'moltnet_http_request_duration_seconds';
  return scraped(name, 'histogram', 'Time to answer HTTP requests.', () => {
    const values: Sample[] = [];
    for (const { method, route, buckets, sum, count } of entriesOf(routes)) {
      let total = 0;
      for (const [i, le] of BUCKETS.entries())
        values.push({
          metricName: `${name}_bucket`,
          value: (total += buckets[i]!),
          labels: { method, route, le },
        });
      values.push({ metricName: `${name}_bucket`, value: count, labels: { method, route, le: '+Inf' } });
      values.push({ metricName: `${name}_sum`, value: sum, labels: { method, route } });
      values.push({ metricName: `${name}_count`, value: count, labels: { method, route } });
    }
    return values;
  });
}
