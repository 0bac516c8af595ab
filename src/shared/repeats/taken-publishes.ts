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
 * ```
 *  record  u64 boot · u64 epoch · u64 number of the last change · u32 n current · u32 n earlier
 *          n × (u32 sequence · u16 packet identifier · u32 fingerprint
 *               u8 k · k × (u16 first bucket · u16 end bucket) · u16 m · m × u32 group)
 * ```
 *
 * A stored format. Scope: one per range.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";
import type { KeyValueWriter } from "../range/key-value.ts";
import { stableHash } from "../range/stable-hash.ts";
import { processOf } from "../range/worker-life.ts";

/**
 * Publishers that a range remembers; the one longest silent goes first. A few hundred bytes each.
 */
const PUBLISHERS_MAX = 16_384;

/** Stands among groups for the topic of a retained message. */
const TOPIC = stableHash("topic", "");

/** Buckets of inboxes, [first, end). */
interface Buckets {
  readonly first: number;
  readonly end: number;
}

interface Taken {
  sequence: number;
  readonly packetId: number;
  readonly fingerprint: number;
  /**
   * Sessions in these buckets that subscribe for themselves have got it: those of the range as it
   * was. A neighbour that it takes over later may never have heard of it.
   */
  readonly scopes: Buckets[];
  /**
   * Hashes of the shared filters that a member has got it for; salted, of those that one without a
   * stored session has got it for, and of those that its repeat has asked for.
   */
  readonly groups: number[];
}

class Publisher {
  readonly id: number;
  boot: number;
  epoch: number;
  /** Number of its last change, among all changes of the range. */
  lastChange = 0;
  /** Of the present attachment, by packet identifier, in order of sequence. */
  current = new Map<number, Taken>();
  /**
   * Of earlier attachments, by packet identifier: one, unless two ranges that became one knew
   * different publishes under it. Which of those was the last neither can tell.
   */
  readonly earlier = new Map<number, Taken[]>();

  constructor(id: number, boot: number, epoch: number) {
    this.id = id;
    this.boot = boot;
    this.epoch = epoch;
  }

  /** True when that attachment is of an earlier connection than the last one heard of. */
  isAhead(boot: number, epoch: number): boolean {
    return processOf(boot) === processOf(this.boot) && epoch < this.epoch;
  }

  get isEmpty(): boolean {
    return this.current.size === 0 && this.earlier.size === 0;
  }

  /** What it may still repeat, as far as it is known here. */
  find(publish: Pick<PublishOrigin, "packetId" | "fingerprint">): Taken | null {
    const taken = this.current.get(publish.packetId);
    if (taken?.fingerprint === publish.fingerprint) return taken;
    return taken === undefined ? this.findEarlier(publish) : null;
  }

  /** The very publish, not a repeat of it. */
  findCurrent({ packetId, sequence, fingerprint }: PublishOrigin): Taken | null {
    const taken = this.current.get(packetId);
    return taken?.sequence === sequence && taken.fingerprint === fingerprint ? taken : null;
  }

  findEarlier({ packetId, fingerprint }: Pick<PublishOrigin, "packetId" | "fingerprint">) {
    const found = this.earlier.get(packetId)?.find((taken) => taken.fingerprint === fingerprint);
    return found ?? null;
  }

  put(taken: Taken): void {
    const { packetId } = taken;
    this.earlier.delete(packetId);
    this.current.delete(packetId);
    this.current.set(packetId, taken);
  }

  /** What is known of an attachment before the present one. */
  putEarlier(taken: Taken): void {
    const others = this.earlier.get(taken.packetId) ?? [];
    const kept = others.filter(({ fingerprint }) => fingerprint !== taken.fingerprint);
    this.earlier.set(taken.packetId, [...kept, taken]);
  }

  allEarlier(): Taken[] {
    return [...this.earlier.values()].flat();
  }

  /** A new attachment: nothing of the last one will be settled by number. */
  attach(boot: number, epoch: number): void {
    this.boot = boot;
    this.epoch = epoch;
    for (const [packetId, taken] of this.current) this.earlier.set(packetId, [taken]);
    this.current.clear();
  }

  /** Returns whether there were any. */
  forgetSettled(settled: number): boolean {
    const before = this.current.size;
    for (const [packetId, { sequence }] of this.current) {
      if (sequence > settled) break;
      this.current.delete(packetId);
    }
    return this.current.size < before;
  }
}

export class TakenPublishes {
  /** By incarnation, the one longest silent first. */
  readonly #publishers = new Map<number, Publisher>();
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
    if (shareFilter === null) addScope(this.#taken.scopes, buckets);
    else this.#taken.groups.push(groupOf(shareFilter));
    // A straggler may add to what is stored already.
    this.#changed.add(origin.publisher);
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
  copyTo(right: TakenPublishes): void {
    right.#lastChange = this.#lastChange;
    for (const publisher of this.#publishers.values()) {
      right.#publishers.set(publisher.id, copyOf(publisher));
      right.#changed.add(publisher.id);
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
      publisher = new Publisher(origin.publisher, this.#boot, origin.epoch);
      this.#publishers.set(publisher.id, publisher);
      this.#evict();
    }
    if (publisher.isAhead(this.#boot, origin.epoch)) publisher.putEarlier(taken);
    else publisher.put(taken);
    this.#change(publisher);
    return taken;
  }

  #change(publisher: Publisher): void {
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

function copyOf(publisher: Publisher): Publisher {
  const copy = new Publisher(publisher.id, publisher.boot, publisher.epoch);
  copy.lastChange = publisher.lastChange;
  for (const [id, taken] of publisher.current) copy.current.set(id, copyOfTaken(taken));
  for (const taken of publisher.allEarlier()) copy.putEarlier(copyOfTaken(taken));
  return copy;
}

function copyOfTaken(taken: Taken): Taken {
  return { ...taken, scopes: [...taken.scopes], groups: [...taken.groups] };
}

/** Those of a range that was cut lie within those of the whole, and need no place of their own. */
function addScope(scopes: Buckets[], { first, end }: Buckets): void {
  if (scopes.some((known) => known.first <= first && known.end >= end)) return;
  const others = scopes.filter((known) => known.first < first || known.end > end);
  scopes.splice(0, scopes.length, ...others, { first, end });
}

/** Both have been told of the same publisher: what either knows, the later one's for its own. */
function united(left: Publisher, right: Publisher): Publisher {
  const [later, sooner] = isLater(left, right) ? [left, right] : [right, left];
  const isSameProcess = processOf(later.boot) === processOf(sooner.boot);
  const isSameAttachment = later.boot === sooner.boot && later.epoch === sooner.epoch;
  const result = copyOf(later);
  result.lastChange = Math.max(left.lastChange, right.lastChange);
  for (const taken of sooner.allEarlier()) unite(result, taken, isSameProcess);
  const added: Taken[] = [];
  for (const taken of sooner.current.values()) {
    const known = result.current.get(taken.packetId);
    const isKnown = known?.fingerprint === taken.fingerprint;
    if (!isSameAttachment || isKnown) unite(result, taken, isSameProcess);
    // Of one attachment, the identifier was used anew for the one behind.
    else if (known === undefined || known.sequence < taken.sequence) added.push(taken);
  }
  if (added.length === 0) return result;
  for (const taken of added) result.put(taken);
  // In order of sequence again.
  const current = [...result.current.values()];
  current.sort((one, other) => one.sequence - other.sequence);
  result.current = new Map(current.map((taken) => [taken.packetId, taken]));
  return result;
}

/** Has heard of a later attachment? Numbers of changes are each range's own and tell nothing. */
function isLater(left: Publisher, right: Publisher): boolean {
  if (processOf(left.boot) !== processOf(right.boot)) {
    return processOf(left.boot) > processOf(right.boot);
  }
  return left.epoch >= right.epoch;
}

/**
 * Of an attachment that is not behind the publisher's present one, if both are of one process, or
 * known to it already.
 */
function unite(publisher: Publisher, taken: Taken, isSameProcess: boolean): void {
  const current = publisher.current.get(taken.packetId);
  const isSame = current?.fingerprint === taken.fingerprint;
  // The identifier has been used anew.
  if (current !== undefined && !isSame && isSameProcess) return;
  const known = isSame ? current : publisher.findEarlier(taken);
  if (known === null) {
    publisher.putEarlier(taken);
    return;
  }
  for (const scope of taken.scopes) addScope(known.scopes, scope);
  known.groups.push(...taken.groups);
}

function writePublisher(writer: RecordWriter, publisher: Publisher): void {
  writer.u64(publisher.boot);
  writer.u64(publisher.epoch);
  writer.u64(publisher.lastChange);
  writer.u32(publisher.current.size);
  const earlier = publisher.allEarlier();
  writer.u32(earlier.length);
  for (const taken of publisher.current.values()) writeTaken(writer, taken);
  for (const taken of earlier) writeTaken(writer, taken);
}

function readPublisher(reader: RecordReader, id: number): Publisher {
  const publisher = new Publisher(id, reader.u64(), reader.u64());
  publisher.lastChange = reader.u64();
  const currentCount = reader.u32();
  const earlierCount = reader.u32();
  for (let left = currentCount; left > 0; left--) {
    const taken = readTaken(reader);
    publisher.current.set(taken.packetId, taken);
  }
  for (let left = earlierCount; left > 0; left--) publisher.putEarlier(readTaken(reader));
  return publisher;
}

function writeTaken(writer: RecordWriter, taken: Taken): void {
  const { scopes, groups } = taken;
  writer.u32(taken.sequence);
  writer.u16(taken.packetId);
  writer.u32(taken.fingerprint);
  writer.u8(scopes.length);
  for (const { first, end } of scopes) {
    writer.u16(first);
    writer.u16(end);
  }
  writer.u16(groups.length);
  for (const group of groups) writer.u32(group);
}

function readTaken(reader: RecordReader): Taken {
  const taken: Taken = {
    sequence: reader.u32(),
    packetId: reader.u16(),
    fingerprint: reader.u32(),
    scopes: [],
    groups: [],
  };
  for (let left = reader.u8(); left > 0; left--) {
    taken.scopes.push({ first: reader.u16(), end: reader.u16() });
  }
  for (let left = reader.u16(); left > 0; left--) taken.groups.push(reader.u32());
  return taken;
}
