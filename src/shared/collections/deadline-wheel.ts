/**
 * Coarse deadlines for very many items: keep alive, connect timeout, stalled connections.
 *
 * Why not one timer each: a timer object per connection costs memory, and resetting it per packet
 * costs time. Here an item stands in the bucket of its deadline's tick; who is still active at that
 * time is put back for later. Resolution: one tick. All operations O(1), `poll` O(items due).
 * Thread: worker. Scope: one per purpose.
 */

const TICK_MS = 500;

export class DeadlineWheel<T extends object> {
  readonly #buckets = new Map<number, Set<T>>();
  readonly #ticks = new Map<T, number>();
  #polledTick: number;

  constructor(nowMs: number) {
    this.#polledTick = Math.floor(nowMs / TICK_MS);
  }

  get size(): number {
    return this.#ticks.size;
  }

  /**
   * Sets or moves the deadline of `item`. It fires at the first `poll` at least one tick after
   * `deadlineMs`.
   */
  schedule(item: T, deadlineMs: number): void {
    this.cancel(item);
    const tick = Math.max(this.#polledTick + 1, Math.floor(deadlineMs / TICK_MS) + 1);
    const bucket = this.#buckets.get(tick);
    if (bucket === undefined) this.#buckets.set(tick, new Set([item]));
    else bucket.add(item);
    this.#ticks.set(item, tick);
  }

  cancel(item: T): void {
    const tick = this.#ticks.get(item);
    if (tick === undefined) return;
    this.#ticks.delete(item);
    const bucket = this.#buckets.get(tick);
    bucket?.delete(item);
    if (bucket?.size === 0) this.#buckets.delete(tick);
  }

  /** Hands every due item to `expire`, which may schedule it again. */
  poll(nowMs: number, expire: (item: T) => void): void {
    const dueTick = Math.floor(nowMs / TICK_MS);
    while (this.#polledTick < dueTick) {
      this.#polledTick += 1;
      const bucket = this.#buckets.get(this.#polledTick);
      if (bucket === undefined) continue;
      this.#buckets.delete(this.#polledTick);
      for (const item of bucket) {
        // Cancelled or moved by one that expired before it.
        if (this.#ticks.get(item) !== this.#polledTick) continue;
        this.#ticks.delete(item);
        expire(item);
      }
    }
  }
}
