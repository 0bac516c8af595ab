/**
 * What will happen, by virtual time: a binary heap whose keys lie in typed arrays. An event is a
 * row of numbers and one subject; pushing and popping allocate nothing once the arrays have grown,
 * and no closure is made per event.
 *
 *   heap:  [row, row, ...]  ordered by (time, order of pushing)
 *   rows:  time | order | kind | node | generation | subject        free rows form a stack
 *
 * Events at the same time leave in the order in which they were pushed: runs are reproducible.
 */

/** Rows at the start; a five-node cluster has a few hundred events pending. */
const INITIAL_ROWS = 1024;

export class EventQueue {
  #times = new Float64Array(INITIAL_ROWS);
  #orders = new Float64Array(INITIAL_ROWS);
  #kinds = new Uint8Array(INITIAL_ROWS);
  #nodes = new Int32Array(INITIAL_ROWS);
  #generations = new Int32Array(INITIAL_ROWS);
  #subjects: unknown[] = new Array(INITIAL_ROWS).fill(null);
  #heap = new Int32Array(INITIAL_ROWS);
  #freeRows = new Int32Array(INITIAL_ROWS);
  #freeCount = 0;
  #rowCount = 0;
  #size = 0;
  #pushed = 0;

  /** The event popped last. */
  time = 0;
  kind = 0;
  node = 0;
  generation = 0;
  subject: unknown = null;

  get size(): number {
    return this.#size;
  }

  /** Infinity when there is none. */
  get nextTime(): number {
    return this.#size === 0 ? Infinity : (this.#times[this.#heap[0] as number] as number);
  }

  /** Forgets everything, keeps the memory. */
  clear(): void {
    this.#subjects.fill(null);
    this.#freeCount = 0;
    this.#rowCount = 0;
    this.#size = 0;
    this.#pushed = 0;
    this.time = 0;
    this.subject = null;
  }

  push(time: number, kind: number, node: number, generation: number, subject: unknown): void {
    const row = this.#takeRow();
    this.#times[row] = time;
    this.#orders[row] = this.#pushed;
    this.#pushed += 1;
    this.#kinds[row] = kind;
    this.#nodes[row] = node;
    this.#generations[row] = generation;
    this.#subjects[row] = subject;
    this.#siftUp(this.#size, row);
    this.#size += 1;
  }

  /** Moves the earliest event into the fields; false when there is none. */
  pop(): boolean {
    if (this.#size === 0) return false;
    const row = this.#heap[0] as number;
    this.time = this.#times[row] as number;
    this.kind = this.#kinds[row] as number;
    this.node = this.#nodes[row] as number;
    this.generation = this.#generations[row] as number;
    this.subject = this.#subjects[row];
    this.#subjects[row] = null;
    this.#freeRows[this.#freeCount] = row;
    this.#freeCount += 1;
    this.#size -= 1;
    if (this.#size > 0) this.#siftDown(this.#heap[this.#size] as number);
    return true;
  }

  #takeRow(): number {
    if (this.#freeCount > 0) {
      this.#freeCount -= 1;
      return this.#freeRows[this.#freeCount] as number;
    }
    if (this.#rowCount === this.#times.length) this.#grow();
    this.#rowCount += 1;
    return this.#rowCount - 1;
  }

  #isEarlier(left: number, right: number): boolean {
    const difference = (this.#times[left] as number) - (this.#times[right] as number);
    if (difference !== 0) return difference < 0;
    return (this.#orders[left] as number) < (this.#orders[right] as number);
  }

  #siftUp(start: number, row: number): void {
    let place = start;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      const above = this.#heap[parent] as number;
      if (!this.#isEarlier(row, above)) break;
      this.#heap[place] = above;
      place = parent;
    }
    this.#heap[place] = row;
  }

  #siftDown(row: number): void {
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= this.#size) break;
      const sibling = child + 1;
      if (
        sibling < this.#size &&
        this.#isEarlier(this.#heap[sibling] as number, this.#heap[child] as number)
      ) {
        child = sibling;
      }
      const below = this.#heap[child] as number;
      if (!this.#isEarlier(below, row)) break;
      this.#heap[place] = below;
      place = child;
    }
    this.#heap[place] = row;
  }

  #grow(): void {
    const rows = this.#times.length * 2;
    this.#times = grown(this.#times, new Float64Array(rows));
    this.#orders = grown(this.#orders, new Float64Array(rows));
    this.#kinds = grown(this.#kinds, new Uint8Array(rows));
    this.#nodes = grown(this.#nodes, new Int32Array(rows));
    this.#generations = grown(this.#generations, new Int32Array(rows));
    this.#heap = grown(this.#heap, new Int32Array(rows));
    this.#freeRows = grown(this.#freeRows, new Int32Array(rows));
    while (this.#subjects.length < rows) this.#subjects.push(null);
  }
}

function grown<T extends Float64Array | Int32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
