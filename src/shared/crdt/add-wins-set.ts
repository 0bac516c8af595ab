/**
 * Add-wins set: of an addition and a concurrent removal of the same element, the addition stays.
 *
 * An OrMap whose keys are the elements and whose values are empty has exactly these semantics (the
 * optimised add-wins set of Almeida, Shoker, Baquero, 2018, §7.3): so this is a view of the keys
 * below a prefix, and is replicated with everything else.
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";
import type { CausalContext } from "./causal-context.ts";
import type { HlcStamp } from "./hlc.ts";
import type { OrMap } from "./or-map.ts";

export class AddWinsSet {
  readonly #map: OrMap;
  readonly #prefix: string;

  /** No other user of the map has keys that begin with `prefix`. */
  constructor(map: OrMap, prefix: string) {
    this.#map = map;
    this.#prefix = prefix;
  }

  /** Touched dots, as OrMap.put. */
  add(element: string, stamp: HlcStamp): CausalContext {
    return this.#map.put(this.#prefix + element, NO_BYTES, stamp);
  }

  remove(element: string): CausalContext {
    return this.#map.remove(this.#prefix + element);
  }

  has(element: string): boolean {
    return this.#map.entries(this.#prefix + element).length > 0;
  }

  /** In no particular order. O(keys of the map). */
  elements(): string[] {
    const found: string[] = [];
    for (const key of this.#map.keys()) {
      if (key.startsWith(this.#prefix)) found.push(key.slice(this.#prefix.length));
    }
    return found;
  }
}
