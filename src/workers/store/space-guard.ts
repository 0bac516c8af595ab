/**
 * What a store does when the disk has no space for a commit: gives up ballast, and when that is
 * gone waits, until the commit can be written again. A commit that found no space has changed
 * nothing, so the broker need not end: nothing of it is acknowledged before it is durable.
 *
 * ```
 *   has space ── commit fails ──▶ short: pieces of ballast, then waiting ── commit succeeds ──┐
 *      ▲                                                                                     │
 *      └──────────────────────── ballast whole again ◀── filled, a look a second ◀───────────┘
 * ```
 *
 * While it is short, what only adds is refused (`onShort`): not every limit shows in what the file
 * system says is free. Thread: worker. Scope: one per store.
 */

import { statfs } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { BALLAST_PIECE_BYTES, Ballast } from "./ballast.ts";

/** Between two looks at what is free: soon enough for clients that wait. */
const LOOK_MS = 250;
/**
 * Tried blindly after so many looks, and at most so rarely when there seems to be space and is
 * none: quotas do not show. Each failure is a line of lmdb's on stderr.
 */
const LOOKS_MAX = 20;
const FILL_MS = 1000;

const freeSpace = promisify(statfs);

export interface SpaceGuardOptions {
  /** Of the store; the ballast lies beside its data. */
  readonly folder: string;
  /** True when a commit found no space; false when it has some again, also at the beginning. */
  readonly onShort: (isShort: boolean) => void;
  /** The ballast cannot be kept, for a reason that space does not cure. */
  readonly onFault: (error: unknown) => void;
}

export class SpaceGuard {
  readonly #options: SpaceGuardOptions;
  readonly #ballast: Ballast;
  readonly #listeners: (() => void)[] = [];
  /** A commit was waiting when the store was closed, and will never be done. */
  hasGivenUp = false;
  #giveUp = () => {};
  readonly #givenUp = new Promise<void>((resolve) => {
    this.#giveUp = resolve;
  });
  #isShort: boolean | null = null;
  #isClosed = false;
  #fillTimer: NodeJS.Timeout | null = null;
  #wake: (() => void) | null = null;

  constructor(options: SpaceGuardOptions) {
    this.#options = options;
    this.#ballast = new Ballast(join(options.folder, "ballast"));
    this.#fill();
  }

  /** Commits find no space, or did so lately. */
  get isShort(): boolean {
    return this.#isShort === true;
  }

  /** A commit of so many bytes would find space now, as far as can be said. */
  hasRoom(bytes: number): Promise<boolean> {
    // Pages are rarely full.
    return this.#ballast.canGrow(2 * bytes + BALLAST_PIECE_BYTES);
  }

  /** `listener` is called while a commit waits or tries again: that is nobody's fault. */
  onWait(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * A commit has found no space, `tries` times before: resolves when it is worth another try. Never
   * does so when the store is closed meanwhile: it is neither done nor failed, as if the process
   * had ended before.
   */
  async makeRoom(tries: number): Promise<void> {
    this.#notify();
    if (!this.#isClosed && this.makeRoomNow()) return;
    const patience = Math.min(2 ** tries, LOOKS_MAX);
    for (let looks = 1; looks <= LOOKS_MAX && !this.#isClosed; looks++) {
      await this.#sleep();
      this.#notify();
      if (looks >= patience && (await this.#hasSpace())) break;
    }
    this.#fillLater();
    if (!this.#isClosed) return;
    this.hasGivenUp = true;
    this.#giveUp();
    await new Promise<never>(() => {});
  }

  /** The same for who cannot wait. False: there is no ballast left. */
  makeRoomNow(): boolean {
    this.#tell(true);
    this.#fillLater();
    return this.#ballast.give();
  }

  /** Resolves with `commits`, or when one of them has been given up. */
  async unlessGivenUp(commits: Promise<void>): Promise<void> {
    await Promise.race([commits, this.#givenUp]);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#fillTimer !== null) clearTimeout(this.#fillTimer);
    this.#fillTimer = null;
    this.#wake?.();
    this.#ballast.close();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #hasSpace(): Promise<boolean> {
    const { bavail, bsize } = await freeSpace(this.#options.folder);
    return bavail * bsize >= BALLAST_PIECE_BYTES;
  }

  #fillLater(): void {
    if (this.#isClosed || this.#fillTimer !== null) return;
    this.#fillTimer = setTimeout(() => {
      this.#fillTimer = null;
      this.#fill();
    }, FILL_MS).unref();
  }

  #fill(): void {
    this.#ballast.fill().then(() => {
      if (this.#isClosed) return;
      if (this.#ballast.isComplete) this.#tell(false);
      else this.#fillLater();
    }, this.#options.onFault);
  }

  #tell(isShort: boolean): void {
    if (this.#isShort === isShort) return;
    this.#isShort = isShort;
    this.#options.onShort(isShort);
  }
}
