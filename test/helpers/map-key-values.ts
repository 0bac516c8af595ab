/** A range's stored state in a map: what state machines are tested with. */

import type { KeyValue, KeyValueReader, KeyValueWriter } from "../../src/shared/range/key-value.ts";

/** By key, one unit per byte: strings sort as the bytes do. */
type Values = Map<string, KeyValue>;

export class MapKeyValues implements KeyValueReader {
  readonly #values: Values = new Map();
  /** Names of `#values` in order; null while they are not known. */
  #sorted: string[] | null = null;
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
    this.#sorted = null;
    for (const { key, value } of gathered) {
      const name = nameOf(key);
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
    return this.#values.get(nameOf(key))?.value.slice() ?? null;
  }

  scan(
    start: Uint8Array,
    end: Uint8Array | null,
    maxEntries: number,
    maxBytes: number,
  ): readonly KeyValue[] {
    this.#sorted ??= [...this.#values.keys()].sort();
    const names = this.#sorted;
    const last = end === null ? null : nameOf(end);
    const page: KeyValue[] = [];
    let bytes = 0;
    for (let at = firstFrom(names, nameOf(start)); at < names.length; at++) {
      const name = names[at]!;
      if (last !== null && name >= last) break;
      if (page.length === maxEntries || (bytes >= maxBytes && page.length > 0)) break;
      const { key, value } = this.#values.get(name)!;
      page.push({ key: key.slice(), value: value.slice() });
      bytes += value.length;
    }
    return page;
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

/** Index of the first name that is not before `name`. */
function firstFrom(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
