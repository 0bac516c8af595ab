/**
 * Brings trouble: at random times one of the profile's faults. Every crash is followed by a
 * restart, every pause ends, slow disks recover; only partitions last until the nemesis heals them.
 */

import type { SimRandom } from "../kernel/sim-random.ts";
import { ASYMMETRIC, cut, TOPOLOGIES, type Topology } from "../kernel/topology.ts";
import { changeMembers } from "./member-change.ts";
import { type Fault, MILLISECOND, SECOND } from "./profile.ts";
import { SimEvent } from "./sim-event.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

const SLOW_DISK_US = 500 * MILLISECOND;
/** How often a partition singles out the leader rather than anybody. */
const LEADER_SHARE = 0.5;
/** How often a partition begins in a healed network rather than on top of the others. */
const HEAL_FIRST_SHARE = 0.7;

const LEADER_TOPOLOGIES: readonly Topology[] = ["isolate", "isolate", "deaf", "mute"];

export class Nemesis {
  readonly #world: World;
  readonly #random: SimRandom;

  constructor(world: World, random: SimRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** Time until the next fault. */
  gapUs(): number {
    return this.#random.between(20 * MILLISECOND, this.#world.profile.faultGapMaxUs);
  }

  strike(): void {
    this.#commit(this.#random.pick(this.#world.profile.faults));
  }

  #commit(fault: Fault): void {
    const world = this.#world;
    const random = this.#random;
    switch (fault) {
      case "partition":
        this.#partition();
        return;
      case "isolate-leader":
        this.#isolateLeader();
        return;
      case "heal":
        world.network.heal();
        return;
      case "crash":
        this.#crash(random.pick(world.nodes));
        return;
      case "crash-leader":
        this.#crash(world.leader() ?? random.pick(world.nodes));
        return;
      case "crash-all":
        for (const node of world.nodes) this.#crash(node);
        return;
      case "pause":
        this.#pause();
        return;
      case "slow-disk":
        this.#slowDisk(random.pick(world.nodes));
        return;
      case "transfer":
        world.leader()?.transferLeadership(random.pick(world.nodes).replica);
        return;
      case "change-members":
        changeMembers(world, random);
        return;
      case "forget-leader":
        random.pick(world.nodes).forgetLeader();
        return;
    }
  }

  #partition(): void {
    const { network, nodes, profile } = this.#world;
    const random = this.#random;
    if (random.chance(HEAL_FIRST_SHARE)) network.heal();
    const isAsymmetric = random.chance(profile.asymmetricShare);
    const topology = random.pick(isAsymmetric ? ASYMMETRIC : TOPOLOGIES);
    const leader = random.chance(LEADER_SHARE) ? this.#world.leader() : null;
    const special = leader?.position ?? null;
    cut(network, random, topology, { nodes: nodes.map(({ position }) => position), special });
  }

  /** Nothing else is cut: the others elect a new one while the old one does not know. */
  #isolateLeader(): void {
    const { network, nodes } = this.#world;
    const topology = this.#random.pick(LEADER_TOPOLOGIES);
    const leader = this.#world.leader();
    if (leader === null) return;
    network.heal();
    const positions = nodes.map(({ position }) => position);
    cut(network, this.#random, topology, { nodes: positions, special: leader.position });
  }

  #crash(node: SimNode): void {
    this.#world.crash(node);
  }

  #pause(): void {
    const { loop, profile } = this.#world;
    const leader = this.#random.chance(LEADER_SHARE) ? this.#world.leader() : null;
    const node = leader ?? this.#random.pick(this.#world.nodes);
    const lasts = this.#random.between(10 * MILLISECOND, profile.pauseMaxUs);
    loop.pause(node.position, loop.now + lasts);
  }

  #slowDisk(node: SimNode): void {
    const { loop, profile } = this.#world;
    node.disk.profile = { ...profile.disk, maximumUs: SLOW_DISK_US };
    const lasts = this.#random.below(SECOND);
    loop.afterForAny(lasts, SimEvent.DISK_RECOVERED, -1, node.position);
  }
}
