/**
 * `$SYS/broker/…`: the broker's own statistics as retained messages under mosquitto's names, for
 * each tenant its own.
 *
 * Every worker sends its tenants' numbers to worker 1 at each interval; worker 1 adds them up,
 * computes the moving averages, and publishes what has changed. Intervals are aligned to the wall
 * clock, as mosquitto's are. Thread: worker. Scope: one per worker.
 */

import { VERSION } from "../shared/base/version.ts";
import { NO_BYTES } from "../shared/bytes/copy-bytes.ts";
import { Message } from "../shared/mqtt/message.ts";
import { RecordType } from "../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";
import type { SessionContext } from "./session/session-context.ts";
import {
  addCounters,
  type SysCounters,
  SysLoads,
  sysValues,
  type TenantUsage,
} from "./sys-values.ts";

const COLLECTOR_THREAD = 1;
/**
 * Other workers' numbers arrive within milliseconds; worker 1 publishes this long after the
 * interval began.
 */
const GATHER_MS = 500;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One worker's numbers of one interval, as they travel (JSON: cold). */
interface TenantReport {
  readonly tenants: Readonly<Record<string, SysCounters>>;
}

/** What this worker's services store, also for tenants whose clients are on other workers. */
export interface StoredUsage {
  tenants(): Iterable<string>;
  usage(tenantId: string): TenantUsage;
}

interface TenantState {
  readonly loads: SysLoads;
  /** Topic → value published last: what has not changed is not published again. */
  readonly published: Map<string, string>;
}

export class SysTopics {
  readonly #context: SessionContext;
  readonly #endpoint: RingEndpoint;
  readonly #stored: StoredUsage;
  readonly #startedAtMs: number;
  readonly #states = new Map<string, TenantState>();
  /** By worker: what it reported last. */
  readonly #reports = new Map<number, TenantReport>();
  #timer: NodeJS.Timeout | null = null;
  #gatherTimer: NodeJS.Timeout | null = null;

  constructor(context: SessionContext, endpoint: RingEndpoint, stored: StoredUsage) {
    this.#context = context;
    this.#endpoint = endpoint;
    this.#stored = stored;
    this.#startedAtMs = context.nowMs();
    endpoint.setHandler(RecordType.TENANT_REPORT, (bytes, offset, length, source) => {
      const json = decoder.decode(bytes.slice(offset, offset + length));
      this.#reports.set(source, JSON.parse(json) as TenantReport);
    });
  }

  /** Also after a reload: the interval may be another one, or none. */
  start(): void {
    this.stop();
    const intervalMs = this.#context.config.sysIntervalSeconds * 1000;
    if (intervalMs > 0) this.#arm(intervalMs);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#gatherTimer !== null) clearTimeout(this.#gatherTimer);
    this.#timer = null;
    this.#gatherTimer = null;
  }

  #arm(intervalMs: number): void {
    const untilNextMs = intervalMs - (this.#context.nowMs() % intervalMs);
    this.#timer = setTimeout(() => {
      this.#context.wake();
      this.#send();
      this.#arm(intervalMs);
      if (this.#endpoint.threadIndex !== COLLECTOR_THREAD) return;
      this.#gatherTimer = setTimeout(() => {
        this.#context.wake();
        this.#publishAll(intervalMs);
      }, GATHER_MS);
    }, untilNextMs);
  }

  #send(): void {
    const known = this.#context.tenants;
    for (const tenantId of this.#stored.tenants()) known.get(tenantId);
    const tenants: Record<string, SysCounters> = {};
    for (const { id, counters } of known.all()) {
      tenants[id] = { ...counters, ...this.#stored.usage(id) };
    }
    const record = encoder.encode(JSON.stringify({ tenants } satisfies TenantReport));
    this.#endpoint.enqueue(COLLECTOR_THREAD, RecordType.TENANT_REPORT, record, 0, record.length);
  }

  #publishAll(intervalMs: number): void {
    const sums = new Map<string, SysCounters>();
    for (const report of this.#reports.values()) {
      for (const [tenantId, counters] of Object.entries(report.tenants)) {
        sums.set(tenantId, addCounters(sums.get(tenantId) ?? null, counters));
      }
    }
    for (const [tenantId, counters] of sums) this.#publishTenant(tenantId, counters, intervalMs);
  }

  #publishTenant(tenantId: string, counters: SysCounters, intervalMs: number): void {
    let state = this.#states.get(tenantId);
    if (state === undefined) {
      state = { loads: new SysLoads(), published: new Map() };
      this.#states.set(tenantId, state);
    }
    state.loads.update(counters, intervalMs);
    const uptimeSeconds = Math.floor((this.#context.nowMs() - this.#startedAtMs) / 1000);
    const memory = process.memoryUsage();
    const values = sysValues(counters, state.loads, {
      version: `ratatosk version ${VERSION}`,
      uptimeSeconds,
      heapBytes: memory.rss,
    });
    for (const [topic, value] of values) {
      if (state.published.get(topic) === value) continue;
      state.published.set(topic, value);
      this.#publish(tenantId, `$SYS/broker/${topic}`, value);
    }
  }

  #publish(tenantId: string, topic: string, value: string): void {
    const message = new Message(
      tenantId,
      encoder.encode(topic),
      encoder.encode(value),
      NO_BYTES,
      0,
      true,
      -1,
      this.#context.nowMs(),
      "",
    );
    this.#context.publisher.publish(message, null);
  }
}
