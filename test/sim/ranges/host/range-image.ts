/**
 * One node's disk: the state of each service, a record and a log per range. What lies here survives
 * every crash, nothing else of a node does. A commit is one transaction, as in LMDB: all of it is
 * there or nothing.
 */

import type { ConfState } from "../../../../src/shared/raft/conf-state.ts";
import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../../../src/shared/raft/snapshot.ts";
import type { KeyValueWriter } from "../../../../src/shared/range/key-value.ts";
import type { RangeDescriptor, RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { MapKeyValues } from "../../../helpers/map-key-values.ts";
import type { DiskImage, DiskOperation } from "../../kernel/sim-disk.ts";
import { RangeLog } from "./range-log.ts";
import { encodeSnapshot, type RangeSnapshot, rowsWithin } from "./range-snapshot.ts";

/** What the store has of a range beside state and log: the state is that after `applied`. */
export interface StoredRange {
  readonly descriptor: RangeDescriptor;
  readonly applied: number;
  readonly appliedMs: number;
}

interface StateWrite {
  readonly service: ServiceId;
  readonly key: Uint8Array;
  /** Null: the key is deleted. */
  readonly value: Uint8Array | null;
}

export class StoreCommit implements DiskOperation {
  readonly partCount = 1;
  readonly appends: { readonly range: RangeId; readonly append: StorageAppend }[] = [];
  readonly writes: StateWrite[] = [];
  readonly records: StoredRange[] = [];
  /** Ranges as other disks have them; what is here within their bounds goes. */
  readonly installs: RangeSnapshot[] = [];
  readonly closed: RangeId[] = [];
  /** Up to where logs are cut at their front. */
  readonly compactions: { readonly range: RangeId; readonly index: number }[] = [];
  /** Called when it is durable, unless the process has died meanwhile. */
  readonly done: (() => void)[] = [];

  /** Writes into the state of a service. */
  writer(service: ServiceId): KeyValueWriter {
    return {
      put: (key, value) => this.writes.push({ service, key: key.slice(), value: value.slice() }),
      delete: (key) => this.writes.push({ service, key: key.slice(), value: null }),
    };
  }
}

export class RangeImage implements DiskImage<StoreCommit> {
  readonly #tables = new Map(
    Object.values(ServiceId).map((service) => [service, new MapKeyValues()] as const),
  );
  readonly records = new Map<RangeId, StoredRange>();
  readonly logs = new Map<RangeId, RangeLog>();

  table(service: ServiceId): MapKeyValues {
    return this.#tables.get(service)!;
  }

  write(commit: StoreCommit): void {
    const { appends, writes, records, installs, closed, compactions } = commit;
    for (const install of installs) this.#install(install, closed);
    for (const { service, key, value } of writes) {
      const { writer } = this.table(service);
      if (value === null) writer.delete(key);
      else writer.put(key, value);
    }
    for (const service of new Set(writes.map((write) => write.service))) {
      this.table(service).commit();
    }
    for (const record of records) {
      const { id } = record.descriptor;
      if (!this.records.has(id)) this.log(id).found();
      this.records.set(id, record);
    }
    for (const id of closed) {
      this.records.delete(id);
      this.logs.delete(id);
    }
    for (const { range, append } of appends) this.logs.get(range)?.write(append);
    for (const { range, index } of compactions) this.logs.get(range)?.compact(index);
  }

  /** Of a range, also of one that this disk has nothing else of yet. */
  log(id: RangeId): RangeLog {
    const known = this.logs.get(id);
    if (known !== undefined) return known;
    const log = new RangeLog();
    this.logs.set(id, log);
    return log;
  }

  /** The range as it is here; null while there is nothing of it. */
  snapshotOf(id: RangeId, conf: ConfState): Snapshot | null {
    const record = this.records.get(id);
    const log = this.logs.get(id);
    if (record === undefined || log === undefined) return null;
    const { descriptor, applied: index } = record;
    const rows = rowsWithin(this.table(descriptor.service), descriptor);
    return { index, term: log.term(index), conf, data: encodeSnapshot({ ...record, rows }) };
  }

  /** In place of the range as it was here, and of those that it has taken over since. */
  #install({ rows, ...record }: RangeSnapshot, closed: readonly RangeId[]): void {
    const { id, service } = record.descriptor;
    const table = this.table(service);
    const gone = [id, ...closed].flatMap((range) => this.records.get(range)?.descriptor ?? []);
    for (const bounds of [record.descriptor, ...gone]) {
      for (const { key } of rowsWithin(table, bounds)) table.writer.delete(key);
    }
    for (const { key, value } of rows) table.writer.put(key, value);
    table.commit();
    this.records.set(id, record);
  }
}
