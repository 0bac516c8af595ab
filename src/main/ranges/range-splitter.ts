/**
 * Cuts ranges that have grown too large (split-hinter.ts), one at a time, in the middle of their
 * state. Thread: main. Scope: one per process.
 */

import type { Log } from "../../platform/log.ts";
import type { RangeLoad } from "../../shared/range/range-report.ts";
import { type SplitHint, SplitHinter, type SplitLimits } from "../../shared/range/split-hinter.ts";
import { RangeChangeError } from "./range-change-error.ts";
import type { RangeGroups } from "./range-groups.ts";
import type { RangeLifeCycle } from "./range-life-cycle.ts";

export interface RangeSplitterOptions {
  readonly groups: RangeGroups;
  readonly lifeCycle: RangeLifeCycle;
  readonly limits: SplitLimits;
  readonly log: Log;
  readonly nowMs: () => number;
}

export class RangeSplitter {
  readonly #options: RangeSplitterOptions;
  readonly #hinter: SplitHinter;
  #isSplitting = false;

  constructor(options: RangeSplitterOptions) {
    this.#options = options;
    this.#hinter = new SplitHinter(options.limits);
    options.groups.addListener({
      loaded: (load) => this.#note(load),
      closed: (id) => this.#hinter.forget(id),
    });
  }

  #note(load: RangeLoad): void {
    const hint = this.#hinter.note(load, this.#options.nowMs());
    if (hint === null || this.#isSplitting || !this.#options.groups.isServing) return;
    this.#isSplitting = true;
    void this.#split(hint).then((wasCut) => {
      this.#isSplitting = false;
      this.#hinter.tried(hint.id, wasCut, this.#options.nowMs());
    });
  }

  async #split({ id, reason }: SplitHint): Promise<boolean> {
    const { lifeCycle, log } = this.#options;
    try {
      const right = await lifeCycle.split(id, null);
      log.info("range_split", { range: id, new_range: right.id, reason });
      return true;
    } catch (error) {
      if (!(error instanceof RangeChangeError)) throw error;
      log.warn("range_not_split", { range: id, reason, problem: error.message });
      return false;
    }
  }
}
