/**
 * What one worker of a soak does to its store, as a broker's worker would under load: appends at a
 * given rate, two commits at a time; state ten times per second; trimming in slices; now and then a
 * snapshot. One entry in a hundred has 64 KiB.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Prng } from "../../src/shared/base/prng.ts";
import { type Entry, EntryType } from "../../src/shared/raft/entry.ts";
import { ServiceId } from "../../src/shared/range/service-id.ts";
import type { LogStore, RangeRecord } from "../../src/workers/store/log-store.ts";
import { openLogStore } from "../../src/workers/store/open-log-store.ts";
import { removeUnfinished } from "../../src/workers/store/snapshot-folder.ts";
import { writeSnapshot } from "../../src/workers/store/snapshot-writer.ts";
import type { SoakMessage, WorkerTask } from "./soak-message.ts";

const RANGES_PER_WORKER = 4;
const SMALL_BYTES = 256;
const LARGE_BYTES = 64 * 1024;
const LARGE_SHARE = 0.01;
/** A burst after a stall is caught up in bites: one commit never carries more. */
const ENTRIES_PER_COMMIT = 2000;
const COLLECT_MS = 100;
const COLLECT_KEYS = 100;
const KEYS_PER_RANGE = 20_000;
/** Entries that stay in a range's log behind the applied one. */
const KEPT_ENTRIES = 2000;
const TRIM_SLICE = 1000;
const SNAPSHOT_MS = 4000;
const STATUS_MS = 250;

interface SoakRange {
  readonly id: number;
  last: number;
  durable: number;
  record: RangeRecord;
  /** A snapshot of it is being written: its state stands still. */
  isFrozen: boolean;
}

export class SoakWorker {
  readonly #task: WorkerTask;
  readonly #tell: (message: SoakMessage) => void;
  readonly #store: LogStore;
  readonly #snapshots: string;
  readonly #prng: Prng;
  readonly #ranges: SoakRange[] = [];
  readonly #small: Uint8Array;
  readonly #large: Uint8Array;
  #made = 0;
  #underWay = 0;
  #busySince = 0;
  #collectedAt = 0;
  // Since the last status.
  #appends = 0;
  #commitMicros: number[] = [];
  #committingMs = 0;
  #snapshotCount = 0;
  #flushMsTold = 0;

  constructor(task: WorkerTask, tell: (message: SoakMessage) => void) {
    this.#task = task;
    this.#tell = tell;
    const folder = join(task.folder, "store", String(task.worker));
    this.#snapshots = join(folder, "snapshots");
    const begin = performance.now();
    this.#store = openLogStore({ folder, durability: task.durability, log: task.log });
    this.#prng = new Prng(task.worker * 7919 + process.pid);
    this.#small = noise(SMALL_BYTES, this.#prng);
    this.#large = noise(LARGE_BYTES, this.#prng);
    this.#tellOpened(performance.now() - begin);
    for (let at = 1; at <= RANGES_PER_WORKER; at++) this.#addRange(task.worker * 100 + at);
  }

  async run(): Promise<never> {
    await removeUnfinished(this.#snapshots);
    setInterval(() => this.#tellStatus(), STATUS_MS);
    void this.#writeSnapshots();
    const begin = performance.now();
    const perMs = this.#task.appendsPerSecond / this.#task.workers / 1000;
    for (;;) {
      const due = Math.floor((performance.now() - begin) * perMs) - this.#made;
      if (due > 0 && this.#underWay < 2) this.#cycle(Math.min(due, ENTRIES_PER_COMMIT));
      await sleep(1);
    }
  }

  #cycle(count: number): void {
    const share = Math.ceil(count / this.#ranges.length);
    for (const range of this.#ranges) this.#append(range, share);
    this.#made += share * this.#ranges.length;
    const now = performance.now();
    if (now - this.#collectedAt > COLLECT_MS) {
      this.#collectedAt = now;
      for (const range of this.#ranges) if (!range.isFrozen) this.#collect(range);
    }
    void this.#commit(share);
  }

  async #commit(share: number): Promise<void> {
    const begin = performance.now();
    const lasts = this.#ranges.map(({ last }) => last);
    if (this.#underWay === 0) this.#busySince = begin;
    this.#underWay += 1;
    await this.#store.commit();
    this.#underWay -= 1;
    const end = performance.now();
    if (this.#underWay === 0) this.#committingMs += end - this.#busySince;
    this.#commitMicros.push(Math.round((end - begin) * 1000));
    this.#appends += share * this.#ranges.length;
    for (const [at, range] of this.#ranges.entries()) range.durable = lasts[at]!;
  }

  #append(range: SoakRange, count: number): void {
    const entries: Entry[] = [];
    for (let at = 0; at < count; at++) {
      const isLarge = this.#prng.below(1 / LARGE_SHARE) === 0;
      range.last += 1;
      const data = isLarge ? this.#large : this.#small;
      entries.push({ index: range.last, term: 1, type: EntryType.NORMAL, data });
    }
    this.#store.append(range.id, entries);
  }

  /** State changes, the applied index, and a slice of trimming. */
  #collect(range: SoakRange): void {
    const state = this.#store.state(ServiceId.INBOX);
    for (let at = 0; at < COLLECT_KEYS; at++) {
      const key = new Uint8Array(8);
      const view = new DataView(key.buffer);
      view.setUint32(0, range.id);
      view.setUint32(4, this.#prng.below(KEYS_PER_RANGE));
      if (this.#prng.below(3) === 0) state.delete(key);
      else state.put(key, this.#small);
    }
    const applied = range.durable;
    const compactedIndex = Math.max(range.record.compactedIndex, applied - KEPT_ENTRIES);
    range.record = {
      ...range.record,
      hardState: { ...range.record.hardState, commit: applied },
      compactedIndex,
      compactedTerm: compactedIndex > 0 ? 1 : 0,
      appliedIndex: applied,
    };
    this.#store.putRecord(range.record);
    this.#store.trim(range.id, compactedIndex, TRIM_SLICE);
  }

  async #writeSnapshots(): Promise<never> {
    for (let at = 0; ; at++) {
      await sleep(SNAPSHOT_MS);
      const range = this.#ranges[at % this.#ranges.length]!;
      range.isFrozen = true;
      // What was collected before is on its way: the record it carries must be the stored one.
      while (this.#underWay > 0) await sleep(1);
      const outcome = await writeSnapshot(this.#store, range.id, this.#snapshots);
      range.isFrozen = false;
      if (!outcome.isWritten) throw new Error(`range ${range.id} moved although it was frozen`);
      this.#snapshotCount += 1;
    }
  }

  #addRange(id: number): void {
    const found = this.#store.opened.find((opened) => opened.id === id);
    const last = found?.lastIndex ?? 0;
    const record = found?.record ?? newRecord(id, this.#task.worker);
    if (found === undefined) this.#store.putRecord(record);
    this.#ranges.push({ id, last, durable: last, record, isFrozen: false });
  }

  #tellOpened(openMs: number): void {
    const { worker } = this.#task;
    const ranges = this.#store.opened.map(({ id, lastIndex, damage }) => ({
      id,
      lastIndex,
      damage,
    }));
    this.#tell({ kind: "opened", opened: { worker, openMs, ranges } });
  }

  #tellStatus(): void {
    const { flushMs, fileBytes, liveBytes } = this.#store.usage();
    this.#tell({
      kind: "status",
      status: {
        worker: this.#task.worker,
        durable: this.#ranges.map(({ id, durable }) => [id, durable]),
        appends: this.#appends,
        commitMicros: this.#commitMicros,
        committingMs: this.#committingMs,
        flushMs: flushMs - this.#flushMsTold,
        snapshots: this.#snapshotCount,
        fileBytes,
        liveBytes,
      },
    });
    this.#appends = 0;
    this.#commitMicros = [];
    this.#committingMs = 0;
    this.#snapshotCount = 0;
    this.#flushMsTold = flushMs;
  }
}

function noise(size: number, prng: Prng): Uint8Array {
  return Uint8Array.from({ length: size }, () => prng.below(256));
}

function newRecord(id: number, storeId: number): RangeRecord {
  const key = (value: number) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return bytes;
  };
  return {
    descriptor: {
      id,
      service: ServiceId.INBOX,
      start: key(id),
      end: key(id + 1),
      boundaryVersion: 1,
      storeId,
      mergingInto: 0,
      absorbedId: 0,
    },
    replicaId: 1,
    hardState: { term: 1, vote: 1, commit: 0, epoch: 0, epochIndex: 0 },
    conf: { voters: [1], outgoing: [], learners: [], learnersNext: [], autoLeave: false },
    compactedIndex: 0,
    compactedTerm: 0,
    appliedIndex: 0,
    appliedMs: 0,
  };
}
