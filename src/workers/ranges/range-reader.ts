/**
 * The stored state of one range, as its machine reads it: the store's state of the service, cut to
 * the range's bounds, which move with splits and merges. Reads throw StateDamage for a row that is
 * not as it was written: what a machine makes of half its state is nothing to go on with. Thread:
 * worker. Scope: one per machine.
 */

import type { KeyValue, KeyValueReader } from "../../shared/range/key-value.ts";
import { clipToRange, type RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import type { LogStore } from "../store/log-store.ts";
import { StateDamage } from "../store/state-seal.ts";

export class RangeReader implements KeyValueReader {
  /** Replaced when the bounds change. */
  range: RangeDescriptor;
  readonly #store: LogStore;

  constructor(store: LogStore, range: RangeDescriptor) {
    this.#store = store;
    this.range = range;
  }

  get(key: Uint8Array): Uint8Array | null {
    try {
      return this.#store.get(this.range.service, key);
    } catch (error) {
      throw this.#noted(error);
    }
  }

  scan(
    start: Uint8Array,
    end: Uint8Array | null,
    maxEntries: number,
    maxBytes: number,
  ): readonly KeyValue[] {
    const { range } = this;
    const [from, to] = clipToRange(range, start, end);
    try {
      return this.#store.scan(range.service, from, to, { maxEntries, maxBytes });
    } catch (error) {
      throw this.#noted(error);
    }
  }

  /** Noted before it is thrown on: it ends the thread, and the next one sets the range aside. */
  #noted(error: unknown): unknown {
    if (error instanceof StateDamage) this.#store.noteDamage(this.range.id, error);
    return error;
  }
}
