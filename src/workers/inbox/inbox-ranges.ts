/**
 * The inbox ranges as the directory has them, by bucket: to group the receivers of a message, to
 * find the worker of a session, and to write a command to the log of its range.
 * Thread: worker. Scope: one per InboxClient and one per InboxService.
 */

import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { endBucket, firstBucket, putRoutingKey } from "../../shared/inbox/range/inbox-key.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import { HASH_BYTES } from "../../shared/range/stable-hash.ts";
import type { RangeClient } from "../ranges/range-client-api.ts";

const BUCKET_COUNT = 0x1000;
/** Nobody serves the bucket: its range is damaged, or no directory has come yet. */
export const NO_RANGE_INDEX = -1;

export class InboxRanges {
  readonly #client: RangeClient;
  readonly #key = new Uint8Array(HASH_BYTES);
  /** By bucket: place of the range in the directory. */
  readonly #indexes = new Int16Array(BUCKET_COUNT).fill(NO_RANGE_INDEX);
  /** By that place. */
  #threads: number[] = [];
  #firstBuckets: number[] = [];
  #isWhole = false;

  constructor(client: RangeClient) {
    this.#client = client;
    client.onDirectory(() => this.#read());
    this.#read();
  }

  /** What would need more of the disk is refused. */
  get isDiskFull(): boolean {
    return this.#client.isDiskFull;
  }

  /** False: routes of stored sessions are missing. */
  get areRoutesWhole(): boolean {
    return this.#client.areRoutesWhole;
  }

  /** Equal for buckets of one range; NO_RANGE_INDEX when none holds it. */
  indexOf(bucket: number): number {
    return this.#indexes[bucket]!;
  }

  /** The worker that has the range of a bucket; 0 when none does. */
  threadOf(bucket: number): number {
    return this.#threads[this.#indexes[bucket]!] ?? 0;
  }

  /** Every bucket has a range that is served. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** One bucket of each range that is served. */
  firstBuckets(): readonly number[] {
    return this.#firstBuckets;
  }

  /** Where to append one command for a bucket; see RangeClient.writer. */
  writer(bucket: number): RecordWriter {
    putRoutingKey(this.#key, bucket);
    return this.#client.writer(ServiceId.INBOX, this.#key);
  }

  #read(): void {
    const ranges = this.#client
      .rangesOf(ServiceId.INBOX)
      .filter((range) => !this.#client.isSetAside(range));
    this.#threads = ranges.map((range) => this.#client.threadOf(range));
    this.#firstBuckets = ranges.map(({ start }) => firstBucket(start));
    this.#indexes.fill(NO_RANGE_INDEX);
    ranges.forEach(({ start, end }, index) => {
      this.#indexes.fill(index, firstBucket(start), endBucket(end));
    });
    this.#isWhole = !this.#indexes.includes(NO_RANGE_INDEX);
  }
}
