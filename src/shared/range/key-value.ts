/**
 * The stored state of a range as its state machine sees it: ordered byte keys (compared as unsigned
 * bytes), byte values, within the range's bounds. Keys are 1 to 1,900 bytes.
 */

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Reads see what was collected and is durable, nothing newer: what a state machine has not
 * collected, or whose collection is not yet durable, it must still hold in memory. Synchronous, a
 * few microseconds per key while the pages are in the system's cache. What is returned is owned by
 * the caller.
 */
export interface KeyValueReader {
  get(key: Uint8Array): Uint8Array | null;
  /**
   * Keys from `start` up to, not including, `end` (null: the range's end), in order, at most
   * `maxEntries` and about `maxBytes` of values, at least one if there is one. Continue behind the
   * last key.
   */
  scan(
    start: Uint8Array,
    end: Uint8Array | null,
    maxEntries: number,
    maxBytes: number,
  ): readonly KeyValue[];
}

/** `key` and `value` are copied before the call returns. Order counts: the last write wins. */
export interface KeyValueWriter {
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
}
