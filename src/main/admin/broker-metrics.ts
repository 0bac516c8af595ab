/**
 * What /metrics shows: the counters of every worker, one series per worker so that sums and
 * imbalances are both one query away, and how the process is doing.
 *
 * Thread: main. Nothing here is sampled ahead: the work happens when somebody asks.
 */

import { LoopDelay } from "../../platform/loop-delay.ts";
import { VERSION } from "../../shared/base/version.ts";
import {
  COUNTERS,
  type CounterDefinition,
  counterRow,
} from "../../shared/metrics/counter-table.ts";
import type { WorkerCounts } from "../worker-pool.ts";
import type { MetricFamily, Sample } from "./metrics-text.ts";

const PREFIX = "ratatosk_mqtt_";
const MICROSECONDS = 1e-6;

/** What the metrics need to know of the workers. */
export interface WorkerStatus {
  readonly counts: WorkerCounts;
  restartsOf(threadIndex: number): number;
}

export class BrokerMetrics {
  readonly #counters: SharedArrayBuffer;
  readonly #workers: WorkerStatus;
  readonly #node: string;
  readonly #loopDelay = new LoopDelay();

  constructor(counters: SharedArrayBuffer, workers: WorkerStatus, node: string) {
    this.#counters = counters;
    this.#workers = workers;
    this.#node = node;
  }

  /** All families. Event loop delays cover the time since the last call. */
  collect(): MetricFamily[] {
    const { total } = this.#workers.counts;
    const families = [
      ...counterFamilies(this.#counters, total),
      ...this.#workerFamilies(),
      ...processFamilies(),
      this.#loopDelayFamily(),
      gauge("ratatosk_build_info", "always 1; the labels say what runs", [
        { labels: { version: VERSION, node_version: process.version, node: this.#node }, value: 1 },
      ]),
    ];
    this.#loopDelay.reset();
    return families;
  }

  close(): void {
    this.#loopDelay.stop();
  }

  #workerFamilies(): MetricFamily[] {
    const { ready, total } = this.#workers.counts;
    const restarts = Array.from({ length: total }, (_, index) => ({
      labels: { worker: String(index + 1) },
      value: this.#workers.restartsOf(index + 1),
    }));
    return [
      gauge("ratatosk_workers", "worker threads by state", [
        { labels: { state: "ready" }, value: ready },
        { labels: { state: "down" }, value: total - ready },
      ]),
      {
        name: "ratatosk_worker_restarts_total",
        type: "counter",
        help: "starts of a worker after its first",
        samples: restarts,
      },
    ];
  }

  #loopDelayFamily(): MetricFamily {
    const quantiles = [0.5, 0.99, 1].map((quantile) => ({
      labels: { thread: "main", quantile: String(quantile) },
      value: this.#loopDelay.seconds(quantile),
    }));
    const help = "delay of a timer of the main thread since the last scrape, in seconds";
    return gauge("ratatosk_event_loop_delay_seconds", help, quantiles);
  }
}

/** One family per counter name: columns that differ by fixed labels only belong together. */
export function counterFamilies(table: SharedArrayBuffer, workerCount: number): MetricFamily[] {
  const rows = Array.from({ length: workerCount }, (_, index) => counterRow(table, index + 1));
  const families = new Map<string, MetricFamily & { samples: Sample[] }>();
  for (const [column, definition] of (COUNTERS as readonly CounterDefinition[]).entries()) {
    const name = metricName(definition);
    const { kind: type, help, labels = {} } = definition;
    const family = families.get(name) ?? { name, type, help, samples: [] };
    families.set(name, family);
    for (const [index, row] of rows.entries()) {
      const worker = String(index + 1);
      family.samples.push({ labels: { worker, ...labels }, value: row[column]! });
    }
  }
  return [...families.values()];
}

export function metricName(definition: CounterDefinition): string {
  return `${PREFIX}${definition.name}${definition.kind === "counter" ? "_total" : ""}`;
}

/** Names as Prometheus clients of other languages use them. */
function processFamilies(): MetricFamily[] {
  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage();
  const startTime = Date.now() / 1000 - process.uptime();
  return [
    {
      name: "process_cpu_seconds_total",
      type: "counter",
      help: "processor time of all threads, in seconds",
      samples: [
        { labels: { mode: "user" }, value: user * MICROSECONDS },
        { labels: { mode: "system" }, value: system * MICROSECONDS },
      ],
    },
    single("process_resident_memory_bytes", "memory of the process", memory.rss),
    single("process_start_time_seconds", "start, in seconds since 1970", startTime),
    single("ratatosk_main_heap_bytes", "JavaScript heap of the main thread", memory.heapUsed),
  ];
}

function single(name: string, help: string, value: number): MetricFamily {
  return gauge(name, help, [{ labels: {}, value }]);
}

function gauge(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, type: "gauge", help, samples };
}
