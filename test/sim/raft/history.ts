/**
 * What the clients saw, in the words of the linearizability checker. Times are numbers of a counter
 * that moves with every call and return, so that no two are equal.
 */

import { checkRegisters, type RegisterOperation } from "../lin/register.ts";
import { violate } from "./checkers/violation.ts";
import type { ClientOperation } from "./client.ts";
import { REPLACED } from "./kv-machine.ts";

/** A tenth of a second; nearly all histories need a hundredth of it. */
const STEP_LIMIT = 100_000;

export class History {
  readonly #operations: RegisterOperation[] = [];
  readonly #isKept: boolean;
  #clock = 0;

  /** Short runs are kept and checked as a whole; for the others this is a clock. */
  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  get size(): number {
    return this.#operations.length;
  }

  /** The time of a call. */
  now(): number {
    this.#clock += 1;
    return this.#clock;
  }

  noteReturned(operation: ClientOperation, result: number): void {
    const returnedAt = this.now();
    if (!this.#isKept) return;
    const { kind, key, calledAt, value, expected } = operation;
    const times = { key, calledAt, returnedAt };
    if (kind === "read") this.#operations.push({ ...times, kind, value: result });
    else if (kind === "write") this.#operations.push({ ...times, kind, value });
    else this.#operations.push({ ...times, kind, expected, value, isDone: result === REPLACED });
  }

  /** Nobody will ever know what became of it. */
  noteLost(operation: ClientOperation): void {
    const { kind, key, calledAt, value, expected } = operation;
    if (!this.#isKept || kind === "read") return;
    const times = { key, calledAt, returnedAt: Infinity };
    if (kind === "write") this.#operations.push({ ...times, kind, value });
    else this.#operations.push({ ...times, kind, expected, value, isDone: null });
  }

  /**
   * Invariant 11. Returns how many keys stay undecided, because too many operations on them were
   * lost.
   */
  check(): number {
    const doubtful = checkRegisters(this.#operations, STEP_LIMIT);
    for (const { key, verdict, longestOrder, operations } of doubtful) {
      if (verdict !== "violated") continue;
      const text = `no order explains the ${operations.length} operations on key ${key}`;
      violate("linearizable", `${text}; the longest attempt places ${longestOrder.length}`);
    }
    return doubtful.length;
  }
}
