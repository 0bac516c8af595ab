import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_CONF } from "../../../../src/shared/raft/conf-state.ts";
import type { RangeDescriptor } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import { RangeImage } from "../host/range-image.ts";
import { encodeSnapshot } from "../host/range-snapshot.ts";
import type { RangeWorld } from "../range-world.ts";
import type { RangeProcess } from "./range-process.ts";
import type { RangeSeat } from "./range-seat.ts";
import { SnapshotIntake } from "./snapshot-intake.ts";

const INDEX = 9;

function rangeOf(id: number, start: number, end: number | null): RangeDescriptor {
  const bounds = { start: Uint8Array.of(start), end: end === null ? null : Uint8Array.of(end) };
  const service = ServiceId.INBOX;
  return { id, service, ...bounds, boundaryVersion: 1, storeId: 1, mergingInto: 0, absorbedId: 0 };
}

function seatOf(descriptor: RangeDescriptor, isBlocked = false): RangeSeat {
  return { hosted: { id: descriptor.id, descriptor, isBlocked } } as RangeSeat;
}

/** A node with these ranges; `gone`: those that others have taken over, by them. */
function nodeWith(ranges: readonly RangeDescriptor[], gone: ReadonlyMap<number, number>) {
  const hosted = ranges.map((descriptor) => ({ id: descriptor.id, descriptor }) as HostedMachine);
  const host = { ranges: new Map(hosted.map((range) => [range.id, range])) };
  const process = { host, seats: new Map<number, RangeSeat>() } as unknown as RangeProcess;
  const ledger = {
    isGone: (id: number) => gone.has(id),
    isWithin: (right: number, left: number) => gone.get(right) === left,
  };
  const world = { ledger } as unknown as RangeWorld;
  return { process, intake: new SnapshotIntake(world, new RangeImage()) };
}

function snapshotOf(descriptor: RangeDescriptor) {
  const data = encodeSnapshot({ descriptor, applied: INDEX, appliedMs: 0, rows: [] });
  return { index: INDEX, term: 1, conf: EMPTY_CONF, data };
}

test("snapshot intake: a range comes only where no other one is, or is about to be", () => {
  const { process, intake } = nodeWith([rangeOf(1, 0, 8)], new Map());
  const mayCome = (start: number, end: number | null, id = 2) => {
    const descriptor = rangeOf(id, start, end);
    return intake.mayInstall(process, seatOf(descriptor), snapshotOf(descriptor));
  };
  assert.ok(mayCome(8, null) && mayCome(0, 8, 1), "beside it, and in its own place");
  assert.ok(!mayCome(4, null) && !mayCome(0, 4) && !mayCome(2, 4));
  process.seats.set(3, seatOf(rangeOf(3, 8, 12), true));
  assert.ok(!mayCome(8, null), "another one is on its way there");
  assert.ok(mayCome(12, null));
});

test("snapshot intake: a range takes the place of those that it has taken over", () => {
  const { process, intake } = nodeWith([rangeOf(1, 0, 8)], new Map([[1, 2]]));
  const whole = rangeOf(2, 0, null);
  assert.ok(intake.mayInstall(process, seatOf(whole), snapshotOf(whole)));
  const other = rangeOf(3, 0, null);
  assert.ok(!intake.mayInstall(process, seatOf(other), snapshotOf(other)));
});

test("snapshot intake: a node takes part in a range that lives, and whose place is free", () => {
  const { process, intake } = nodeWith([rangeOf(1, 0, 8)], new Map([[4, 1]]));
  assert.ok(intake.isWelcome(process, rangeOf(2, 8, null)));
  assert.ok(!intake.isWelcome(process, rangeOf(2, 4, 8)), "the cut has not been seen");
  assert.ok(!intake.isWelcome(process, rangeOf(4, 8, null)), "it is gone");
});
