/** A range's stored state in a map: what state machines are tested with. */

import type { KeyValue, KeyValueReader, KeyValueWriter } from "../../src/shared/range/key-value.ts";
import { compareKeys } from "../../src/shared/range/range-descriptor.ts";

export class MapKeyValues implements KeyValueReader {
  readonly #values = new Map<string, KeyValue>();
  /** Gathered by `writer`, visible after `commit`. */
  #gathered: { key: Uint8Array; value: Uint8Array | null }[] = [];

  readonly writer: KeyValueWriter = {
    put: (key, value) => {
      this.#gathered.push({ key: key.slice(), value: value.slice() });
    },
    delete: (key) => {
      this.#gathered.push({ key: key.slice(), value: null });
    },
  };

  get size(): number {
    return this.#values.size;
  }

  /** Makes what was gathered durable; returns how many writes that were. */
  commit(): number {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const { key, value } of gathered) {
      const name = Buffer.from(key).toString("latin1");
      if (value === null) this.#values.delete(name);
      else this.#values.set(name, { key, value });
    }
    return gathered.length;
  }

  /** The process dies: what was not committed is lost. */
  crash(): void {
    this.#gathered = [];
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#values.get(Buffer.from(key).toString("latin1"))?.value.slice() ?? null;
  }

  scan(
    start: Uint8Array,
    end: Uint8Array | null,
    maxEntries: number,
    maxBytes: number,
  ): readonly KeyValue[] {
    const inside = [...this.#values.values()]
      .filter(({ key }) => compareKeys(key, start) >= 0)
      .filter(({ key }) => end === null || compareKeys(key, end) < 0)
      .sort((left, right) => compareKeys(left.key, right.key));
    const page: KeyValue[] = [];
    let bytes = 0;
    for (const pair of inside) {
      if (page.length === maxEntries || (bytes >= maxBytes && page.length > 0)) break;
      page.push({ key: pair.key.slice(), value: pair.value.slice() });
      bytes += pair.value.length;
    }
    return page;
  }
}
