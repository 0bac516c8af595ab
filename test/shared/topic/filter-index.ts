/** A FilterTrie spoken to in strings, and its naive counterpart, for the tests of this folder. */

import { FilterTrie } from "../../../src/shared/topic/filter-trie.ts";
import type { HashKey } from "../../../src/shared/topic/level-hash.ts";
import { matchesFilter } from "../../../src/shared/topic/topic-filter.ts";
import { utf8 } from "./topics.ts";

export class FilterIndex {
  readonly trie: FilterTrie;

  constructor(key?: HashKey) {
    this.trie = new FilterTrie(key);
  }

  insert(filter: string, tenantId = "t"): number {
    const bytes = utf8(`/${filter}/`);
    return this.trie.insert(this.trie.tenantRoot(tenantId), bytes, 1, bytes.length - 2);
  }

  find(filter: string, tenantId = "t"): number {
    const bytes = utf8(`/${filter}/`);
    return this.trie.find(this.trie.findTenant(tenantId), bytes, 1, bytes.length - 2);
  }

  remove(filter: string, tenantId = "t"): void {
    this.trie.remove(this.find(filter, tenantId));
  }

  matchNodes(topic: string, tenantId = "t"): number[] {
    const bytes = utf8(`/${topic}/`);
    const root = this.trie.findTenant(tenantId);
    const count = this.trie.match(root, bytes, 1, bytes.length - 2);
    return [...this.trie.matches.subarray(0, count)];
  }

  /** Matching filters, sorted. */
  match(topic: string, tenantId = "t"): string[] {
    return this.matchNodes(topic, tenantId)
      .map((node) => this.trie.filterOf(node))
      .sort();
  }
}

/** What `FilterIndex.match` should say. */
export function naiveMatch(filters: Iterable<string>, topic: string): string[] {
  return [...new Set(filters)].filter((filter) => matchesFilter(filter, topic)).sort();
}
