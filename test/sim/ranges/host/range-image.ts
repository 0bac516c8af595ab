/**
 * One node's disk: the state of each service, a record and a log per range. What lies here survives
 * every crash, nothing else of a node does. A commit is one transaction, as in LMDB: all of it is
 * there or nothing.
 */

import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
import type { KeyValueWriter } from "../../../../src/shared/range/key-value.ts";
import type { RangeDescriptor, RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { MapKeyValues } from "../../../helpers/map-key-values.ts";
import type { DiskImage, DiskOperation } from "../../kernel/sim-disk.ts";
import { RangeLog } from "./range-log.ts";

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
  readonly closed: RangeId[] = [];
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

  write({ appends, writes, records, closed }: StoreCommit): void {
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
      this.records.set(id, record);
      if (!this.logs.has(id)) this.logs.set(id, new RangeLog());
    }
    for (const id of closed) {
      this.records.delete(id);
      this.logs.delete(id);
    }
    for (const { range, append } of appends) this.logs.get(range)?.write(append);
  }
}
