/**
 * A disk that fails on command, under a memory engine: for tests of everything that must survive a
 * crash. Commits wait on it until they are let through, so a test decides what was durable when.
 */

import assert from "node:assert/strict";
import { EngineLogStore } from "../../../src/workers/store/engine-log-store.ts";
import type { LogStore } from "../../../src/workers/store/log-store.ts";
import {
  MemoryDisk,
  MemoryEngine,
  type MemoryWrite,
} from "../../../src/workers/store/memory-engine.ts";

interface Pending {
  readonly writes: readonly MemoryWrite[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class FaultyDisk {
  readonly disk = new MemoryDisk();
  #pending: Pending[] = [];
  #isStalled = false;
  #failures = 0;
  /** Stores opened before the last crash write nowhere. */
  #life = 0;

  open(): LogStore {
    const life = this.#life;
    const flush = (writes: readonly MemoryWrite[]) => this.#flush(life, writes);
    return new EngineLogStore(new MemoryEngine(this.disk, flush));
  }

  /** Commits under way that have not become durable. */
  get pendingCommits(): number {
    return this.#pending.length;
  }

  /** From now on commits wait. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Lets everything through that waits, and all that follows. */
  resume(): void {
    this.#isStalled = false;
    for (const { resolve } of this.#pending.splice(0)) resolve();
  }

  /** The next commit fails; what it held is not there, and its store is not to be used again. */
  failNext(): void {
    this.#failures += 1;
  }

  /**
   * The process dies. Of the commits under way the first `kept` reached the disk, each of them
   * whole, without anybody having heard of it; the others are lost. Nothing that the old store does
   * from now on has any effect.
   */
  crash(kept = 0): void {
    assert.ok(kept <= this.#pending.length, "no more commits can survive than are under way");
    for (const { writes } of this.#pending.slice(0, kept)) this.disk.apply(writes);
    this.#pending = [];
    this.#isStalled = false;
    this.#failures = 0;
    this.#life += 1;
  }

  #flush(life: number, writes: readonly MemoryWrite[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (life !== this.#life) return;
      if (this.#failures > 0) {
        this.#failures -= 1;
        reject(new Error("injected: the commit failed"));
      } else if (this.#isStalled) this.#pending.push({ writes, resolve, reject });
      else resolve();
    });
  }
}
