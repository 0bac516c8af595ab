/**
 * All members that one node knows: live ones, and tombstones of dead and left ones.
 *
 * Live members stand in an array too, each with its place, so that random ones are picked in O(1);
 * addresses of live members are indexed, because a process that appears on a known address has
 * replaced the one before it. The digest over all live members is kept up to date with each change.
 */

import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import { HASH_START, hashText, spread } from "../bytes/hash32.ts";
import { isLive, type MemberStatus, type NodeDescription, type NodeId } from "./member.ts";

const TWO_POW_32 = 0x1_0000_0000;
const NOT_LIVE = -1;
/** Up to here `pick` walks the whole list. */
const SMALL_LIST = 16;
/**
 * memberlist draws 3 n times for a list of n; here per member wanted, so that it stays constant.
 */
const DRAWS_PER_PICK = 8;

/** One entry. Changed by MemberTable only. */
export interface Member {
  /** The last thing the node said of itself, or was said to have said. */
  readonly node: NodeDescription;
  readonly status: MemberStatus;
  /** Version of the status; not below the description's. */
  readonly startEpoch: number;
  readonly incarnation: number;
  readonly statusSinceMs: number;
}

interface Entry extends Member {
  node: NodeDescription;
  status: MemberStatus;
  startEpoch: number;
  incarnation: number;
  statusSinceMs: number;
  /** Place among the live ones, or NOT_LIVE. */
  liveIndex: number;
}

export interface MemberDigest {
  readonly liveCount: number;
  readonly sumA: number;
  readonly sumB: number;
}

export class MemberTable {
  readonly #byId = new Map<NodeId, Entry>();
  readonly #liveByAddress = new Map<string, Entry>();
  readonly #live: Entry[] = [];
  #sumA = 0;
  #sumB = 0;

  /** Members and tombstones. */
  get size(): number {
    return this.#byId.size;
  }

  /** Alive and suspect ones, the node itself among them. */
  get liveCount(): number {
    return this.#live.length;
  }

  /** Equal for two nodes that know the same live members in the same versions. */
  get digest(): MemberDigest {
    return { liveCount: this.#live.length, sumA: this.#sumA, sumB: this.#sumB };
  }

  get(nodeId: NodeId): Member | undefined {
    return this.#byId.get(nodeId);
  }

  /** The live member on `address`, if any. */
  liveAt(address: string): Member | undefined {
    return this.#liveByAddress.get(address);
  }

  /** In no particular order. */
  members(): IterableIterator<Member> {
    return this.#byId.values();
  }

  liveMembers(): readonly Member[] {
    return this.#live;
  }

  isLive(nodeId: NodeId): boolean {
    const entry = this.#byId.get(nodeId);
    return entry !== undefined && isLive(entry.status);
  }

  /** Adds a member, or sets description, version and status of a known one. */
  set(
    node: NodeDescription,
    status: MemberStatus,
    version: { readonly startEpoch: number; readonly incarnation: number },
    nowMs: number,
  ): Member {
    const { startEpoch, incarnation } = version;
    let entry = this.#byId.get(node.nodeId);
    if (entry === undefined) {
      const liveIndex = NOT_LIVE;
      entry = { node, status, startEpoch, incarnation, statusSinceMs: nowMs, liveIndex };
      this.#byId.set(node.nodeId, entry);
    } else {
      this.#takeFromLive(entry);
      if (entry.status !== status) entry.statusSinceMs = nowMs;
      entry.node = node;
      entry.status = status;
      entry.startEpoch = startEpoch;
      entry.incarnation = incarnation;
    }
    if (isLive(status)) this.#addToLive(entry);
    return entry;
  }

  /** Forgets a tombstone. */
  remove(nodeId: NodeId): void {
    const entry = this.#byId.get(nodeId);
    if (entry === undefined) return;
    assert(entry.liveIndex === NOT_LIVE, "only tombstones are forgotten");
    this.#byId.delete(nodeId);
  }

  /** False when all members are live. O(members); only a full table asks. */
  removeOldestTombstone(): boolean {
    let oldest: Entry | null = null;
    for (const entry of this.#byId.values()) {
      if (entry.liveIndex !== NOT_LIVE) continue;
      if (oldest === null || entry.statusSinceMs < oldest.statusSinceMs) oldest = entry;
    }
    if (oldest === null) return false;
    return this.#byId.delete(oldest.node.nodeId);
  }

  /**
   * Up to `count` different live members for whom `isWanted` holds, at random. Draws a bounded
   * number of times, so among many unwanted ones it may find fewer than there are; a short list is
   * walked whole.
   */
  pick(count: number, prng: Prng, isWanted: (member: Member) => boolean): Member[] {
    const total = this.#live.length;
    if (total <= SMALL_LIST) {
      const wanted: Member[] = this.#live.filter(isWanted);
      prng.shuffle(wanted);
      return wanted.slice(0, count);
    }
    const picked: Member[] = [];
    for (let draws = 0; picked.length < count && draws < DRAWS_PER_PICK * count; draws++) {
      const member = this.#live[prng.below(total)]!;
      if (isWanted(member) && !picked.includes(member)) picked.push(member);
    }
    return picked;
  }

  #addToLive(entry: Entry): void {
    entry.liveIndex = this.#live.length;
    this.#live.push(entry);
    this.#liveByAddress.set(entry.node.address, entry);
    this.#addToDigest(entry, 1);
  }

  #takeFromLive(entry: Entry): void {
    const index = entry.liveIndex;
    if (index === NOT_LIVE) return;
    const last = this.#live.pop()!;
    if (last !== entry) {
      this.#live[index] = last;
      last.liveIndex = index;
    }
    entry.liveIndex = NOT_LIVE;
    const { address } = entry.node;
    if (this.#liveByAddress.get(address) === entry) this.#liveByAddress.delete(address);
    this.#addToDigest(entry, -1);
  }

  /** Sums commute, so the order in which members came does not matter. */
  #addToDigest(entry: Entry, sign: number): void {
    const { node, startEpoch, incarnation } = entry;
    const low = Math.imul(startEpoch % TWO_POW_32, 0x9e3779b1) ^ incarnation;
    const high = Math.floor(startEpoch / TWO_POW_32);
    const hash = hashText(HASH_START ^ low ^ Math.imul(high, 0x85ebca77), node.nodeId);
    this.#sumA = (this.#sumA + sign * spread(hash, TWO_POW_32) + TWO_POW_32) % TWO_POW_32;
    const other = spread(Math.imul(hash, 0x27d4eb2f) ^ incarnation, TWO_POW_32);
    this.#sumB = (this.#sumB + sign * other + TWO_POW_32) % TWO_POW_32;
  }
}
