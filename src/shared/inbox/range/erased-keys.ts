/**
 * Keys that a cut or merge has made meaningless, and that the store still has: removed by the next
 * collection ahead of everything else, and not to be read until then. Scope: one per range.
 */

import { nameOf } from "../../range/key-bytes.ts";
import type { KeyValueWriter } from "../../range/key-value.ts";

export class ErasedKeys {
  readonly #keys = new Map<string, Uint8Array>();

  get size(): number {
    return this.#keys.size;
  }

  add(keys: readonly Uint8Array[]): void {
    for (const key of keys) this.#keys.set(nameOf(key), key);
  }

  has(key: Uint8Array): boolean {
    return this.#keys.size > 0 && this.#keys.has(nameOf(key));
  }

  collect(writer: KeyValueWriter): void {
    for (const key of this.#keys.values()) writer.delete(key);
    this.#keys.clear();
  }

  /** Moves the keys for which `moves` says so. */
  moveTo(target: ErasedKeys, moves: (key: Uint8Array) => boolean): void {
    for (const [name, key] of this.#keys) {
      if (!moves(key)) continue;
      this.#keys.delete(name);
      target.#keys.set(name, key);
    }
  }
}
