/** What there is to say of every range, for operators. Thread: main. */

import { NO_RANGE, type RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import { storeThread } from "../../shared/range/store-placement.ts";
import type { RangeGroup } from "./range-group.ts";
import type { RangeGroups } from "./range-groups.ts";

/** In the form of the API's answers. */
export interface RangeListing {
  readonly id: number;
  /** Null: the range's record cannot be read. */
  readonly service: string | null;
  /** Hexadecimal; empty: from the beginning. */
  readonly start: string | null;
  /** Hexadecimal; null: to the end. */
  readonly end: string | null;
  readonly boundary_version: number | null;
  readonly store: number;
  readonly worker: number;
  /** "opening": its log is not applied yet; "merging": its left neighbour is taking it over. */
  readonly state: "serving" | "opening" | "merging" | "damaged";
  readonly damage: string | null;
  readonly keys: number | null;
  readonly state_bytes: number | null;
  readonly log_entries: number | null;
  readonly applied: number | null;
  readonly term: number | null;
}

const SERVICE_NAMES: ReadonlyMap<ServiceId, string> = new Map([
  [ServiceId.DIST, "dist"],
  [ServiceId.INBOX, "inbox"],
  [ServiceId.RETAIN, "retain"],
]);

/** By service and key, ranges without a readable record last. */
export function listRanges(groups: RangeGroups): RangeListing[] {
  const open = [...groups.groups.values()].map((group) => ({
    descriptor: group.descriptor,
    listing: listGroup(group),
  }));
  const damaged = [...groups.damaged.values()].map(({ id, storeId, descriptor, how }) => ({
    descriptor,
    listing: {
      id,
      ...bounds(descriptor),
      store: storeId,
      worker: storeThread(storeId, groups.workerCount),
      state: "damaged" as const,
      damage: how,
      keys: null,
      state_bytes: null,
      log_entries: null,
      applied: null,
      term: null,
    },
  }));
  return [...open, ...damaged]
    .sort((left, right) => compare(left.descriptor, right.descriptor))
    .map(({ listing }) => listing);
}

function listGroup(group: RangeGroup): RangeListing {
  const { descriptor, load, isServing } = group;
  const isMerging = descriptor.mergingInto !== NO_RANGE;
  return {
    id: group.id,
    ...bounds(descriptor),
    store: descriptor.storeId,
    worker: group.thread,
    state: isMerging ? "merging" : isServing ? "serving" : "opening",
    damage: null,
    keys: load?.keys ?? null,
    state_bytes: load?.stateBytes ?? null,
    log_entries: load?.logEntries ?? null,
    applied: group.applied,
    term: group.term,
  };
}

function bounds(
  descriptor: RangeDescriptor | null,
): Pick<RangeListing, "service" | "start" | "end" | "boundary_version"> {
  if (descriptor === null) {
    return { service: null, start: null, end: null, boundary_version: null };
  }
  const { service, start, end, boundaryVersion } = descriptor;
  return {
    service: SERVICE_NAMES.get(service) ?? null,
    start: hex(start),
    end: end === null ? null : hex(end),
    boundary_version: boundaryVersion,
  };
}

function hex(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}

function compare(left: RangeDescriptor | null, right: RangeDescriptor | null): number {
  if (left === null || right === null) return Number(left === null) - Number(right === null);
  return left.service - right.service || Buffer.compare(left.start, right.start);
}
