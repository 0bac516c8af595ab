/**
 * Writes the segment log: batch after batch into the newest segment, and on to the next one when it
 * is full. The next one is prepared ahead, from an old one if possible.
 *
 *   oldest ... sealed | active: batch | batch | zeros | next: zeros, or bytes of an earlier life
 *
 * Segments grow from 1 MiB to 8 MiB while a log is busy, so that an idle one takes little. A large
 * batch gets a segment of its own size.
 *
 * Thread: worker; the disk works in libuv's pool, a thread that serves connections must not wait
 * for it. Scope: one per store. Invariant: before a segment is begun, everything before it is
 * flushed; `append` and `flush` never overlap.
 */

import { closeSync, constants, fdatasync, readSync, writev } from "node:fs";
import { promisify } from "node:util";
import { isNoSpace } from "../../platform/no-space.ts";
import { assert } from "../../shared/base/assert.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import {
  BATCH_HEADER_BYTES,
  batchSize,
  checksumOf,
  SEGMENT_HEADER_BYTES,
  writeBatchHeader,
  writeSegmentHeader,
} from "./segment-codec.ts";
import { FLUSHING_WRITES, type SegmentFolder } from "./segment-folder.ts";
import type { LogEnd } from "./segment-scan.ts";
import type { SpaceGuard } from "./space-guard.ts";

const MIB = 1024 * 1024;
const SEGMENT_MIN_BYTES = MIB;
/** What a begin costs is nothing beside filling it; larger ones only hold more that is trimmed. */
const SEGMENT_MAX_BYTES = 8 * MIB;
/** Offsets in a segment are 32 bits wide. */
const BATCH_MAX_BYTES = 2 ** 31;
const PADDING = new Uint8Array(8);

const flushFile = promisify(fdatasync);

/** What lies behind a batch's header. */
export interface BatchBody {
  readonly directory: Uint8Array;
  /** In pieces, one behind the other. */
  readonly payload: readonly Uint8Array[];
  /** There are writes to other tables than the log. */
  readonly hasState: boolean;
}

/** Where a payload lies. */
export interface WrittenBatch {
  readonly number: number;
  readonly segment: number;
  readonly payloadAt: number;
}

interface Segment {
  readonly number: number;
  readonly bytes: number;
  readonly file: number;
}

export class SegmentLog {
  readonly #folder: SegmentFolder;
  readonly #flushesEach: boolean;
  readonly #space: SpaceGuard | null;
  /** With which segments are opened. */
  readonly #flags: number;
  /** In use, ascending; the last is the one that is written to. */
  readonly #segments: Segment[] = [];
  readonly #header = new RecordWriter(SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES);
  #next: Segment | null = null;
  /** Resolves when no file is being made, renamed or removed. */
  #chores: Promise<void> = Promise.resolve();
  /** Once per segment: who then needs the next one hears why there is none. */
  #isPrepared = false;
  #filled: number;
  #lastBatch: number;
  #durable: number;
  #checksum: number;
  /** The last batch with state. */
  #stateBatch: number;
  #flushMs = 0;

  /**
   * With `flushesEach` a batch is flushed when it is appended. `space` null: where there is none
   * for a segment, appending has failed.
   */
  constructor(
    folder: SegmentFolder,
    found: LogEnd,
    flushesEach: boolean,
    space: SpaceGuard | null = null,
  ) {
    this.#folder = folder;
    this.#space = space;
    this.#flushesEach = flushesEach;
    this.#flags = (flushesEach ? FLUSHING_WRITES : null) ?? constants.O_RDWR;
    this.#filled = found.filled;
    this.#lastBatch = found.lastBatch;
    this.#durable = found.lastBatch;
    this.#checksum = found.checksum;
    this.#stateBatch = found.stateBatch;
    for (const number of found.used) this.#segments.push(this.#open(number, found.sizes));
    if (found.damage !== null) return;
    for (const number of found.unused) {
      if (number === this.#nextNumber) this.#next = this.#open(number, found.sizes);
      else folder.removeNow(number);
    }
  }

  /** Number of the last batch appended. */
  get lastBatch(): number {
    return this.#lastBatch;
  }

  /** Everything appended is on the disk. */
  get isFlushed(): boolean {
    return this.#durable === this.#lastBatch;
  }

  /** The oldest segment in use, unless it is the one that is written to; 0: there is none. */
  get oldestSealed(): number {
    return this.#segments.length > 1 ? this.#segments[0]!.number : 0;
  }

  /** Of all files of the log. */
  get bytes(): number {
    return this.usedBytes + (this.#next?.bytes ?? 0);
  }

  /** Of the segments in use. */
  get usedBytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Spent waiting for the disk to flush; where writes flush by themselves, with the writing. */
  get flushMs(): number {
    return this.#flushMs;
  }

  /** Borrows the body. Resolves when it is written, and flushed if each batch is. */
  async append({ directory, payload, hasState }: BatchBody): Promise<WrittenBatch> {
    const payloadBytes = payload.reduce((sum, { length }) => sum + length, 0);
    const size = batchSize(directory.length, payloadBytes);
    assert(size < BATCH_MAX_BYTES, "a commit is smaller than 2 GiB");
    const active = this.#segments.at(-1);
    if (active === undefined || this.#filled + size > active.bytes) await this.#begin(size);
    const { number: segment, file, bytes } = this.#segments.at(-1)!;
    const number = this.#lastBatch + 1;
    const header = this.#header;
    header.clear();
    // A segment's header is written with its first batch, and again when that was torn.
    const isFirst = this.#filled === SEGMENT_HEADER_BYTES;
    const stateBatch = this.#stateBatch;
    if (isFirst) writeSegmentHeader(header, { number: segment, firstBatch: number, stateBatch });
    const checksum = writeBatchHeader(header, {
      number,
      durable: this.#durable,
      previous: this.#checksum,
      directoryBytes: directory.length,
      payloadBytes,
      directoryChecksum: checksumOf([directory]),
      payloadChecksum: checksumOf(payload),
    });
    const padding = PADDING.subarray(
      0,
      size - BATCH_HEADER_BYTES - directory.length - payloadBytes,
    );
    const at = isFirst ? 0 : this.#filled;
    const head = header.bytes.subarray(0, header.size);
    const startMs = performance.now();
    await writeAll(file, [head, directory, ...payload, padding], at);
    const payloadAt = at + head.length + directory.length;
    this.#filled += size;
    this.#lastBatch = number;
    this.#checksum = checksum;
    if (hasState) this.#stateBatch = number;
    if (this.#flushesEach && this.#flags !== FLUSHING_WRITES) await this.flush();
    else if (this.#flushesEach) {
      this.#flushMs += performance.now() - startMs;
      this.#durable = number;
    }
    if (this.#filled > bytes / 2 && !this.#isPrepared) this.#prepare();
    return { number, segment, payloadAt };
  }

  /** Resolves when everything appended so far is on the disk. */
  async flush(): Promise<void> {
    const { file } = this.#segments.at(-1)!;
    const last = this.#lastBatch;
    const startMs = performance.now();
    await flushFile(file);
    this.#flushMs += performance.now() - startMs;
    this.#durable = last;
  }

  /** Reads into the whole of `target`; what is asked for was written. */
  readNow(segment: number, at: number, target: Uint8Array): void {
    const found = this.#segments.find(({ number }) => number === segment);
    assert(found !== undefined, "a segment with entries in it is not freed");
    for (let done = 0; done < target.length; ) {
      const count = readSync(found.file, target, done, target.length - done, at + done);
      // The file was cut from outside: what is missing fails the entry's checksum.
      if (count === 0) return;
      done += count;
    }
  }

  /** Nothing in the oldest segment is needed any more. */
  freeOldest(): void {
    assert(this.oldestSealed > 0, "the segment that is written to is not freed");
    const { number, file, bytes } = this.#segments.shift()!;
    closeSync(file);
    void this.#chore(async () => {
      if (this.#next !== null || bytes !== this.#nextBytes(0)) {
        await this.#folder.remove(number);
      } else {
        const next = this.#nextNumber;
        await this.#folder.recycle(number, next);
        this.#next = { number: next, bytes, file: this.#folder.openNow(next, this.#flags) };
      }
    });
  }

  /** Waits for what is being done to files; the log is not to be used any more. */
  async close(): Promise<void> {
    await this.#chores.catch(() => {});
    for (const { file } of this.#segments) closeSync(file);
    if (this.#next !== null) closeSync(this.#next.file);
  }

  get #nextNumber(): number {
    return (this.#segments.at(-1)?.number ?? 0) + 1;
  }

  /** Of the next segment, in which a batch of `size` must have room. */
  #nextBytes(size: number): number {
    const grown = 2 * (this.#segments.at(-1)?.bytes ?? 0);
    const usual = Math.min(SEGMENT_MAX_BYTES, Math.max(SEGMENT_MIN_BYTES, grown));
    return Math.max(usual, leastBytes(size));
  }

  #open(number: number, sizes: ReadonlyMap<number, number>): Segment {
    return { number, bytes: sizes.get(number)!, file: this.#folder.openNow(number, this.#flags) };
  }

  async #make(bytes: number): Promise<Segment> {
    const number = this.#nextNumber;
    await this.#folder.make(number, bytes);
    return { number, bytes, file: this.#folder.openNow(number, this.#flags) };
  }

  /** One at a time. After a failure none, and no new segment. */
  #chore(work: () => Promise<void>): Promise<void> {
    const done = this.#chores.then(work);
    this.#chores = done;
    done.catch(() => {});
    return done;
  }

  #prepare(): void {
    this.#isPrepared = true;
    void this.#chore(async () => {
      if (this.#next !== null) return;
      const made = this.#make(this.#nextBytes(0));
      this.#next = await made.catch(() => null);
    });
  }

  #begin(size: number): Promise<void> {
    return this.#chore(async () => {
      if (!this.isFlushed) await this.flush();
      const next = this.#takeNext(size) ?? (await this.#makeAtOnce(size));
      this.#segments.push(next);
      this.#filled = SEGMENT_HEADER_BYTES;
      this.#isPrepared = false;
    });
  }

  /** Null: there is none, or the batch does not fit; then the one to be made replaces it. */
  #takeNext(size: number): Segment | null {
    const next = this.#next;
    this.#next = null;
    if (next === null || next.bytes >= SEGMENT_HEADER_BYTES + size) return next;
    closeSync(next.file);
    return null;
  }

  async #makeAtOnce(size: number): Promise<Segment> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#makeAnySize(size);
      } catch (error) {
        if (this.#space === null || !isNoSpace(error)) throw error;
        await this.#space.makeRoom(tries);
      }
    }
  }

  async #makeAnySize(size: number): Promise<Segment> {
    const usual = this.#nextBytes(size);
    const least = leastBytes(size);
    try {
      return await this.#make(usual);
    } catch (error) {
      // On a disk that is almost full there may be room for a smaller one.
      if (least === usual) throw error;
      return await this.#make(least);
    }
  }
}

function leastBytes(batchBytes: number): number {
  return Math.ceil((SEGMENT_HEADER_BYTES + batchBytes) / MIB) * MIB;
}

const writeFile = promisify(writev);

/** The system may take less than it is given. */
async function writeAll(file: number, pieces: readonly Uint8Array[], at: number): Promise<void> {
  let left = pieces.filter(({ length }) => length > 0);
  for (let position = at; left.length > 0; ) {
    const { bytesWritten } = await writeFile(file, left, position);
    position += bytesWritten;
    left = without(left, bytesWritten);
  }
}

/** The pieces behind their first `count` bytes. */
function without(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let skipped = count;
  return pieces.flatMap((piece) => {
    const skip = Math.min(skipped, piece.length);
    skipped -= skip;
    return skip === piece.length ? [] : [piece.subarray(skip)];
  });
}
