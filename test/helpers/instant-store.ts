/**
 * A LogStore in memory whose commits are durable, and reported, before `commit` returns: with it
 * ranges run inside `run` of a rig that knows no promises. An InstantDisk outlives its stores: a
 * worker that dies loses what it had gathered.
 *
 * Only for tests of what lies above ranges; what real commits do to ranges is tested with RangeRig.
 */

import type { Entry } from "../../src/shared/raft/entry.ts";
import { entryBytes } from "../../src/shared/raft/entry.ts";
import type { KeyValue, KeyValueWriter } from "../../src/shared/range/key-value.ts";
import type { RangeId } from "../../src/shared/range/range-descriptor.ts";
import type { ServiceId } from "../../src/shared/range/service-id.ts";
import type { LogStore, OpenedRange, RangeRecord } from "../../src/workers/store/log-store.ts";
import { MemoryTable } from "../../src/workers/store/memory-table.ts";
import { type PageLimits, rowPage } from "../../src/workers/store/row-page.ts";
import type { StoreUsage } from "../../src/workers/store/store-engine.ts";

/** Calls back before `then` returns. */
const DURABLE = {
  // biome-ignore lint/suspicious/noThenProperty: that it is called at once is what this file is for
  then(resolved: () => void): unknown {
    resolved();
    return DURABLE;
  },
} as unknown as Promise<void>;

export class InstantDisk {
  readonly records = new Map<RangeId, RangeRecord>();
  readonly logs = new Map<RangeId, Entry[]>();
  readonly #states = new Map<ServiceId, MemoryTable>();

  state(service: ServiceId): MemoryTable {
    let table = this.#states.get(service);
    if (table === undefined) {
      table = new MemoryTable();
      this.#states.set(service, table);
    }
    return table;
  }
}

export class InstantStore implements LogStore {
  readonly damage = null;
  readonly opened: readonly OpenedRange[];
  readonly gatheredBytes = 0;
  readonly #disk: InstantDisk;
  #gathered: (() => void)[] = [];

  constructor(disk: InstantDisk) {
    this.#disk = disk;
    this.opened = [...disk.records.values()]
      .map((record) => openedRange(record, disk.logs.get(record.descriptor.id) ?? []))
      .sort((left, right) => left.id - right.id);
  }

  upgrade(): Promise<void> {
    return DURABLE;
  }

  noteDamage(): never {
    throw new Error("what lies in memory is never damaged");
  }

  noteFailure(): void {}

  seeState(): never {
    throw new Error("what lies in memory is never damaged");
  }

  noteRenewal(): never {
    throw new Error("what lies in memory is never damaged");
  }

  setAside(): never {
    throw new Error("what lies in memory is never damaged");
  }

  clearDamaged(): never {
    throw new Error("what lies in memory is never damaged");
  }

  forgetDamage(): never {
    throw new Error("what lies in memory is never damaged");
  }

  putRecord(record: RangeRecord): void {
    const { id } = record.descriptor;
    this.#gathered.push(() => {
      this.#disk.records.set(id, record);
      if (!this.#disk.logs.has(id)) this.#disk.logs.set(id, []);
    });
  }

  append(id: RangeId, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    this.truncate(id, first.index);
    this.#gathered.push(() => this.#disk.logs.get(id)?.push(...entries));
  }

  truncate(id: RangeId, fromIndex: number): void {
    this.#keep(id, (entry) => entry.index < fromIndex);
  }

  trim(id: RangeId, throughIndex: number): void {
    this.#keep(id, (entry) => entry.index > throughIndex);
  }

  state(service: ServiceId): KeyValueWriter {
    const set = (key: Uint8Array, value: Uint8Array | null) => {
      const owned = { key: key.slice(), value: value?.slice() ?? null };
      this.#gathered.push(() => this.#disk.state(service).set(owned.key, owned.value));
    };
    return { put: set, delete: (key) => set(key, null) };
  }

  forget(id: RangeId): void {
    this.#gathered.push(() => {
      this.#disk.records.delete(id);
      this.#disk.logs.delete(id);
    });
  }

  commit(): Promise<void> {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const write of gathered) write();
    return DURABLE;
  }

  beginInstall(record: RangeRecord): void {
    this.putRecord(record);
  }

  endInstall(record: RangeRecord): void {
    this.putRecord(record);
  }

  readEntries(id: RangeId, low: number, high: number, maxBytes: number): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#disk.logs.get(id) ?? []) {
      if (entry.index < low || entry.index >= high) continue;
      bytes += entryBytes(entry);
      if (bytes > maxBytes && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  readRecord(id: RangeId): RangeRecord | null {
    return this.#disk.records.get(id) ?? null;
  }

  get(service: ServiceId, key: Uint8Array): Uint8Array | null {
    return this.#disk.state(service).get(key)?.slice() ?? null;
  }

  scan(
    service: ServiceId,
    start: Uint8Array,
    end: Uint8Array | null,
    limits: PageLimits,
  ): readonly KeyValue[] {
    const rows = this.#disk.state(service);
    return rowPage(
      limits,
      (visit) => rows.visit({ start, end }, visit),
      (key, value) => ({ key: key.slice(), value: value.slice() }),
    );
  }

  usage(): StoreUsage {
    return { fileBytes: 0, liveBytes: 0, flushMs: 0 };
  }

  async close(): Promise<void> {}

  #keep(id: RangeId, isKept: (entry: Entry) => boolean): void {
    this.#gathered.push(() => {
      const { logs } = this.#disk;
      logs.set(id, (logs.get(id) ?? []).filter(isKept));
    });
  }
}

function openedRange(record: RangeRecord, log: readonly Entry[]): OpenedRange {
  const termRuns: { firstIndex: number; term: number }[] = [];
  for (const { index, term } of log) {
    if (termRuns.at(-1)?.term !== term) termRuns.push({ firstIndex: index, term });
  }
  const lastIndex = log.at(-1)?.index ?? record.compactedIndex;
  const { id } = record.descriptor;
  return { id, record, lastIndex, termRuns, installing: null, damage: null };
}
