/**
 * What one publisher may send again, as far as a range has taken it (taken-publishes.ts), what two
 * ranges that become one know of it together, and the record that keeps it.
 *
 * ```
 *  record  u64 boot · u64 epoch · u64 number of the last change · u32 n current · u32 n earlier
 *          n × (u32 sequence · u16 packet identifier · u32 fingerprint
 *               u8 k · k × (u16 first bucket · u16 end bucket) · u16 m · m × u32 group)
 * ```
 *
 * A stored format.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";
import { stableHash } from "../range/stable-hash.ts";
import { processOf } from "../range/worker-life.ts";

/** Buckets of inboxes, [first, end). */
export interface Buckets {
  readonly first: number;
  readonly end: number;
}

export interface Taken {
  sequence: number;
  readonly packetId: number;
  readonly fingerprint: number;
  /**
   * Sessions in these buckets that subscribe for themselves have got it: those of the range as it
   * was. A neighbour that it takes over later may never have heard of it.
   */
  readonly scopes: Buckets[];
  /**
   * Hashes of the shared filters that a member has got it for, "" for QoS 0 beside groups; salted,
   * of those that one without a stored session has got it for, of those that its repeat has asked
   * for, and of scopes without room.
   */
  readonly groups: number[];
}

export class TakenPublisher {
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
    return taken?.fingerprint === publish.fingerprint ? taken : this.findEarlier(publish);
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
    // Beside one of them there is another where nobody can tell which of the two was the last.
    for (const taken of this.current.values()) this.putEarlier(taken);
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

export function copyOf(publisher: TakenPublisher): TakenPublisher {
  const copy = new TakenPublisher(publisher.id, publisher.boot, publisher.epoch);
  copy.lastChange = publisher.lastChange;
  for (const [id, taken] of publisher.current) copy.current.set(id, copyOfTaken(taken));
  for (const taken of publisher.allEarlier()) copy.putEarlier(copyOfTaken(taken));
  return copy;
}

export function copyOfTaken(taken: Taken): Taken {
  return { ...taken, scopes: [...taken.scopes], groups: [...taken.groups] };
}

/** Those of a range that was cut lie within those of the whole, and need no place of their own. */
export function addScope(scopes: Buckets[], { first, end }: Buckets): void {
  if (scopes.some((known) => known.first <= first && known.end >= end)) return;
  const others = scopes.filter((known) => known.first < first || known.end > end);
  scopes.splice(0, scopes.length, ...others, { first, end });
}

/** Stands among groups for a range that had no room, as it was. */
export function refusedIn({ first, end }: Buckets): number {
  return stableHash(`refused ${first} ${end}`, "");
}

/** Both have been told of the same publisher: what either knows, the later one's for its own. */
export function united(left: TakenPublisher, right: TakenPublisher): TakenPublisher {
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
function isLater(left: TakenPublisher, right: TakenPublisher): boolean {
  if (processOf(left.boot) !== processOf(right.boot)) {
    return processOf(left.boot) > processOf(right.boot);
  }
  return left.epoch >= right.epoch;
}

/**
 * Of an attachment that is not behind the publisher's present one, if both are of one process, or
 * known to it already.
 */
function unite(publisher: TakenPublisher, taken: Taken, isSameProcess: boolean): void {
  const current = publisher.current.get(taken.packetId);
  const isSame = current?.fingerprint === taken.fingerprint;
  // The identifier has been used anew.
  if (current !== undefined && !isSame && isSameProcess) return;
  const known = isSame ? current : publisher.findEarlier(taken);
  if (known === null) {
    publisher.putEarlier(taken);
    return;
  }
  for (const scope of taken.scopes) {
    // One without room says nothing of narrower ones.
    if (taken.groups.includes(refusedIn(scope))) known.scopes.push(scope);
    else addScope(known.scopes, scope);
  }
  known.groups.push(...taken.groups);
}

export function writePublisher(writer: RecordWriter, publisher: TakenPublisher): void {
  writer.u64(publisher.boot);
  writer.u64(publisher.epoch);
  writer.u64(publisher.lastChange);
  writer.u32(publisher.current.size);
  const earlier = publisher.allEarlier();
  writer.u32(earlier.length);
  for (const taken of publisher.current.values()) writeTaken(writer, taken);
  for (const taken of earlier) writeTaken(writer, taken);
}

export function readPublisher(reader: RecordReader, id: number): TakenPublisher {
  const publisher = new TakenPublisher(id, reader.u64(), reader.u64());
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
