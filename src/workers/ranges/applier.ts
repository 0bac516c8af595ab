/**
 * Applies log entries to a range, in order: commands go to its machine, behind the fence of its
 * boundary version; what changes the range itself goes to RangeChanges.
 *
 * Flow: replicated command 5/6, after the entry is durable and committed. Thread: worker. Scope:
 * one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { decodeConfChange } from "../../shared/raft/conf-change-codec.ts";
import { applyConfChangeTo } from "../../shared/raft/config-change.ts";
import { type Entry, EntryType } from "../../shared/raft/entry.ts";
import { BatchKind, blankHeader, readBatchHeader } from "../../shared/range/command-batch.ts";
import { NO_RANGE } from "../../shared/range/range-descriptor.ts";
import type { ApplyContext } from "../../shared/range/range-state-machine.ts";
import { StateDamage } from "../store/state-seal.ts";
import type { HostedRange } from "./hosted-range.ts";
import type { ProposerAnswers } from "./proposer-answers.ts";
import type { RangeChanges } from "./range-changes.ts";

/** A machine cannot take an entry of its log. */
export class EntryFailure extends Error {
  override readonly name = "EntryFailure";
  readonly index: number;

  constructor(index: number, cause: unknown) {
    const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`log entry ${index}: applying it failed (${text})`, { cause });
    this.index = index;
  }
}

type MutableContext = { -readonly [K in keyof ApplyContext]: ApplyContext[K] };

export interface ApplierOptions {
  readonly answers: ProposerAnswers;
  readonly changes: RangeChanges;
  readonly isAlive: (boot: number, thread: number) => boolean;
  /** Monotonic, milliseconds with fractions: what a range costs. */
  readonly clockMs: () => number;
}

export class Applier {
  readonly #options: ApplierOptions;
  readonly #reader = new RecordReader();
  readonly #header = blankHeader();
  readonly #context: MutableContext = {
    index: 0,
    nowMs: 0,
    boot: 0,
    thread: 0,
    isOwnBoot: false,
  };

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /** Applies what is due, about `maxBytes` of it; stops at what must wait. */
  run(range: HostedRange, maxBytes: number, stopDirtyBytes: number): void {
    if (!range.hasWork) return;
    const startedMs = this.#options.clockMs();
    let bytes = 0;
    while (range.hasWork && bytes < maxBytes) {
      // The machine holds all of this in memory until the collection under way is durable.
      if (range.isCollecting && range.dirtyBytes >= stopDirtyBytes) break;
      const entry = range.nextEntry();
      if (!this.#apply(range, entry)) break;
      bytes += entry.data.length;
      range.dirtyBytes += entry.data.length;
      range.loadBytes += entry.data.length;
    }
    range.release();
    range.busyMs += this.#options.clockMs() - startedMs;
  }

  /** False: not now; nothing has happened. */
  #apply(range: HostedRange, entry: Entry): boolean {
    if (entry.type === EntryType.CONF_CHANGE) {
      this.#applyConfChange(range, entry);
    } else if (entry.data.length > 0 && !this.#applyBatch(range, entry)) {
      return false;
    }
    range.applied = entry.index;
    return true;
  }

  #applyBatch(range: HostedRange, entry: Entry): boolean {
    const reader = this.#reader;
    const header = this.#header;
    reader.reset(entry.data, 0, entry.data.length);
    assert(readBatchHeader(reader, header), "an entry holds a batch that this version knows");
    const { kind, boot, thread, proposal } = header;
    const { descriptor } = range;
    const isOwnBoot = entry.index > range.openedLast && this.#options.isAlive(boot, thread);
    const isCurrent = header.boundaryVersion === descriptor.boundaryVersion;
    const isSealed = descriptor.mergingInto !== NO_RANGE;
    if (!isCurrent || (isSealed && kind !== BatchKind.UNSEAL)) {
      skipRest(reader);
      if (isOwnBoot) this.#options.answers.moved(thread, range.id, proposal);
      return true;
    }
    const nowMs = Math.max(header.nowMs, range.appliedMs);
    // A change is stored with the time before it, so it must not move the time in memory either.
    if (kind === BatchKind.COMMANDS) {
      this.#fillContext(entry.index, nowMs, isOwnBoot);
      range.appliedMs = nowMs;
      this.#applyCommands(range, reader);
    } else if (!this.#options.changes.apply(range, entry.index, kind, reader)) {
      skipRest(reader);
      return false;
    }
    reader.release();
    if (isOwnBoot) this.#options.answers.done(thread, range.id, proposal);
    return true;
  }

  #applyCommands({ machine }: HostedRange, reader: RecordReader): void {
    try {
      machine.apply(reader, this.#context);
    } catch (error) {
      if (error instanceof StateDamage) throw error;
      throw new EntryFailure(this.#context.index, error);
    }
  }

  #fillContext(index: number, nowMs: number, isOwnBoot: boolean): void {
    const context = this.#context;
    context.index = index;
    context.nowMs = nowMs;
    context.boot = this.#header.boot;
    context.thread = this.#header.thread;
    context.isOwnBoot = isOwnBoot;
  }

  #applyConfChange(range: HostedRange, entry: Entry): void {
    const change = decodeConfChange(entry.data);
    const next = change === null ? null : applyConfChangeTo(range.conf, change);
    assert(next !== null && next.conf !== null, "a committed change of the members fits");
    range.conf = next.conf;
  }
}

/** Of a batch that has no effect. */
function skipRest(reader: RecordReader): void {
  while (!reader.isAtEnd) reader.u8();
  reader.release();
}
