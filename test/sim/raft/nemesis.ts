/**
 * Brings trouble: at random times one of the profile's faults, some with a second one at their
 * heels. Every crash is followed by a restart, every pause ends, slow disks recover; only
 * partitions last until the nemesis heals them.
 */

import { isJoint } from "../../../src/shared/raft/conf-state.ts";
import { NO_NODE } from "../kernel/sim-loop.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { ASYMMETRIC, cut, separate, TOPOLOGIES, type Topology } from "../kernel/topology.ts";
import { changeMembers, replaceMembers } from "./member-change.ts";
import { type Fault, MILLISECOND, SECOND } from "./profile.ts";
import { SimEvent } from "./sim-event.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

const SLOW_DISK_US = 500 * MILLISECOND;
/** How often a partition singles out the leader rather than anybody. */
const LEADER_SHARE = 0.5;
/** How often a partition begins in a healed network rather than on top of the others. */
const HEAL_FIRST_SHARE = 0.7;
/** How often the old leader is cut off while its successor campaigns. */
const LOST_SHARE = 0.4;
/** Faults this close together meet the same messages under way. */
const HEELS_US = 15 * MILLISECOND;
/** Logs are equal then, and whoever can be heard can be elected. */
const LULL_MAX_US = 800 * MILLISECOND;
/** How long a replica goes without a leader before something else happens. */
const ESTRANGED_US = 500 * MILLISECOND;
/** One of several is more likely to come just before it is asked. */
const ESTRANGED_CRASHES = 2;
/** Fewer have no majority beside a leader and its one follower. */
const FLEETING_MIN_NODES = 5;

const LEADER_TOPOLOGIES: readonly Topology[] = ["isolate", "isolate", "deaf", "mute"];

/** What comes a moment after a fault, and for whom. */
export type FollowUp =
  | { readonly kind: "isolate"; readonly node: SimNode }
  | { readonly kind: "crash"; readonly node: SimNode }
  | { readonly kind: "split-joint" };

export class Nemesis {
  readonly #world: World;
  readonly #random: SimRandom;
  /** Who shall vote after the newest change that was asked for. */
  #incoming: readonly number[] = [];

  constructor(world: World, random: SimRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** Time until the next fault. */
  gapUs(): number {
    const { burstShare, faultGapMaxUs } = this.#world.profile;
    if (this.#random.chance(burstShare)) return this.#random.below(HEELS_US);
    return this.#random.between(20 * MILLISECOND, faultGapMaxUs);
  }

  strike(): void {
    const { faults, lullShare } = this.#world.profile;
    this.#commit(this.#random.pick(faults));
    if (this.#random.chance(lullShare)) this.#world.lull(this.#random.below(LULL_MAX_US));
  }

  follow(next: FollowUp): void {
    if (next.kind === "isolate") this.#isolate(next.node);
    else if (next.kind === "crash") this.#crash(next.node);
    else this.#splitJoint();
  }

  /** `node` leads since this moment: in some worlds it is left with one follower at once. */
  crown(node: SimNode): void {
    const { network, nodes, profile } = this.#world;
    if (nodes.length < FLEETING_MIN_NODES || profile.fleetingShare === 0) return;
    if (!this.#random.chance(profile.fleetingShare)) return;
    const others = nodes.map(({ position }) => position).filter((at) => at !== node.position);
    // The slow one, where there is one: it is still writing what the leader before has sent it.
    const companion = others.includes(profile.laggard)
      ? profile.laggard
      : this.#random.pick(others);
    network.heal();
    const far = others.filter((position) => position !== companion);
    separate(network, [node.position, companion], far);
  }

  /**
   * `node`, a leader, has just committed a change of members, and nobody else knows: in some worlds
   * it stays alone with those who shall vote from now on. The others may go on as before.
   */
  noteChangeCommitted(node: SimNode): void {
    const { network, profile } = this.#world;
    if (profile.splitCommitShare === 0 || this.#incoming.length === 0) return;
    if (!this.#random.chance(profile.splitCommitShare)) return;
    network.heal();
    this.#separateFrom(node, this.#incoming);
  }

  #commit(fault: Fault): void {
    const world = this.#world;
    const random = this.#random;
    switch (fault) {
      case "partition":
        this.#partition();
        return;
      case "isolate-leader":
        this.#isolate(world.leader());
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
        this.#transfer();
        return;
      case "change-members":
        changeMembers(world, random);
        return;
      case "replace-members":
        this.#incoming = replaceMembers(world, random);
        return;
      case "split-joint":
        this.#incoming = replaceMembers(world, random);
        this.#soon(HEELS_US, { kind: "split-joint" });
        return;
      case "forget-leader":
        random.pick(world.nodes).forgetLeader();
        return;
      case "usurp":
        this.#usurp();
        return;
      case "estrange":
        this.#estrange();
        return;
    }
  }

  #soon(limitUs: number, next: FollowUp): void {
    const delay = this.#random.below(limitUs);
    this.#world.loop.afterForAny(delay, SimEvent.FOLLOW_UP, NO_NODE, next);
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

  /** Nothing else is cut: the others elect a new leader while the old one does not know. */
  #isolate(node: SimNode | null): void {
    const { network, nodes } = this.#world;
    const topology = this.#random.pick(LEADER_TOPOLOGIES);
    if (node === null) return;
    network.heal();
    const positions = nodes.map(({ position }) => position);
    cut(network, this.#random, topology, { nodes: positions, special: node.position });
  }

  /** The old leader may lose touch just when its successor has been told to campaign. */
  #transfer(): void {
    const { nodes } = this.#world;
    const target = this.#random.pick(nodes);
    const isLost = this.#random.chance(LOST_SHARE);
    const leader = this.#world.leader();
    if (leader === null) return;
    leader.transferLeadership(target.replica);
    if (isLost) this.#soon(HEELS_US / 3, { kind: "isolate", node: leader });
  }

  /**
   * The leader is cut off; all other hosts take it for dead, and the one with the longest log has
   * its replica campaign at once.
   */
  #usurp(): void {
    const leader = this.#world.leader();
    const others = this.#world.nodes.filter((node) => node !== leader);
    this.#random.shuffle(others);
    const [first] = others;
    if (leader === null || first === undefined) return;
    this.#isolate(leader);
    for (const node of others) node.forgetLeader();
    const longest = others.reduce(
      (best, node) => (node.image.lastIndex() > best.image.lastIndex() ? node : best),
      first,
    );
    longest.campaign();
  }

  /**
   * Leader and another do not hear each other; the others hear both, and may be asked to choose.
   */
  #estrange(): void {
    const { network, nodes } = this.#world;
    const isCrash = this.#random.chance(LOST_SHARE);
    const leader = this.#world.leader();
    const others = nodes.filter((node) => node !== leader);
    this.#random.shuffle(others);
    const [rival, third] = others;
    if (leader === null || rival === undefined) return;
    network.heal();
    separate(network, [leader.position], [rival.position]);
    if (!isCrash || third === undefined) return;
    // By then the rival is out of patience, and asks one that has forgotten what it promised.
    for (let times = 0; times < ESTRANGED_CRASHES; times += 1) {
      this.#soon(ESTRANGED_US, { kind: "crash", node: third });
    }
  }

  /**
   * Cuts between the halves of a joint configuration; the leader comes to rest with one of them.
   */
  #splitJoint(): void {
    const staysIncoming = this.#random.chance(LEADER_SHARE);
    const leader = this.#world.leader();
    if (leader === null || !isJoint(leader.conf)) return;
    const { voters, outgoing } = leader.conf;
    const half = staysIncoming ? voters : outgoing;
    this.#world.network.heal();
    this.#separateFrom(leader, half);
  }

  /** Leaves `node` with these, and the others among themselves. */
  #separateFrom(node: SimNode, replicas: readonly number[]): void {
    const { network, nodes } = this.#world;
    const isNear = (one: SimNode) => one === node || replicas.includes(one.replica);
    const near = nodes.filter(isNear).map(({ position }) => position);
    const far = nodes.filter((one) => !isNear(one)).map(({ position }) => position);
    separate(network, near, far);
  }

  #crash(node: SimNode): void {
    this.#world.crash(node);
  }

  #pause(): void {
    const { loop, profile } = this.#world;
    const leader = this.#random.chance(LEADER_SHARE) ? this.#world.leader() : null;
    const node = leader ?? this.#random.pick(this.#world.nodes);
    const lasts = this.#random.between(10 * MILLISECOND, profile.pauseMaxUs);
    // Others take over meanwhile, and it hears nothing of that when it goes on.
    if (this.#random.chance(LOST_SHARE)) this.#isolate(leader);
    loop.pause(node.position, loop.now + lasts);
    this.#world.suspect(node.position);
  }

  #slowDisk(node: SimNode): void {
    const { loop, profile } = this.#world;
    node.disk.profile = { ...profile.disk, maximumUs: SLOW_DISK_US };
    const lasts = this.#random.below(SECOND);
    loop.afterForAny(lasts, SimEvent.DISK_RECOVERED, NO_NODE, node.position);
  }
}
