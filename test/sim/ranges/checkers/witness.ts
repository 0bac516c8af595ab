/**
 * Machines that have seen everything and never wrote, lost or read anything: what replicas must be
 * like, whatever happened to them.
 */

import type { RangeDescriptor } from "../../../../src/shared/range/range-descriptor.ts";
import { MapKeyValues } from "../../../helpers/map-key-values.ts";
import { MachineHost } from "../host/machine-host.ts";
import type { RangeImage } from "../host/range-image.ts";
import { FOUNDING_INDEX } from "../host/range-log.ts";
import { OutputTap } from "../node/output-tap.ts";
import { demand } from "../range-invariants.ts";
import type { RangeLedger } from "./range-ledger.ts";

const nothing = () => {};

/** Applies everything to ranges that begin as `founders`. */
export function witnessOf(founders: readonly RangeDescriptor[], ledger: RangeLedger): MachineHost {
  const empty = new MapKeyValues();
  const host = new MachineHost({
    outputs: new OutputTap().outputs,
    hotBytes: Number.MAX_SAFE_INTEGER,
    table: () => empty,
    isOwn: () => false,
    applying: nothing,
    moved: nothing,
    done: nothing,
    absorbs: (right, left, index) => ledger.isAbsorbed(right, left, index),
    store: (_ranges, _closed, durable) => durable(),
    opened: nothing,
    absorbed: nothing,
  });
  for (const descriptor of founders) {
    host.open({ descriptor, applied: FOUNDING_INDEX, appliedMs: 0 });
  }
  for (const { range, entry } of ledger.order) {
    const hosted = host.ranges.get(range);
    // Taken over: what its log still holds had no effect.
    if (hosted === undefined) continue;
    demand(
      host.apply(hosted, entry),
      "sameLog",
      () => `range ${range}: ${entry.index} waits for ever`,
    );
  }
  return host;
}

/** The machines that a process would begin with, brought to where their logs end. */
export function reopened(image: RangeImage): MachineHost {
  const host = new MachineHost({
    outputs: new OutputTap().outputs,
    hotBytes: 0,
    table: (service) => image.table(service),
    isOwn: () => false,
    applying: nothing,
    moved: nothing,
    done: nothing,
    absorbs: () => true,
    store: nothing,
    opened: nothing,
    absorbed: nothing,
  });
  for (const record of image.records.values()) {
    const hosted = host.open(record);
    const log = image.logs.get(hosted.id)!;
    for (;;) {
      const entry = log.entry(hosted.applied + 1);
      if (entry === null || !host.apply(hosted, entry)) break;
    }
  }
  return host;
}
