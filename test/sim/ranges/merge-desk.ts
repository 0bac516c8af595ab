/**
 * Carries merges through that were begun, or gives them up.
 *
 *   right  --- SEAL ---------------------------------------- (UNSEAL)
 *   left            all nodes have the seal:  --- ABSORB --- or a new version, then UNSEAL
 *
 * One node applies ABSORB and UNSEAL in the order in which it comes to them. Several would not all
 * come to them in the same one, as they are in two logs, so only one of them may ever take effect:
 *
 *   - ABSORB is proposed when the right-hand range is sealed on the disks of all nodes. Whoever
 *     applies it has everything that the range ever was, however late that is.
 *   - ABSORB is bound to the version of the left range. Who gives up lets that become another one,
 *     sees whether the merge took place before, and only then opens the right-hand range.
 */

import { BatchKind } from "../../../src/shared/range/command-batch.ts";
import { writeAbsorb } from "../../../src/shared/range/range-change.ts";
import { compareKeys, NO_RANGE, type RangeId } from "../../../src/shared/range/range-descriptor.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import type { Reign } from "./gateway/gateway.ts";
import type { RangeWorld } from "./range-world.ts";

export class MergeDesk {
  readonly #world: RangeWorld;
  readonly #random: SimRandom;
  /** By sealed range and version: that of the left range when the merge was given up. */
  readonly #givenUp = new Map<string, number>();
  mergeCount = 0;
  giveUpCount = 0;

  constructor(world: RangeWorld, random: SimRandom) {
    this.#world = world;
    this.#random = random;
  }

  carryOn(giveUpShare: number): void {
    const reigns = [...this.#world.gateway.reigns()];
    for (const right of reigns) {
      const { mergingInto } = right.hosted.descriptor;
      if (mergingInto === NO_RANGE) continue;
      const left = reigns.find(({ hosted }) => hosted.id === mergingInto) ?? null;
      const isGivenUp = this.#random.chance(giveUpShare);
      if (this.#world.nodes.length === 1) this.#carryOnAlone(left, right, isGivenUp);
      else this.#carryOnTogether(left, right, isGivenUp);
    }
  }

  #carryOnAlone(left: Reign | null, right: Reign, isGivenUp: boolean): void {
    if (left === null || !areNeighbours(left, right) || isGivenUp) this.#unseal(right);
    else this.#absorb(left, right);
  }

  #carryOnTogether(left: Reign | null, right: Reign, isGivenUp: boolean): void {
    const { id, boundaryVersion, mergingInto } = right.hosted.descriptor;
    const attempt = `${id}#${boundaryVersion}`;
    const versionThen = this.#givenUp.get(attempt);
    if (left === null) {
      // Taken over itself, and all had applied its log to the end before.
      if (this.#world.ledger.isGone(mergingInto)) this.#unseal(right);
      return;
    }
    const version = left.hosted.descriptor.boundaryVersion;
    if (versionThen === undefined) {
      if (areNeighbours(left, right) && !isGivenUp) {
        const isReady = !isSealed(left) && this.#isSealedEverywhere(id, boundaryVersion);
        if (isReady) this.#absorb(left, right);
        return;
      }
      this.#givenUp.set(attempt, version);
      this.giveUpCount += 1;
    }
    // What a range is told while it is sealed has no effect, nor later, under another version.
    if (isSealed(left) || version > (versionThen ?? version)) {
      if (left.node.host!.ranges.has(id)) this.#unseal(right);
    } else {
      // Of an open range this changes the version, and nothing else.
      this.#unseal(left);
    }
  }

  #isSealedEverywhere(id: RangeId, version: number): boolean {
    return this.#world.nodes.every(
      ({ image }) => image.records.get(id)?.descriptor.boundaryVersion === version,
    );
  }

  #absorb(left: Reign, right: Reign): void {
    const { id: rightId, boundaryVersion: rightVersion } = right.hosted.descriptor;
    this.mergeCount += 1;
    this.#world.gateway.change(left, BatchKind.ABSORB, (writer) => {
      writeAbsorb(writer, { rightId, rightVersion });
    });
  }

  #unseal(reign: Reign): void {
    this.#world.gateway.change(reign, BatchKind.UNSEAL, () => {});
  }
}

function isSealed({ hosted }: Reign): boolean {
  return hosted.descriptor.mergingInto !== NO_RANGE;
}

export function areNeighbours(left: Reign, right: Reign): boolean {
  const { service, end } = left.hosted.descriptor;
  const { descriptor } = right.hosted;
  return descriptor.service === service && end !== null && compareKeys(end, descriptor.start) === 0;
}
