/** One distribution of a message: waits until all who were asked have answered, or never will. */

export class Distribution {
  readonly #settled: (isAnswered: boolean) => void;
  /** One for whoever is still asking. */
  #left = 1;
  #isAnswered = true;

  constructor(settled: (isAnswered: boolean) => void) {
    this.#settled = settled;
  }

  expect(count: number): void {
    this.#left += count;
  }

  settle(count: number, areAnswered: boolean): void {
    this.#left -= count;
    this.#isAnswered &&= areAnswered;
    if (this.#left === 0) this.#settled(this.#isAnswered);
  }

  /** Nobody else is asked. */
  seal(): void {
    this.settle(1, true);
  }
}
