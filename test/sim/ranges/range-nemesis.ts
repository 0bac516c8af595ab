/**
 * Brings trouble: crashes, partitions, leaders that change, ranges that are cut and merged, full
 * ways to the sessions. Crashed nodes come back; only partitions last until they are healed.
 */

import { bucketOfKey, cutBefore } from "../../../src/shared/inbox/range/inbox-key.ts";
import { BatchKind } from "../../../src/shared/range/command-batch.ts";
import { writeSeal, writeSplit } from "../../../src/shared/range/range-change.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { finish } from "../../helpers/steps.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { cut, TOPOLOGIES } from "../kernel/topology.ts";
import type { Reign } from "./gateway/gateway.ts";
import { areNeighbours, MergeDesk } from "./merge-desk.ts";
import type { RangeFault } from "./range-profile.ts";
import type { RangeWorld } from "./range-world.ts";

/** Every range costs every event a little. */
const MAX_RANGES = 10;
/** How often a merge that was begun is given up. */
const UNSEAL_SHARE = 0.15;

export class RangeNemesis {
  readonly #world: RangeWorld;
  readonly #random: SimRandom;
  readonly merges: MergeDesk;
  splitCount = 0;

  constructor(world: RangeWorld, random: SimRandom) {
    this.#world = world;
    this.#random = random;
    this.merges = new MergeDesk(world, random);
  }

  gapUs(): number {
    return this.#random.between(1000, this.#world.profile.faultGapMaxUs);
  }

  strike(): void {
    const { faults } = this.#world.profile;
    this.merges.carryOn(UNSEAL_SHARE);
    if (faults.length > 0) this.#commit(this.#random.pick(faults));
  }

  #commit(fault: RangeFault): void {
    const world = this.#world;
    const random = this.#random;
    switch (fault) {
      case "crash":
        world.crash(random.pick(world.nodes));
        return;
      case "crash-all":
        for (const node of world.nodes) world.crash(node);
        return;
      case "partition": {
        const nodes = world.nodes.map(({ position }) => position);
        cut(world.network, random, random.pick(TOPOLOGIES), { nodes, special: null });
        return;
      }
      case "heal":
        world.network.heal();
        return;
      case "transfer":
        this.#transfer();
        return;
      case "split":
        this.#split();
        return;
      case "merge":
        this.#merge();
        return;
      case "congest": {
        const node = random.pick(world.nodes);
        node.congest(true);
        world.desk.later(() => {
          node.congest(false);
          world.desk.later(() => node.resume());
        });
        return;
      }
    }
  }

  #transfer(): void {
    const reigns = [...this.#world.gateway.reigns()];
    if (reigns.length === 0) return;
    const { node, hosted } = this.#random.pick(reigns);
    const target = 1 + this.#random.below(this.#world.nodes.length);
    node.seat(hosted.id)?.core.transferLeadership(target);
  }

  #split(): void {
    const { gateway } = this.#world;
    const reigns = [...gateway.reigns()];
    if (reigns.length === 0 || reigns.length >= MAX_RANGES) return;
    const reign = this.#random.pick(reigns);
    const key = this.#cutOf(reign);
    if (key === null) return;
    const rightId = this.#world.nextRange();
    this.splitCount += 1;
    gateway.change(reign, BatchKind.SPLIT, (writer) => writeSplit(writer, { rightId, key }));
  }

  /** The middle, or right beside a session. */
  #cutOf({ hosted }: Reign): Uint8Array | null {
    const isInbox = hosted.descriptor.service === ServiceId.INBOX;
    if (!isInbox || this.#random.chance(0.5)) return finish(hosted.machine.planSplit(null));
    const { bucket } = this.#random.pick(this.#world.sessions);
    const first = bucketOfKey(cutBefore(bucket)) + this.#random.below(2);
    return first > 0 && first < 0x1000 ? cutBefore(first) : null;
  }

  #merge(): void {
    const { gateway } = this.#world;
    const reigns = [...gateway.reigns()];
    const pairs = reigns.flatMap((left) => {
      const right = reigns.find((other) => areNeighbours(left, other));
      return right === undefined ? [] : [{ left, right }];
    });
    if (pairs.length === 0) return;
    const { left, right } = this.#random.pick(pairs);
    gateway.change(right, BatchKind.SEAL, (writer) => writeSeal(writer, left.hosted.id));
  }
}
