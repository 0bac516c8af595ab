/**
 * Everything about ranges on main, put together: groups, the first ranges, changes. Thread: main.
 * Scope: one per process.
 */

import type { Log } from "../../platform/log.ts";
import type { RandomSource } from "../../shared/raft/options.ts";
import type { SplitLimits } from "../../shared/range/split-hinter.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { bootstrapRanges, wasBootstrapped } from "./bootstrap.ts";
import { RangeGroups } from "./range-groups.ts";
import { RangeLifeCycle } from "./range-life-cycle.ts";
import { RangeRequests } from "./range-requests.ts";
import { RangeResets } from "./range-resets.ts";
import { RangeSplitter } from "./range-splitter.ts";

export interface NodeRangesOptions {
  readonly endpoint: RingEndpoint;
  readonly log: Log;
  readonly storeCount: number;
  /** All first ranges were there once. */
  readonly isBootstrapped: boolean;
  /** They are now. */
  readonly onBootstrapped: () => void;
  readonly processNumber: number;
  /** When ranges are cut without being told to. */
  readonly splitLimits: SplitLimits;
  readonly random: RandomSource;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Makes sure that a turn follows. */
  readonly schedule: () => void;
}

export class NodeRanges {
  readonly groups: RangeGroups;
  readonly lifeCycle: RangeLifeCycle;
  readonly resets: RangeResets;
  readonly #options: NodeRangesOptions;
  readonly #requests: RangeRequests;
  #isBootstrapping = false;

  constructor(options: NodeRangesOptions) {
    const { endpoint, log, random, schedule, processNumber, nowMs } = options;
    this.#options = options;
    this.groups = new RangeGroups({ endpoint, log, random, schedule });
    this.#requests = new RangeRequests(endpoint, schedule);
    this.lifeCycle = new RangeLifeCycle({
      endpoint,
      groups: this.groups,
      requests: this.#requests,
      processNumber,
      nowMs,
    });
    this.resets = new RangeResets({
      groups: this.groups,
      requests: this.#requests,
      lifeCycle: this.lifeCycle,
      storeCount: options.storeCount,
      log,
      nowMs,
    });
    new RangeSplitter({
      groups: this.groups,
      lifeCycle: this.lifeCycle,
      limits: options.splitLimits,
      log,
      nowMs,
    });
    this.groups.addListener({ allReported: () => this.#complete() });
  }

  /** End of a turn of main's. */
  flush(): void {
    this.groups.flush();
  }

  /** Every 100 ms, on a monotonic clock. */
  tick(clockMs: number): void {
    this.groups.tick(clockMs);
    this.lifeCycle.tick();
    this.resets.tick();
  }

  /** A worker died; its rings are replaced. */
  workerLost(thread: number): void {
    this.#requests.workerLost(thread);
    this.groups.workerLost(thread);
  }

  /** All workers have reported. */
  #complete(): void {
    const { groups } = this;
    const { storeCount, isBootstrapped } = this.#options;
    if (this.#isBootstrapping) return;
    if (!groups.isComplete && !wasBootstrapped(groups, storeCount, isBootstrapped)) {
      this.#bootstrap();
      return;
    }
    groups.noteMissing(storeCount);
    this.#serve();
  }

  #bootstrap(): void {
    this.#isBootstrapping = true;
    void bootstrapRanges(this.groups, this.#requests, this.#options.storeCount).then((created) => {
      this.#isBootstrapping = false;
      if (created === null) {
        if (this.groups.hasAllReports) this.#complete();
        return;
      }
      this.#options.log.info("ranges_created", { ranges: created });
      this.#serve();
    });
  }

  #serve(): void {
    if (this.groups.isComplete) return;
    this.#options.onBootstrapped();
    this.groups.complete();
  }
}
