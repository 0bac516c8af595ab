/**
 * What a service puts behind a range. One instance per range; it lives on the worker whose store
 * holds the range.
 *
 * The state is in memory as far as it is needed, and in the store. Applying changes memory only and
 * notes what has changed; `collect` writes the notes, a few times per second, into one transaction
 * with the applied index. After a crash the log is applied again from that index. So `apply` must
 * be deterministic: its result may depend on state and command alone. Time, limits and random
 * choices travel in the command.
 *
 * Effects on others (answers, pushes, publishes, routes) go to an output that the service defines.
 * Answers and pushes are for one life of the process only: they are sent if the proposer, or the
 * attachment, belongs to this life (`context.isOwnBoot`), else dropped. What must happen although
 * the process may die (a will, a route, a share group's message for another member) is kept in the
 * state until it is confirmed by a command of its own: an outbox.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { KeyValueReader, KeyValueWriter } from "./key-value.ts";
import type { Steps } from "./steps.ts";

/** Of the command batch being applied. One object, refilled: borrowed until `apply` returns. */
export interface ApplyContext {
  /** Index of the log entry. */
  readonly index: number;
  /** Wall clock of the proposer; never smaller than that of an earlier batch of this range. */
  readonly nowMs: number;
  /** The life of the process that proposed it, and the thread: together they name a worker. */
  readonly boot: number;
  readonly thread: number;
  /** Proposed in this life of this process. */
  readonly isOwnBoot: boolean;
}

export interface RangeStateMachine {
  /** Applies all commands of one batch. `commands` is borrowed. */
  apply(commands: RecordReader, context: ApplyContext): void;
  /**
   * Writes everything that has changed since the last call. The next call comes only after
   * `collected`.
   */
  collect(writer: KeyValueWriter): void;
  /** What the last `collect` wrote is durable and can be read: memory may let go of it. */
  collected(): void;
  /** True when `collect` would write something. */
  readonly isDirty: boolean;
  /**
   * Everything that was in the log at start is applied, and commands of this life follow: repeat
   * what the outbox owes, start timers. Called once.
   */
  goLive(): void;
  /**
   * Where to cut, `at` or, with null, so that about half of the state lies on either side; null:
   * nowhere. Counts ahead what a cut there needs to know; commands may be applied between the
   * steps. A split need not follow, and one that was not planned only takes longer.
   */
  planSplit(at: Uint8Array | null): Steps<Uint8Array | null>;
  /**
   * Gives away the keys from `at` on: the returned machine holds them, in memory, and has noted
   * what must be written for them beyond what the store has under these keys already. This machine
   * has forgotten them. `reader` is for the returned one, which is live if this one is.
   *
   * Until the last step this machine answers for all of its keys as before. Never between `collect`
   * and `collected`; no command is applied and nothing collected between the steps.
   */
  splitOff(at: Uint8Array, reader: KeyValueReader): Steps<RangeStateMachine>;
  /**
   * Takes over the right-hand neighbour's state; `right` is not used any more. Until the last step
   * both answer as before, under the same conditions as with `splitOff`.
   */
  absorb(right: RangeStateMachine): Steps<void>;
  /**
   * Keys held, about; bytes of all that they stand for, in memory or in the store, about: for the
   * split hinter and listings. O(tenants) at most.
   */
  readonly keyCount: number;
  readonly stateBytes: number;
  /** The range leaves this worker, which goes on; not called when the worker ends. */
  close(): void;
}
