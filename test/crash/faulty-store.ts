/**
 * Preloaded into a broker (`--import`) by the crash test: puts a bad disk under its stores. Commits
 * are held back before they reach the log (a kill then loses what was not flushed, whereas the page
 * cache of a killed process loses nothing), their answers are held back, one stalls, one fails. So
 * whatever the broker says before a commit is flushed comes to light, and the broker itself needs
 * no back door. Where LMDB is behind a log in segments, it gets everything late too: a kill then
 * finds it older than the log.
 */

import { isMainThread } from "node:worker_threads";
import { Prng } from "../../src/shared/base/prng.ts";
import { LmdbEngine } from "../../src/workers/store/lmdb-engine.ts";
import { SegmentEngine } from "../../src/workers/store/segment-engine.ts";
import type { StoreEngine } from "../../src/workers/store/store-engine.ts";
import type { WriteBatch } from "../../src/workers/store/write-batch.ts";
import type { FaultyStore, StoreFaults } from "./faulty-store-plan.ts";

type Commit = (this: StoreEngine, batch: WriteBatch) => Promise<void>;

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function nothing(): void {}

/** As far as an engine looks at it. */
function copyOf(batch: WriteBatch): WriteBatch {
  const rows = Array.from({ length: batch.count }, (_none, at) => {
    return { table: batch.table(at), key: batch.key(at).slice(), value: batch.value(at)?.slice() };
  });
  const copy: Pick<WriteBatch, "count" | "table" | "key" | "value"> = {
    count: rows.length,
    table: (at) => rows[at]!.table,
    key: (at) => rows[at]!.key,
    value: (at) => rows[at]!.value ?? null,
  };
  return copy as WriteBatch;
}

/** Of an engine's class. */
interface Prototype {
  commit: Commit;
  close: (this: StoreEngine) => Promise<void>;
}

function spoil(prototype: Prototype, faults: StoreFaults): void {
  const prng = new Prng(faults.seed);
  const original = prototype.commit;
  let count = 0;
  let hasFailed = false;
  /** Commits are written in the order of their calls, and reported in it. */
  let turn: Promise<void> = Promise.resolve();
  let told: Promise<void> = Promise.resolve();

  prototype.commit = function (this: StoreEngine, given: WriteBatch) {
    const number = count++;
    const isLying = faults.isLying === true;
    // Who believes that it is done uses the batch again.
    const batch = isLying ? copyOf(given) : given;
    const isStalled = number === faults.stallAt;
    const lateMs = isStalled ? (faults.stallMs ?? 0) : prng.below(faults.writtenLateMs + 1);
    const toldLateMs = prng.below(faults.toldLateMs + 1);
    const late = sleep(lateMs);
    const written = turn.then(async () => {
      await late;
      if (number === faults.failAt) hasFailed = true;
      if (!hasFailed) return { flush: original.call(this, batch) };
      const isWritten = number === faults.failAt && faults.isFailureWritten === true;
      if (isWritten) await original.call(this, batch);
      throw new Error("injected: the commit failed");
    });
    turn = written.then(nothing, nothing);
    const before = told;
    const done = written.then(async ({ flush }) => {
      await flush;
      await sleep(toldLateMs);
      await before;
    });
    told = done;
    // Who asked for the commit hears of its failure there.
    told.catch(nothing);
    return isLying ? Promise.resolve() : done;
  };

  const { close } = prototype;
  prototype.close = async function (this: StoreEngine) {
    // It waits for commits under way, and cannot know of those that are held back here.
    await told.catch(nothing);
    await close.call(this);
  };
}

const text = process.env["RATATOSK_TEST_STORE_FAULTS"];
if (!isMainThread && text !== undefined) {
  const { log, faults } = JSON.parse(text) as FaultyStore;
  if (log === "segments") spoil(SegmentEngine.prototype, faults);
  const { seed, writtenLateMs } = faults;
  const late = { seed: seed + 1, writtenLateMs, toldLateMs: 0 };
  spoil(LmdbEngine.prototype, log === "segments" ? late : faults);
}
