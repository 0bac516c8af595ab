/**
 * Latencies as HDR histograms: three significant digits from 1 µs to 10 minutes, mergeable over
 * processes, small enough to travel as text. The only importer of hdr-histogram-js.
 *
 * Written in JavaScript mode: the WebAssembly form pays for a call across its border on every
 * value.
 */

import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from "hdr-histogram-js";

const HIGHEST_MICROS = 600_000_000;
const SIGNIFICANT_DIGITS = 3;

/** Microseconds. All 0 where nothing was recorded. */
export interface Percentiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Percentages at which a latency curve is drawn: three points per decade of rarity. */
export const CURVE_PERCENTS: readonly number[] = [
  0, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 99.999, 100,
];

/** Values below are counted one by one, above with 10 significant bits. */
const EXACT_LIMIT = 2048;
const SUB_BUCKET_BITS = 10;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
/** 2^30 µs is beyond HIGHEST_MICROS. */
const RECORDER_SLOTS = (31 - SUB_BUCKET_BITS) * SUB_BUCKETS;

/**
 * Takes a value in three nanoseconds, for the generator's hot path: the histogram's own method
 * takes sixty, which is more than a delivery costs a good broker. The same buckets, kept as counts
 * until somebody asks.
 *
 *   0..2047               the value itself
 *   2^k..2^(k+1)-1        1024 slots: the value without its lowest k - 10 bits
 */
export class LatencyRecorder {
  readonly #counts = new Uint32Array(RECORDER_SLOTS);

  record(micros: number): void {
    const value = micros < HIGHEST_MICROS ? micros | 0 : HIGHEST_MICROS;
    const shift = value < EXACT_LIMIT ? 0 : 31 - SUB_BUCKET_BITS - Math.clz32(value);
    this.#counts[(shift << SUB_BUCKET_BITS) + (value >>> shift)]! += 1;
  }

  reset(): void {
    this.#counts.fill(0);
  }

  histogram(): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (let slot = 0; slot < RECORDER_SLOTS; slot += 1) {
      const count = this.#counts[slot]!;
      if (count === 0) continue;
      const shift = slot < EXACT_LIMIT ? 0 : (slot >>> SUB_BUCKET_BITS) - 1;
      histogram.record((slot - (shift << SUB_BUCKET_BITS)) << shift, count);
    }
    return histogram;
  }
}

export class LatencyHistogram {
  #histogram: Histogram = newHistogram();

  record(micros: number, count = 1): void {
    this.#histogram.recordValueWithCount(Math.min(micros, HIGHEST_MICROS), count);
  }

  merge(other: LatencyHistogram): void {
    this.#histogram.add(other.#histogram);
  }

  percentiles(): Percentiles {
    const histogram = this.#histogram;
    const count = histogram.totalCount;
    if (count === 0) return { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
    const at = (percent: number) => histogram.getValueAtPercentile(percent);
    const max = histogram.maxValue;
    return {
      count,
      mean: histogram.mean,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max,
    };
  }

  /** Microseconds at each of CURVE_PERCENTS. */
  curve(): number[] {
    return CURVE_PERCENTS.map((percent) => this.#histogram.getValueAtPercentile(percent));
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  static decode(text: string): LatencyHistogram {
    const decoded = new LatencyHistogram();
    decoded.#histogram = decodeFromCompressedBase64(text, 32, false);
    return decoded;
  }

  /** Of any number of encoded histograms. */
  static merged(texts: readonly string[]): LatencyHistogram {
    const sum = new LatencyHistogram();
    for (const text of texts) sum.merge(LatencyHistogram.decode(text));
    return sum;
  }
}

function newHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_MICROS,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
    autoResize: false,
    useWebAssembly: false,
  });
}
