/**
 * One shared group of one filter: its members on all workers, and the choice of one for each
 * message.
 *
 * Load of a member (messages in flight or waiting) is an atomic word that all workers see: whoever
 * picks adds one, the member's own worker takes one off when the delivery is over, and for a stored
 * session puts down the count of its inbox. Stored sessions without a connection stand in a list of
 * their own: they get messages only when nobody is online, and thousands of them do not slow down
 * the choice among those who are.
 * Thread: worker; every worker has its own copy of the member list.
 */

import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import type { Subscription } from "./subscription.ts";

export type ShareStrategy = "least_inflight" | "round_robin" | "random";

export interface ShareMember {
  readonly clientId: string;
  /** Worker that announced it: the session's, or for a stored one that of its route's range. */
  readonly thread: number;
  readonly isInbox: boolean;
  /** Of a stored session, else 0. */
  readonly incarnation: number;
  /** A stored session's: `thread` has died, and not told the route again. */
  isStale: boolean;
  readonly options: SubscriptionOptions;
  /** Word of its load in the shared words. */
  readonly loadWord: number;
  /** Place in the owner's member table, and which use of that place. */
  readonly slot: number;
  readonly generation: number;
  /** Not null when the member is a transient session of this very worker. */
  readonly subscription: Subscription | null;
}

/** A member where it stands in one of the two lists, so that removing it is O(1). */
class Place {
  member: ShareMember;
  readonly list: Place[];
  index: number;
  /** Messages it was chosen for by this worker, on the scale of the group's `#turns`. */
  turns: number;
  readonly clientHash: number;

  constructor(member: ShareMember, list: Place[], turns: number) {
    this.member = member;
    this.list = list;
    this.index = list.length;
    this.turns = turns;
    this.clientHash = mix(hashText(member.clientId));
  }
}

/**
 * Members looked at per pick: enough to even out loads, few enough to make the cost independent of
 * the group.
 */
const LEAST_INFLIGHT_SAMPLE = 8;
/**
 * Turns that a member may miss and catch up on: a pause of its worker evens out, while one that was
 * slow for long does not get everything afterwards.
 */
const TURNS_OWED_MAX = 32;
/**
 * QoS 0 messages of one publisher, received at the same time, that go to one member in a row and so
 * leave in one write: 16 of the usual size fill one segment of Ethernet.
 */
const RUN_MAX = 16;
/** Publishers whose member an ordered group remembers: 1024 of about 100 bytes. */
const STICKY_MEMORY = 1024;

export class ShareGroup {
  readonly name: string;
  readonly isOrdered: boolean;
  /** As subscribed, `$share/name/filter`. */
  readonly shareFilter: string;
  readonly #online: Place[] = [];
  readonly #offline: Place[] = [];
  readonly #places = new Map<string, Place>();
  /** Ordered groups: what the present members mean for a publisher; emptied when they change. */
  readonly #sticky = new Map<string, ShareMember>();
  #cursor = 0;
  /** Most turns of any member: where newcomers start. */
  #turns = 0;
  /** The run under way: who gets it, and what it is part of. Null: none. */
  #runPlace: Place | null = null;
  #runPublisher = "";
  #runMs = 0;
  /** Messages that it may still have. */
  #runLeft = 0;
  /** The member's load when it was chosen. */
  #runLoad = 0;

  constructor(name: string, isOrdered: boolean, filter: string) {
    this.name = name;
    this.isOrdered = isOrdered;
    this.shareFilter = `${isOrdered ? "$oshare" : "$share"}/${name}/${filter}`;
  }

  get size(): number {
    return this.#places.size;
  }

  *members(): Generator<ShareMember> {
    for (const { member } of this.#places.values()) yield member;
  }

  /**
   * Adds a member, or replaces what is known of it. `isOnline`: false for a stored session without
   * a connection. O(1).
   */
  add(member: ShareMember, isOnline: boolean): void {
    this.#membersChange();
    const key = keyOf(member.clientId, member.thread, member.isInbox);
    const list = isOnline ? this.#online : this.#offline;
    const known = this.#places.get(key);
    if (known?.list === list) {
      known.member = member;
      return;
    }
    if (known !== undefined) takeOut(known);
    const place = new Place(member, list, this.#turns);
    list.push(place);
    this.#places.set(key, place);
  }

  /** A stored session has got or lost its connection. */
  setOnline(clientId: string, isOnline: boolean): void {
    const member = this.inboxMember(clientId);
    if (member !== null) this.add(member, isOnline);
  }

  /** The stored member of that name; null when there is none. */
  inboxMember(clientId: string): ShareMember | null {
    return this.#places.get(keyOf(clientId, 0, true))?.member ?? null;
  }

  /** Removes a member however often it was announced; false when unknown. O(1). */
  remove(clientId: string, thread: number, isInbox: boolean): boolean {
    const key = keyOf(clientId, thread, isInbox);
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#membersChange();
    takeOut(place);
    this.#places.delete(key);
    return true;
  }

  #membersChange(): void {
    this.#sticky.clear();
    this.#runPlace = null;
  }

  /**
   * Chooses the member for one message of `publisherId`, received at `receivedAtMs`; null when
   * there is none. Online members first; a stored session only when nobody else is there. `random`
   * is in [0, 1). O(1), or O(members) for the first message of a publisher in an ordered group.
   */
  pick(
    strategy: ShareStrategy,
    loads: Int32Array,
    publisherId: string,
    receivedAtMs: number,
    random: number,
  ): ShareMember | null {
    const list = this.#online.length > 0 ? this.#online : this.#offline;
    if (list.length === 0) return null;
    if (this.isOrdered) return this.#pickSticky(list, publisherId);
    if (strategy === "random") return list[Math.floor(random * list.length)]!.member;
    if (strategy === "least_inflight") {
      const place = this.#placeOfRun(list, loads, publisherId, receivedAtMs);
      this.#give(place, 1);
      return place.member;
    }
    const start = this.#cursor % list.length;
    this.#cursor = start + 1;
    return list[start]!.member;
  }

  /**
   * Who takes the next `runLeft` messages of `publisherId` in a row, all of QoS 0 and received at
   * `receivedAtMs`; `takeRun` then counts those that it got. Null: they are picked one by one.
   */
  runMember(
    strategy: ShareStrategy,
    loads: Int32Array,
    publisherId: string,
    receivedAtMs: number,
  ): ShareMember | null {
    const list = this.#online;
    if (list.length === 0 || this.isOrdered || strategy !== "least_inflight") return null;
    return this.#placeOfRun(list, loads, publisherId, receivedAtMs).member;
  }

  /** Messages that the member of the run under way may still have. */
  get runLeft(): number {
    return this.#runLeft;
  }

  /** The member that `runMember` named has got `count` messages, and is done with them. */
  takeRun(count: number): void {
    // Null: members changed when it got them.
    if (this.#runPlace !== null) this.#give(this.#runPlace, count);
  }

  /** The member of the run under way, or of a new one. */
  #placeOfRun(
    list: readonly Place[],
    loads: Int32Array,
    publisherId: string,
    receivedAtMs: number,
  ): Place {
    const known = this.#runPlace;
    if (known !== null && this.#continuesRun(known, loads, publisherId, receivedAtMs)) return known;
    const start = this.#cursor % list.length;
    this.#cursor = start + 1;
    const place = this.#idlest(list, start, loads);
    this.#runPlace = place;
    this.#runPublisher = publisherId;
    this.#runMs = receivedAtMs;
    this.#runLeft = RUN_MAX;
    return place;
  }

  /**
   * True while the member of the run has finished everything it got: at QoS 0 on this worker. What
   * stays in flight raises its load, and then the next message is the idlest member's again.
   */
  #continuesRun(
    place: Place,
    loads: Int32Array,
    publisherId: string,
    receivedAtMs: number,
  ): boolean {
    if (this.#runLeft === 0) return false;
    if (receivedAtMs !== this.#runMs || publisherId !== this.#runPublisher) return false;
    return Atomics.load(loads, place.member.loadWord) <= this.#runLoad;
  }

  /** The least loaded of the next few members; among equals the one with the fewest turns. */
  #idlest(list: readonly Place[], start: number, loads: Int32Array): Place {
    const count = list.length;
    const steps = Math.min(LEAST_INFLIGHT_SAMPLE, count);
    let best = list[start]!;
    let bestLoad = Number.POSITIVE_INFINITY;
    let index = start;
    for (let step = 0; step < steps; step += 1) {
      const place = list[index]!;
      const load = Atomics.load(loads, place.member.loadWord);
      if (load < bestLoad || (load === bestLoad && place.turns < best.turns)) {
        best = place;
        bestLoad = load;
      }
      index = index + 1 === count ? 0 : index + 1;
    }
    this.#runLoad = bestLoad;
    return best;
  }

  /** Counts `count` messages of the run for its member. */
  #give(place: Place, count: number): void {
    this.#runLeft -= count;
    place.turns = Math.max(place.turns, this.#turns - TURNS_OWED_MAX) + count;
    this.#turns = Math.max(this.#turns, place.turns);
  }

  #pickSticky(list: readonly Place[], publisherId: string): ShareMember {
    const known = this.#sticky.get(publisherId);
    if (known !== undefined) return known;
    const member = heaviest(list, publisherId);
    if (this.#sticky.size >= STICKY_MEMORY) this.#sticky.clear();
    this.#sticky.set(publisherId, member);
    return member;
  }
}

/**
 * Highest random weight of (publisher, member): each publisher's messages go to one member while
 * members stay, and when one leaves, only its publishers move. Every worker finds the same one.
 */
function heaviest(list: readonly Place[], publisherId: string): ShareMember {
  const seed = hashText(publisherId);
  let best = list[0]!;
  let bestWeight = -1;
  for (const place of list) {
    const weight = mix(seed ^ place.clientHash);
    const isTieWon = weight === bestWeight && place.member.clientId < best.member.clientId;
    if (weight > bestWeight || isTieWon) {
      best = place;
      bestWeight = weight;
    }
  }
  return best.member;
}

/** Moves the last one into the gap: order among members means nothing. */
function takeOut(place: Place): void {
  const { list, index } = place;
  const last = list.pop()!;
  if (last === place) return;
  list[index] = last;
  last.index = index;
}

/** Of one client there may be several: it came back on another worker, or as a stored session. */
function keyOf(clientId: string, thread: number, isInbox: boolean): string {
  return `${isInbox ? 0 : thread} ${clientId}`;
}

/** FNV-1a over UTF-16 units. */
function hashText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  return hash;
}

/** Spreads FNV's weak high bits (murmur3's finalizer); not negative. */
function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
