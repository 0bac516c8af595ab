/**
 * Values by topic name, for one partition of the retained messages, all tenants: set, get and
 * delete one topic, or scan all topics that a filter matches. The mirror image of the match index:
 * there one topic meets many filters, here one filter meets many topics.
 *
 * Flow: publish 7/8 (retain), subscribe. Thread: worker. Scope: one per worker.
 */

import { assert } from "../base/assert.ts";
import { FIXED_HASH_KEY, type HashKey } from "./level-hash.ts";
import { NO_NODE } from "./node-table.ts";
import { RetainedNodes } from "./retained-nodes.ts";
import { RetainedScan } from "./retained-scan.ts";
import { levelEnd } from "./topic-name.ts";

export class RetainedTrie<T extends object> {
  readonly #nodes: RetainedNodes<T>;
  #size = 0;

  /** `key`: random in production, so that clients cannot choose levels that collide. */
  constructor(key: HashKey = FIXED_HASH_KEY) {
    this.#nodes = new RetainedNodes<T>(key);
  }

  /** Topics that have a value. */
  get size(): number {
    return this.#size;
  }

  get nodeCount(): number {
    return this.#nodes.count;
  }

  get symbolCount(): number {
    return this.#nodes.symbols.count;
  }

  /** Bytes of the trie without the values themselves, and without some hundred bytes per tenant. */
  get memoryBytes(): number {
    return this.#nodes.memoryBytes;
  }

  /**
   * Stores `value` under a valid topic name and returns what was there, or null. `topic` is not
   * kept. O(levels).
   */
  set(tenantId: string, topic: Uint8Array, value: T): T | null {
    assert(topic.length > 0, "a topic name has at least one character");
    let node = this.#nodes.roots.acquire(tenantId);
    for (let from = 0; from <= topic.length; ) {
      const to = levelEnd(topic, from, topic.length);
      const child = this.#child(node, topic, from, to);
      node = child === NO_NODE ? this.#nodes.addChild(node, topic, from, to) : child;
      from = to + 1;
    }
    const previous = this.#nodes.setValue(node, value);
    if (previous === null) this.#size++;
    return previous;
  }

  /** The topic's value, or null. O(levels). */
  get(tenantId: string, topic: Uint8Array): T | null {
    const node = this.#find(tenantId, topic);
    return node === NO_NODE ? null : this.#nodes.valueOf(node);
  }

  /** Removes the topic and returns its value, or null when it had none. O(levels). */
  delete(tenantId: string, topic: Uint8Array): T | null {
    const node = this.#find(tenantId, topic);
    if (node === NO_NODE) return null;
    const previous = this.#nodes.clearValue(node);
    if (previous === null) return null;
    this.#size--;
    this.#nodes.prune(node);
    return previous;
  }

  /**
   * Starts a scan over the topics of a valid filter without share prefix. The bytes are copied.
   * Whoever does not run the scan to its end must `close` it.
   */
  scan(tenantId: string, filter: Uint8Array): RetainedScan<T> {
    return new RetainedScan<T>(this.#nodes, this.#nodes.roots.find(tenantId), filter);
  }

  #find(tenantId: string, topic: Uint8Array): number {
    let node = this.#nodes.roots.find(tenantId);
    for (let from = 0; from <= topic.length && node !== NO_NODE; ) {
      const to = levelEnd(topic, from, topic.length);
      node = this.#child(node, topic, from, to);
      from = to + 1;
    }
    return node;
  }

  #child(node: number, topic: Uint8Array, from: number, to: number): number {
    return this.#nodes.child(node, this.#nodes.symbols.find(topic, from, to - from));
  }
}
