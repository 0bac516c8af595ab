/**
 * Which range holds which key: one version of the picture that main hands to every worker. A
 * picture is never changed; a newer one takes its place.
 *
 *   directory   version u64 | isDiskFull u8 | areRoutesWhole u8 | count u32
 *               | { descriptor (descriptor-codec.ts) | isDamaged u8 } ...
 *
 * Ranges of a service never overlap. There may be holes: a range whose record cannot be read is not
 * in the directory. Thread: any. Scope: one current per thread.
 */

import { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { readDescriptor, writeDescriptor } from "./descriptor-codec.ts";
import { compareKeys, type RangeDescriptor, type RangeId } from "./range-descriptor.ts";
import type { ServiceId } from "./service-id.ts";

/** What workers have to know beside the ranges. */
export interface NodeCondition {
  readonly isDiskFull: boolean;
  readonly areRoutesWhole: boolean;
  /** Ranges of the directory that are set aside. */
  readonly damaged: ReadonlySet<RangeId>;
}

export const GOOD_CONDITION: NodeCondition = {
  isDiskFull: false,
  areRoutesWhole: true,
  damaged: new Set(),
};

const NO_RANGES: readonly RangeDescriptor[] = [];

export class RangeDirectory {
  /** Grows with every change. */
  readonly version: number;
  /**
   * True: what would need more disk is not to be proposed. What frees some, and what must not wait,
   * goes on.
   */
  readonly isDiskFull: boolean;
  /**
   * False: routes of stored sessions are missing, so nobody can say who wants a message. Nothing of
   * QoS 1 or 2 may be acknowledged.
   */
  readonly areRoutesWhole: boolean;
  /** Sorted by service, then by first key. */
  readonly ranges: readonly RangeDescriptor[];
  readonly #byService: readonly (readonly RangeDescriptor[])[];
  readonly #byId: ReadonlyMap<RangeId, RangeDescriptor>;
  readonly #damaged: ReadonlySet<RangeId>;

  constructor(
    version: number,
    ranges: readonly RangeDescriptor[],
    { isDiskFull, areRoutesWhole, damaged }: NodeCondition = GOOD_CONDITION,
  ) {
    this.version = version;
    this.isDiskFull = isDiskFull;
    this.areRoutesWhole = areRoutesWhole;
    this.#damaged = damaged;
    this.ranges = [...ranges].sort(byServiceAndStart);
    const byService: RangeDescriptor[][] = [];
    for (const range of this.ranges) {
      byService[range.service] ??= [];
      byService[range.service]!.push(range);
    }
    this.#byService = byService;
    this.#byId = new Map(this.ranges.map((range) => [range.id, range]));
  }

  get(id: RangeId): RangeDescriptor | null {
    return this.#byId.get(id) ?? null;
  }

  /** It is set aside: nobody serves it. */
  isDamaged(id: RangeId): boolean {
    return this.#damaged.has(id);
  }

  /** The service's ranges, in order of their keys. */
  of(service: ServiceId): readonly RangeDescriptor[] {
    return this.#byService[service] ?? NO_RANGES;
  }

  /** The range that holds `key`; null when none does. O(log n), allocates nothing. */
  find(service: ServiceId, key: Uint8Array): RangeDescriptor | null {
    const ranges = this.of(service);
    let low = 0;
    let high = ranges.length;
    // Invariant: ranges below `low` start at or before the key, those from `high` on behind it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(ranges[middle]!.start, key) <= 0) low = middle + 1;
      else high = middle;
    }
    const range = low === 0 ? null : ranges[low - 1]!;
    if (range === null || range.end === null) return range;
    return compareKeys(key, range.end) < 0 ? range : null;
  }

  /** The range that begins where `range` ends; null when there is none. */
  rightOf(range: RangeDescriptor): RangeDescriptor | null {
    const { end } = range;
    if (end === null) return null;
    return this.of(range.service).find(({ start }) => compareKeys(start, end) === 0) ?? null;
  }
}

export const EMPTY_DIRECTORY = new RangeDirectory(0, NO_RANGES);

export function encodeDirectory(directory: RangeDirectory): Uint8Array {
  const writer = new RecordWriter(1024);
  writer.u64(directory.version);
  writer.u8(directory.isDiskFull ? 1 : 0);
  writer.u8(directory.areRoutesWhole ? 1 : 0);
  writer.u32(directory.ranges.length);
  for (const range of directory.ranges) {
    writeDescriptor(writer, range);
    writer.u8(directory.isDamaged(range.id) ? 1 : 0);
  }
  return writer.bytes.slice(0, writer.size);
}

/** Null if these are not the bytes of a directory. */
export function readDirectory(reader: WireReader): RangeDirectory | null {
  const version = reader.u64();
  const isDiskFull = reader.u8() === 1;
  const areRoutesWhole = reader.u8() === 1;
  const ranges: RangeDescriptor[] = [];
  const damaged = new Set<RangeId>();
  for (let left = reader.u32(); left > 0; left--) {
    const range = readDescriptor(reader);
    if (range === null) return null;
    ranges.push(range);
    if (reader.u8() === 1) damaged.add(range.id);
  }
  return reader.isMalformed || !reader.isAtEnd
    ? null
    : new RangeDirectory(version, ranges, { isDiskFull, areRoutesWhole, damaged });
}

function byServiceAndStart(left: RangeDescriptor, right: RangeDescriptor): number {
  return left.service - right.service || compareKeys(left.start, right.start);
}
