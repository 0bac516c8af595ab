/** How much of each segment is still in some range's log: what can be let go, and what is moved. */

export class SegmentLoads {
  readonly #entries = new Map<number, number>();
  #bytes = 0;

  /** Bytes of all entries that are in some log. */
  get bytes(): number {
    return this.#bytes;
  }

  entriesIn(segment: number): number {
    return this.#entries.get(segment) ?? 0;
  }

  add(segment: number, size: number): void {
    this.#entries.set(segment, this.entriesIn(segment) + 1);
    this.#bytes += size;
  }

  remove(segment: number, size: number): void {
    const left = this.entriesIn(segment) - 1;
    if (left > 0) this.#entries.set(segment, left);
    else this.#entries.delete(segment);
    this.#bytes -= size;
  }
}
