/**
 * A node gets a range as a whole, because the entries that it lacks are gone. What it has of the
 * range, and of those that the range has taken over since, gives way in the same commit.
 *
 * A range may only come where no other one of the node is: who has not seen a cut yet has the new
 * half under its old neighbour, and must get that first.
 */

import type { Snapshot } from "../../../../src/shared/raft/snapshot.ts";
import {
  compareKeys,
  holdsKey,
  type RangeDescriptor,
} from "../../../../src/shared/range/range-descriptor.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import type { RangeImage, StoreCommit } from "../host/range-image.ts";
import { decodeSnapshot } from "../host/range-snapshot.ts";
import type { RangeWorld } from "../range-world.ts";
import type { RangeNode } from "./range-node.ts";
import { type RangeProcess, retireMachine } from "./range-process.ts";
import type { RangeSeat } from "./range-seat.ts";

export class SnapshotIntake {
  readonly #world: RangeWorld;
  readonly #image: RangeImage;

  constructor(world: RangeWorld, image: RangeImage) {
    this.#world = world;
    this.#image = image;
  }

  /** May a range of which there is nothing here take part? It lives, and its place is free. */
  isWelcome({ host }: RangeProcess, descriptor: RangeDescriptor): boolean {
    const { id, service, start } = descriptor;
    if (this.#world.ledger.isGone(id)) return false;
    for (const { descriptor: other } of host.ranges.values()) {
      if (other.service === service && holdsKey(other, start)) return false;
    }
    return true;
  }

  mayInstall(process: RangeProcess, seat: RangeSeat, snapshot: Snapshot): boolean {
    if (seat.hosted.isBlocked) return false;
    const { descriptor } = decodeSnapshot(snapshot);
    const gone = this.#takenOver(process, seat, snapshot);
    for (const other of occupants(process)) {
      const isOther = other.id !== descriptor.id && !gone.includes(other);
      if (isOther && areOverlapping(other.descriptor, descriptor)) return false;
    }
    return true;
  }

  /**
   * Adds to the commit that writes the log what the range was, and takes it over when that is done.
   */
  install(
    commit: StoreCommit,
    process: RangeProcess,
    seat: RangeSeat,
    snapshot: Snapshot,
    node: RangeNode,
  ): void {
    const { gateway } = this.#world;
    const arriving = decodeSnapshot(snapshot);
    const { host, seats } = process;
    for (const gone of this.#takenOver(process, seat, snapshot)) {
      if (gone.isLive) gateway.reignEnded(gone.id, node);
      retireMachine(process, gone);
      seats.delete(gone.id);
      host.ranges.delete(gone.id);
      commit.closed.push(gone.id);
    }
    commit.installs.push(arriving);
    retireMachine(process, seat.hosted);
    seat.hosted.isBlocked = true;
    seat.hosted.setDescriptor(arriving.descriptor);
    this.#world.installCount += 1;
    commit.done.push(() => {
      seat.hosted = host.open(this.#image.records.get(arriving.descriptor.id)!);
      seat.isStale = false;
    });
  }

  /** Ranges of this node that the arriving one has taken over elsewhere. */
  #takenOver({ host }: RangeProcess, seat: RangeSeat, { index }: Snapshot): HostedMachine[] {
    const { ledger } = this.#world;
    return [...host.ranges.values()].filter(({ id }) => ledger.isWithin(id, seat.hosted.id, index));
  }
}

/** All that have a place: also those that are about to be there. */
function occupants({ host, seats }: RangeProcess): Set<HostedMachine> {
  const arriving = [...seats.values()].filter(({ hosted }) => hosted.isBlocked);
  return new Set([...host.ranges.values(), ...arriving.map(({ hosted }) => hosted)]);
}

function areOverlapping(left: RangeDescriptor, right: RangeDescriptor): boolean {
  if (left.service !== right.service) return false;
  const isBehind = (one: RangeDescriptor, { end }: RangeDescriptor) =>
    end !== null && compareKeys(one.start, end) >= 0;
  return !isBehind(left, right) && !isBehind(right, left);
}
