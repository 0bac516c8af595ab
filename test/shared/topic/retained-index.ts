/** A RetainedTrie spoken to in strings; each value carries the topic it was set for. */

import type { RetainedScan } from "../../../src/shared/topic/retained-scan.ts";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { utf8 } from "./topics.ts";

export interface Retained {
  readonly topic: string;
}

export class RetainedIndex {
  readonly trie = new RetainedTrie<Retained>();

  set(topic: string, tenantId = "t"): Retained {
    const value: Retained = { topic };
    this.trie.set(tenantId, utf8(topic), value);
    return value;
  }

  get(topic: string, tenantId = "t"): Retained | null {
    return this.trie.get(tenantId, utf8(topic));
  }

  delete(topic: string, tenantId = "t"): Retained | null {
    return this.trie.delete(tenantId, utf8(topic));
  }

  scan(filter: string, tenantId = "t"): RetainedScan<Retained> {
    return this.trie.scan(tenantId, utf8(filter));
  }

  /** Topics of a whole scan, sorted, taken `batch` at a time. */
  topics(filter: string, batch = 100, tenantId = "t"): string[] {
    const scan = this.scan(filter, tenantId);
    const found: Retained[] = [];
    while (!scan.next(batch, found));
    return found.map((value) => value.topic).sort();
  }
}
