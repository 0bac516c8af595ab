/**
 * Starts one thing after the other, each of which ends by a callback, so many at a time: each that
 * ends starts the next, so that neither a log nor anybody's turn is filled by a long list.
 *
 * Thread: any; not re-entrant. Scope: one per list.
 */

/** Under way at the same time: about a commit's worth. */
const UNDER_WAY_MAX = 2000;

export class BoundedRun<Item> {
  readonly #left: Iterator<Item>;
  readonly #start: (item: Item, done: (isDone: boolean) => void) => void;
  readonly #finished: (areAllDone: boolean) => void;
  #underWay = 0;
  #areAllDone = true;
  #isAtEnd = false;
  #isStarting = false;

  /** `finished` is called once, with whether every item was done; at once if there is none. */
  constructor(
    items: Iterator<Item>,
    start: (item: Item, done: (isDone: boolean) => void) => void,
    finished: (areAllDone: boolean) => void,
  ) {
    this.#left = items;
    this.#start = start;
    this.#finished = finished;
    this.#run();
  }

  #run(): void {
    // What ends at once must not nest.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (!this.#isAtEnd && this.#underWay < UNDER_WAY_MAX) {
      const next = this.#left.next();
      if (next.done === true) this.#isAtEnd = true;
      else this.#startOne(next.value);
    }
    this.#isStarting = false;
    if (this.#isAtEnd && this.#underWay === 0) this.#finished(this.#areAllDone);
  }

  #startOne(item: Item): void {
    this.#underWay += 1;
    this.#start(item, (isDone) => {
      this.#underWay -= 1;
      this.#areAllDone &&= isDone;
      this.#run();
    });
  }
}
