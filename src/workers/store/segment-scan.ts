/**
 * Reads a segment log when it is opened: follows its batches from the oldest segment to the end,
 * and judges how it ends.
 *
 *   ... | batch 7 | batch 8 |                    the log ends behind 8
 *   ... | batch 7 | bad     |                    8 was being written when the machine died: cut
 *   ... | batch 7 | bad     | "8 was durable"    8 was acknowledged: damage
 *   ... | batch 7 | bad     |, but the database has the state after 8, or a note that the log was
 *                            closed behind it: damage
 *   gone | batch 7 | ...     |, but the database has only the state after 5, and 6 had some: damage
 *
 * Every batch of a segment that another one follows was durable, for the log is flushed before it
 * goes on to the next. Where there is damage nothing is cut: what lies behind it may still be of
 * use to somebody. Whatever the bytes are, nothing throws.
 */

import { visitDirectory } from "./batch-directory-codec.ts";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchSize,
  checksumOf,
  claimedDurable,
  isBatchBegun,
  readBatchHeader,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "./segment-codec.ts";

/** A file of the log. */
export interface SegmentSource {
  readonly number: number;
  read(): Uint8Array;
}

export interface FoundBatch {
  readonly number: number;
  readonly segment: number;
  /** Of the payload, in the segment. */
  readonly payloadAt: number;
  /** Sound. Borrowed, as the payload is. */
  readonly directory: Uint8Array;
  /** State in it that the database has not is sound; entries are sealed one by one. */
  readonly payload: Uint8Array;
}

/** What the database says of the log. */
export interface KnownBatches {
  /** Its state is that after this batch. */
  readonly state: number;
  /** The last one when the log was closed; 0: it was not. */
  readonly closed: number;
}

/** A batch that cannot be read, and of which nobody says that it was acknowledged. */
export interface CutBatch {
  readonly batch: number;
  readonly segment: number;
  readonly at: number;
}

export interface LogEnd {
  /** The last batch; 0: there was never one. */
  readonly lastBatch: number;
  /** Of its header. */
  readonly checksum: number;
  /** The last batch with state, in the log or before it. */
  readonly stateBatch: number;
  /** Not null: what the log was cut before. */
  readonly cut: CutBatch | null;
  /** Segments in use, ascending, and how far the last of them is filled. */
  readonly used: readonly number[];
  readonly filled: number;
  /** Sizes of all segments, by number. */
  readonly sizes: ReadonlyMap<number, number>;
  readonly unused: readonly number[];
  /** Not null: acknowledged data cannot be read, and where. */
  readonly damage: string | null;
}

/** Tells `visit` of every batch in order. `sources` are ascending. */
export function scanLog(
  sources: readonly SegmentSource[],
  known: KnownBatches,
  visit: (batch: FoundBatch) => void,
): LogEnd {
  const scan = new LogScan(known, visit);
  for (const source of sources) scan.add({ number: source.number, bytes: source.read() });
  return scan.end();
}

interface Segment {
  readonly number: number;
  readonly bytes: Uint8Array;
}

class LogScan {
  readonly #known: KnownBatches;
  readonly #visit: (batch: FoundBatch) => void;
  readonly #used: number[] = [];
  readonly #unused: number[] = [];
  readonly #sizes = new Map<number, number>();
  #lastBatch = 0;
  #checksum = 0;
  #stateBatch: number;
  #filled = 0;
  #cut: CutBatch | null = null;
  /** Of what was found behind the first thing that could not be read; 0: nothing claimed. */
  #claimed = 0;
  /** The segment whose batches are followed when it is known what comes behind it. */
  #waiting: Segment | null = null;
  /** Where following the batches ended, in words. */
  #stop = "";
  #damage: string | null = null;

  constructor(known: KnownBatches, visit: (batch: FoundBatch) => void) {
    this.#known = known;
    this.#stateBatch = known.state;
    this.#visit = visit;
  }

  add(segment: Segment): void {
    const { number, bytes } = segment;
    this.#sizes.set(number, bytes.length);
    const header = readSegmentHeader(bytes);
    if (header === null || header.number !== number) {
      this.#unused.push(number);
      return;
    }
    const unused = this.#unused[0];
    if (unused !== undefined) this.#damaged(`segment ${unused}: its header is wrong`);
    this.#followWaiting(true);
    const before = this.#used.at(-1);
    if (before === undefined) this.#begin(header);
    else if (header.firstBatch !== this.#lastBatch + 1 || number !== before + 1) {
      this.#damaged(this.#stop);
    }
    this.#used.push(number);
    this.#waiting = segment;
  }

  end(): LogEnd {
    this.#followWaiting(false);
    const last = this.#lastBatch;
    const { state, closed } = this.#known;
    if (Math.max(this.#claimed, state, closed) > last) this.#damaged(this.#stop);
    return {
      lastBatch: last,
      checksum: this.#checksum,
      stateBatch: this.#stateBatch,
      cut: this.#damage === null ? this.#cut : null,
      used: this.#used,
      filled: this.#filled,
      sizes: this.#sizes,
      unused: this.#unused,
      damage: this.#damage,
    };
  }

  /** What came before the oldest segment is gone; its state must be in the database. */
  #begin({ number, firstBatch, stateBatch }: SegmentHeader): void {
    this.#lastBatch = firstBatch - 1;
    const { state } = this.#known;
    // If it is not told: there was some, or no entry could have been removed.
    const needed = stateBatch ?? (state === 0 ? firstBatch - 1 : 0);
    if (needed <= state) return;
    const text = `the state after batch ${needed} is missing, the database has that after ${state}`;
    this.#damaged(`segment ${number}: ${text}`);
  }

  /** The first damage counts. */
  #damaged(text: string): void {
    this.#damage ??= text === "" ? "the log is missing" : text;
  }

  /** Of a segment that another one follows it is known that all was durable. */
  #followWaiting(isFollowed: boolean): void {
    if (this.#waiting === null || this.#damage !== null) return;
    const { number, bytes } = this.#waiting;
    let at = SEGMENT_HEADER_BYTES;
    // What came before the oldest segment is gone, and with it what its first batch continues.
    let isAnyPrevious = this.#used.length === 1;
    for (;;) {
      const header = readBatchHeader(bytes, at);
      const isNext =
        header !== null &&
        header.number === this.#lastBatch + 1 &&
        (isAnyPrevious || header.previous === this.#checksum);
      if (!isNext || !this.#take(this.#waiting, at, header, isFollowed)) break;
      isAnyPrevious = false;
      this.#lastBatch = header.number;
      this.#checksum = header.checksum;
      at += batchSize(header.directoryBytes, header.payloadBytes);
    }
    this.#filled = at;
    this.#stop = `segment ${number}: batch ${this.#lastBatch + 1} at ${at} cannot be read`;
    this.#claimed = claimedDurable(bytes, at);
    if (isBatchBegun(bytes, at) && !isFollowed) this.#noteCut(at);
  }

  /** Unless it is what an earlier life of the file has left there. */
  #noteCut(at: number): void {
    const { number: segment, bytes } = this.#waiting!;
    const batch = this.#lastBatch + 1;
    const header = readBatchHeader(bytes, at);
    if (header === null || header.number === batch) this.#cut = { batch, segment, at };
  }

  /** False: the batch cannot be read. */
  #take(segment: Segment, at: number, header: BatchHeader, isFollowed: boolean): boolean {
    const { number, bytes } = segment;
    const directoryAt = at + BATCH_HEADER_BYTES;
    const payloadAt = directoryAt + header.directoryBytes;
    const directory = bytes.subarray(directoryAt, payloadAt);
    const payload = bytes.subarray(payloadAt, payloadAt + header.payloadBytes);
    if (checksumOf([directory]) !== header.directoryChecksum) return false;
    const hasState = readHasState(directory, payload.length);
    if (hasState === null) return false;
    if (checksumOf([payload]) !== header.payloadChecksum) {
      const { state, closed } = this.#known;
      const claimed = Math.max(claimedDurable(bytes, payloadAt), state, closed);
      const isDurable = isFollowed || claimed >= header.number;
      const isStateKnown = !hasState || header.number <= state;
      if (!isDurable || !isStateKnown) return false;
    }
    if (hasState) this.#stateBatch = Math.max(this.#stateBatch, header.number);
    this.#visit({ number: header.number, segment: number, payloadAt, directory, payload });
    return true;
  }
}

/** Whether the directory tells of writes to other tables than the log; null: it is no directory. */
function readHasState(directory: Uint8Array, payloadBytes: number): boolean | null {
  let hasState = false;
  const noteState = () => {
    hasState = true;
  };
  const visitor = { entry: () => {}, removed: () => {}, put: noteState, deleted: noteState };
  return visitDirectory(directory, payloadBytes, visitor) ? hasState : null;
}
