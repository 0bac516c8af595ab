/**
 * Calls and returns of a history in the order of time, as a doubly linked list from which an
 * operation can be lifted out and put back in O(1).
 *
 *   head <-> call 0 <-> call 1 <-> return 0 <-> call 2 <-> return 2 <-> return 1 <-> END
 *
 * Event n below the number of operations is the call of operation n; `count + n` is its return. An
 * operation without an answer has no return event: nothing ever has to wait for it.
 */

import type { Operation } from "./operation.ts";

export const END = -1;

export class TimeLine {
  readonly #count: number;
  readonly #head: number;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #isOpen: Uint8Array;

  constructor(operations: readonly Operation[]) {
    this.#count = operations.length;
    this.#head = operations.length * 2;
    this.#next = new Int32Array(this.#head + 1).fill(END);
    this.#previous = new Int32Array(this.#head + 1).fill(END);
    this.#isOpen = Uint8Array.from(operations, ({ returnedAt }) => Number(returnedAt === Infinity));
    let last = this.#head;
    for (const event of this.#inOrder(operations)) {
      this.#next[last] = event;
      this.#previous[event] = last;
      last = event;
    }
  }

  get first(): number {
    return this.#next[this.#head] ?? END;
  }

  after(event: number): number {
    return this.#next[event] ?? END;
  }

  isCall(event: number): boolean {
    return event < this.#count;
  }

  /** Takes an operation's events out of the list; they remember where they stood. */
  lift(operation: number): void {
    this.#unlink(operation);
    if (this.#isOpen[operation] === 0) this.#unlink(operation + this.#count);
  }

  /**
   * Reverses the newest `lift` that has not been reversed; in any other order it breaks the list.
   */
  putBack(operation: number): void {
    if (this.#isOpen[operation] === 0) this.#relink(operation + this.#count);
    this.#relink(operation);
  }

  #unlink(event: number): void {
    const next = this.#next[event] ?? END;
    const previous = this.#previous[event] ?? END;
    this.#next[previous] = next;
    if (next !== END) this.#previous[next] = previous;
  }

  #relink(event: number): void {
    const next = this.#next[event] ?? END;
    this.#next[this.#previous[event] ?? END] = event;
    if (next !== END) this.#previous[next] = event;
  }

  /** At equal times calls come first: operations that touch count as concurrent. */
  #inOrder(operations: readonly Operation[]): number[] {
    const timeOf = (event: number): number => {
      const operation = operations[event % this.#count];
      if (operation === undefined) return Infinity;
      return this.isCall(event) ? operation.calledAt : operation.returnedAt;
    };
    const events = Array.from({ length: this.#head }, (_none, event) => event);
    return events
      .filter((event) => this.isCall(event) || this.#isOpen[event - this.#count] === 0)
      .sort((left, right) => timeOf(left) - timeOf(right) || left - right);
  }
}
