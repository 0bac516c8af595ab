/**
 * What a run does over and over, several times at once. A chain that breaks, because the broker has
 * gone, is remembered until the run is asked for its end: nobody waits for it before.
 */

export class Chains {
  #running: Promise<void>[] = [];
  #failure: Error | null = null;

  /** Runs chains 0..count-1; each resolves when it has been told to stop. */
  start(count: number, run: (chain: number) => Promise<void>): void {
    this.#running = Array.from({ length: count }, (_none, chain) =>
      run(chain).catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      }),
    );
  }

  /** Resolves when all have ended; throws what broke the first one that broke. */
  async over(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== null) throw this.#failure;
  }
}
