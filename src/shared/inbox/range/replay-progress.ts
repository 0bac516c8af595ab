/**
 * How far a stored session has been handed the retained messages of one subscription: the filter,
 * and the topics. What it is for stands in replay.ts. Scope: one per session at most.
 */

/**
 * Some 30,000 topics of usual length, 4 MiB in memory while a session is awake. A replay that is
 * broken off beyond hands over again what came beyond.
 */
const TOPIC_BYTES_MAX = 1024 * 1024;

export class ReplayProgress {
  readonly filter: string;
  /** In the order in which they were handed over. */
  readonly topics = new Set<string>();
  /** Since the last collection. */
  fresh: string[] = [];
  /** In the store. */
  rowCount = 0;
  #topicBytes = 0;

  constructor(filter: string) {
    this.filter = filter;
  }

  /** Takes what the store has. */
  load(topics: readonly string[]): void {
    for (const topic of topics) this.#remember(topic);
  }

  /** True when that is news. */
  add(topic: string): boolean {
    if (this.#topicBytes >= TOPIC_BYTES_MAX || this.topics.has(topic)) return false;
    this.#remember(topic);
    this.fresh.push(topic);
    return true;
  }

  #remember(topic: string): void {
    this.topics.add(topic);
    this.#topicBytes += topic.length;
  }
}
