/**
 * The QoS 2 publishes of stored sessions that a range has stored for somebody and that their client
 * may send again, because it has not got PUBREC: a repeat of one is answered, and not stored twice
 * [MQTT-4.3.3-10].
 *
 * A range of retained messages remembers likewise what its topics have got: a newer message, or
 * none, may stand there when the repeat comes.
 *
 * The identifier that PUBREC is about stands in the publisher's own inbox, in another range, whose
 * log may be ahead or behind after a crash. So the range remembers by itself. What has been
 * answered is forgotten with the publisher's next publish; what earlier attachments left open, when
 * its identifier comes again with something else. Of a shared group it remembers that it was
 * served: the repeat may choose another member, in another range, so all ranges are asked first.
 * Whoever is asked and has nothing takes nothing later either: the first attempt may still be on
 * its way from the earlier connection, and the repeat has gone to somebody else by then.
 *
 * A publish that a range has refused for want of room is remembered as well: what came behind it
 * may have found some, and its repeat must not come after that [MQTT-4.6.0-6].
 *
 * Records: taken-publisher.ts. Scope: one per range.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";
import type { KeyValueWriter } from "../range/key-value.ts";
import { stableHash } from "../range/stable-hash.ts";
import type { Steps } from "../range/steps.ts";
import { processOf } from "../range/worker-life.ts";
import {
  addScope,
  type Buckets,
  copyOf,
  copyOfTaken,
  readPublisher,
  refusedIn,
  type Taken,
  TakenPublisher,
  united,
  writePublisher,
} from "./taken-publisher.ts";

/**
 * Publishers that a range remembers; the one longest silent goes first. A few hundred bytes each.
 */
const PUBLISHERS_MAX = 16_384;
/** Of one step of a copy, at about a microsecond each. */
const STEP_PUBLISHERS = 256;

/** Stands among groups for the topic of a retained message. */
const TOPIC = stableHash("topic", "");

export class TakenPublishes {
  /** By incarnation, the one longest silent first. */
  readonly #publishers = new Map<number, TakenPublisher>();
  /**
   * Numbers changes, so that those who were silent longest are the same in every replica, whenever
   * it was read from its store.
   */
  #lastChange = 0;
  /** Whose records are to be written or removed. */
  #changed = new Set<number>();
  // Of the insert being applied:
  #origin: PublishOrigin | null = null;
  #boot = 0;
  /** It comes from an earlier connection of its publisher than the last one heard of. */
  #isStraggler = false;
  /** What was known of it before. */
  #known: Taken | null = null;
  /** What will be. */
  #taken: Taken | null = null;

  get isDirty(): boolean {
    return this.#changed.size > 0;
  }

  /** Publishers that are remembered. */
  get size(): number {
    return this.#publishers.size;
  }

  /**
   * An insert begins; `origin` null: nothing is to be remembered of it. `boot`, with `epoch`, names
   * the publisher's attachment.
   */
  begin(origin: PublishOrigin | null, boot: number): void {
    this.#origin = origin;
    this.#boot = boot;
    this.#isStraggler = false;
    this.#known = null;
    this.#taken = null;
    if (origin === null) return;
    const publisher = this.#publishers.get(origin.publisher);
    if (publisher === undefined) return;
    if (publisher.isAhead(boot, origin.epoch)) {
      // Its repeat may have been faster.
      this.#isStraggler = true;
      this.#know(publisher.find(origin));
      return;
    }
    let isChanged = publisher.boot !== boot || publisher.epoch !== origin.epoch;
    if (isChanged) publisher.attach(boot, origin.epoch);
    if (publisher.forgetSettled(origin.settled)) isChanged = true;
    const known = origin.isRepeat ? publisher.find(origin) : null;
    // A member of a group was gone, and another one gets it: one publish all the same.
    if (known === null) this.#taken = publisher.findCurrent(origin);
    else {
      known.sequence = origin.sequence;
      publisher.put(known);
      isChanged = true;
      this.#know(known);
    }
    if (isChanged) this.#change(publisher);
  }

  /**
   * Is the insert done already for a receiver in that bucket: stored before, or left to its repeat?
   * `shareFilter` null: it is not one of a group.
   */
  has(shareFilter: string | null, bucket: number): boolean {
    const known = this.#known;
    if (known === null) return false;
    if (shareFilter !== null) return this.#hasGroup(known.groups, shareFilter);
    return known.scopes.some(({ first, end }) => bucket >= first && bucket < end);
  }

  /** The insert is stored for a receiver; `buckets`: of the range. */
  note(shareFilter: string | null, buckets: Buckets): void {
    const origin = this.#origin;
    if (origin === null) return;
    if (this.#taken === null) this.#taken = this.#add(origin);
    const { scopes, groups } = this.#taken;
    if (shareFilter === null) {
      addScope(scopes, buckets);
      const at = groups.indexOf(refusedIn(buckets));
      if (at >= 0) groups.splice(at, 1);
    } else groups.push(groupOf(shareFilter));
    // A straggler may add to what is stored already.
    this.#changed.add(origin.publisher);
  }

  /** A session that subscribes for itself has no room: neither has it for a repeat. */
  noteRefused(buckets: Buckets): void {
    const origin = this.#origin;
    if (origin === null) return;
    if (this.#taken === null) this.#taken = this.#add(origin);
    const { scopes, groups } = this.#taken;
    const { first, end } = buckets;
    // Others have got it here.
    if (scopes.some((known) => known.first <= first && known.end >= end)) return;
    // Beside narrower ones: where others had got it before the range became what it is, they have.
    scopes.push({ first, end });
    groups.push(refusedIn(buckets));
    this.#changed.add(origin.publisher);
  }

  /** Of a session for which `has` holds: had none of its range room? */
  wasRefused(bucket: number): boolean {
    const { scopes, groups } = this.#known!;
    const around = scopes.filter(({ first, end }) => bucket >= first && bucket < end);
    return around.every((scope) => groups.includes(refusedIn(scope)));
  }

  /** Of a retained message: has its topic got it before? */
  hasTopic(): boolean {
    return this.#known?.groups.includes(TOPIC) === true;
  }

  noteTopic(): void {
    this.#noteGroup(TOPIC);
  }

  /** The insert only asks, and hears that no member has got it here. None will by a straggler. */
  ask(shareFilter: string): void {
    this.#noteGroup(questionOf(shareFilter));
  }

  /**
   * A stored session gets it at QoS 0, as a member of the group, or, without a name, for itself. Of
   * that nothing is stored, and yet it must not come twice.
   */
  notePassing(shareFilter: string): void {
    this.#noteGroup(groupOf(shareFilter));
  }

  /** A member of the group without a stored session has got it, in this life of the process. */
  noteTransient(shareFilter: string): void {
    this.#noteGroup(transientOf(shareFilter, this.#boot));
  }

  #noteGroup(hash: number): void {
    const origin = this.#origin;
    if (origin === null) return;
    if (this.#taken === null) this.#taken = this.#add(origin);
    const { groups } = this.#taken;
    if (!groups.includes(hash)) groups.push(hash);
    this.#changed.add(origin.publisher);
  }

  #hasGroup(groups: readonly number[], shareFilter: string): boolean {
    if (this.#isStraggler && groups.includes(questionOf(shareFilter))) return true;
    if (groups.includes(groupOf(shareFilter))) return true;
    // Those of an earlier process are gone, and nobody knows what they have seen.
    return groups.includes(transientOf(shareFilter, this.#boot));
  }

  /** A copy: what is noted of this insert does not answer for its next receivers. */
  #know(known: Taken | null): void {
    this.#taken = known;
    this.#known = known === null ? null : copyOfTaken(known);
  }

  /** All there is, for tests: by publisher, "identifier sequence groups". */
  dump(): [number, string[]][] {
    const found = [...this.#publishers.values()];
    return found.map((publisher) => {
      const { id, current } = publisher;
      const takens = [...current.values(), ...publisher.allEarlier()];
      const textOf = ({ packetId, sequence, scopes, groups }: Taken) => {
        const isForSessions = scopes.length > 0;
        return [packetId, sequence, ...(isForSessions ? [] : ["groups"]), ...groups].join(" ");
      };
      return [id, takens.map(textOf)];
    });
  }

  /** `keyOf`: of a publisher's record, in this range. */
  collect(
    writer: KeyValueWriter,
    scratch: RecordWriter,
    keyOf: (publisher: number) => Uint8Array,
  ): void {
    for (const id of this.#changed) {
      const publisher = this.#publishers.get(id);
      const key = keyOf(id);
      if (publisher === undefined) {
        writer.delete(key);
        continue;
      }
      scratch.clear();
      writePublisher(scratch, publisher);
      writer.put(key, scratch.bytes.subarray(0, scratch.size));
    }
    this.#changed = new Set();
  }

  /** As found in the store; `sortLoaded` follows. */
  load(id: number, reader: RecordReader): void {
    const publisher = readPublisher(reader, id);
    this.#publishers.set(id, publisher);
    this.#lastChange = Math.max(this.#lastChange, publisher.lastChange);
  }

  sortLoaded(): void {
    const found = [...this.#publishers.values()];
    found.sort((left, right) => left.lastChange - right.lastChange || left.id - right.id);
    this.#publishers.clear();
    for (const publisher of found) this.#publishers.set(publisher.id, publisher);
  }

  /** The range is cut: either half may be asked for what was taken before. */
  *copyTo(right: TakenPublishes): Steps<void> {
    right.#lastChange = this.#lastChange;
    for (const publisher of this.#publishers.values()) {
      right.#publishers.set(publisher.id, copyOf(publisher));
      right.#changed.add(publisher.id);
      if (right.#publishers.size % STEP_PUBLISHERS === 0) yield;
    }
  }

  /**
   * The right-hand neighbour comes back. Returns whose records it may have in the store; its own
   * are written anew.
   */
  absorb(right: TakenPublishes): number[] {
    this.#lastChange = Math.max(this.#lastChange, right.#lastChange);
    for (const other of right.#publishers.values()) {
      const own = this.#publishers.get(other.id);
      this.#publishers.set(other.id, own === undefined ? other : united(own, other));
      this.#changed.add(other.id);
    }
    this.sortLoaded();
    return [...new Set([...right.#publishers.keys(), ...right.#changed])];
  }

  #add(origin: PublishOrigin): Taken {
    const { sequence, packetId, fingerprint } = origin;
    const taken = { sequence, packetId, fingerprint, scopes: [], groups: [] };
    let publisher = this.#publishers.get(origin.publisher);
    if (publisher === undefined) {
      publisher = new TakenPublisher(origin.publisher, this.#boot, origin.epoch);
      this.#publishers.set(publisher.id, publisher);
      this.#evict();
    }
    if (publisher.isAhead(this.#boot, origin.epoch)) publisher.putEarlier(taken);
    else publisher.put(taken);
    this.#change(publisher);
    return taken;
  }

  #change(publisher: TakenPublisher): void {
    const { id } = publisher;
    this.#changed.add(id);
    this.#lastChange += 1;
    publisher.lastChange = this.#lastChange;
    this.#publishers.delete(id);
    if (!publisher.isEmpty) this.#publishers.set(id, publisher);
  }

  #evict(): void {
    if (this.#publishers.size <= PUBLISHERS_MAX) return;
    const [longest] = this.#publishers.keys();
    this.#publishers.delete(longest!);
    this.#changed.add(longest!);
  }
}

function groupOf(shareFilter: string): number {
  return stableHash("", shareFilter);
}

function questionOf(shareFilter: string): number {
  return stableHash("asked", shareFilter);
}

function transientOf(shareFilter: string, boot: number): number {
  return stableHash(`transient ${processOf(boot)}`, shareFilter);
}
