/** What is wrong with a broker's disk: handed to faulty-store.ts in its environment. */

import type { Prng } from "../../src/shared/base/prng.ts";
import type { LogKind } from "../../src/shared/config/config.ts";

/** As it travels. */
export interface FaultyStore {
  readonly log: LogKind;
  readonly faults: StoreFaults;
}

export interface StoreFaults {
  readonly seed: number;
  /**
   * A commit is written up to so many milliseconds after it was asked for: what is killed until
   * then is lost, as an unflushed write is when the power fails.
   */
  readonly writtenLateMs: number;
  /**
   * And is reported up to so many milliseconds after it was flushed: killed until then, it is there
   * unasked.
   */
  readonly toldLateMs: number;
  /** Of the commits of a thread, this one takes `stallMs` to be written. */
  readonly stallAt?: number;
  readonly stallMs?: number;
  /** This one fails, and with it all that follow. */
  readonly failAt?: number;
  /** And has been written all the same. */
  readonly isFailureWritten?: boolean;
  /** Commits are reported before they are written: no broker can keep its promises on this one. */
  readonly isLying?: boolean;
}

/** The checkers must find out what this disk loses. */
export function lyingDisk(prng: Prng): StoreFaults {
  return { seed: prng.u32(), writtenLateMs: 400, toldLateMs: 0, isLying: true };
}

/** Some faults of each kind. */
export function drawFaults(prng: Prng): StoreFaults {
  const late = { writtenLateMs: prng.below(40), toldLateMs: prng.below(20) };
  const stall = prng.chance(0.3)
    ? { stallAt: prng.below(60), stallMs: 500 + prng.below(2500) }
    : {};
  const failure = prng.chance(0.4)
    ? { failAt: prng.below(50), isFailureWritten: prng.chance(0.5) }
    : {};
  return { seed: prng.u32(), ...late, ...stall, ...failure };
}
