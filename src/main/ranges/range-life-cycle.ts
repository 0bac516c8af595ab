/**
 * Splits, merges and compactions of ranges, one at a time. What happens stands in the logs of the
 * ranges (range-changes.ts on their worker); here it is proposed, carried on after a crash, and
 * waited for until every worker knows the outcome.
 *
 *   split   SPLIT -> left shorter, right opened -> both in the directory
 *   merge   SEAL to the right one -> sealed -> ABSORB to the left one -> right gone from the directory
 *
 * A sealed range is never left so: whenever one is seen, also after a restart, its neighbour is
 * told to take it over, or it is opened again if that one is not there. Thread: main. Scope: one
 * per process.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import { BatchKind, writeBatchHeader } from "../../shared/range/command-batch.ts";
import { writeAbsorb, writeSeal, writeSplit } from "../../shared/range/range-change.ts";
import {
  compareKeys,
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import { readProposals, readRuns } from "../../shared/range/range-record.ts";
import { workerBoot } from "../../shared/range/worker-life.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { RangeChangeError } from "./range-change-error.ts";
import { faultOfCut } from "./range-cut.ts";
import type { RangeGroup } from "./range-group.ts";
import type { RangeGroups } from "./range-groups.ts";
import type { RangeRequests } from "./range-requests.ts";

const MAIN = 0;
/**
 * Each takes a few commits; longer means that something else is wrong, and it goes on by itself.
 */
const PATIENCE_MS = 30_000;

export interface RangeLifeCycleOptions {
  readonly endpoint: RingEndpoint;
  readonly groups: RangeGroups;
  readonly requests: RangeRequests;
  readonly processNumber: number;
  /** Wall clock. */
  readonly nowMs: () => number;
}

interface Condition {
  readonly isMet: () => boolean;
  readonly end: (error: RangeChangeError | null) => void;
}

export class RangeLifeCycle {
  readonly #options: RangeLifeCycleOptions;
  readonly #conditions = new Set<Condition>();
  /**
   * Ranges that were told to take over or to open again, with the proposal; until it is settled.
   */
  readonly #driven = new Map<RangeId, number>();
  /** Proposals of main's that came by an old boundary. */
  readonly #moved = new Set<number>();
  #lastProposal = 0;
  #lastId: RangeId = NO_RANGE;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: RangeLifeCycleOptions) {
    this.#options = options;
    const reader = new RecordReader();
    const listen = (type: RecordType, read: () => void) => {
      options.endpoint.setHandler(type, (bytes, offset, length) => {
        reader.reset(bytes, offset, length);
        read();
        reader.release();
        this.#progress();
      });
    };
    listen(RecordType.RANGE_DONE, () => {
      readRuns(reader, (range, _first, last) => this.#settled(range, last));
    });
    listen(RecordType.RANGE_MOVED, () => {
      readProposals(reader, (range, proposal) => {
        this.#moved.add(proposal);
        this.#settled(range, proposal);
      });
    });
    options.groups.addListener({
      changed: () => this.#progress(),
      published: () => this.#progress(),
      workerLost: () => this.#workerLost(),
    });
  }

  /** Every 100 ms: repeats what was refused for a passing reason. */
  tick(): void {
    this.#progress();
  }

  /** Cuts the range at `key`, or in about two halves; resolves with the new right-hand range. */
  split(id: RangeId, key: Uint8Array | null): Promise<RangeDescriptor> {
    return this.oneAtATime(async () => {
      const { descriptor, thread } = this.#group(id);
      if (key !== null) checkCut(descriptor, key);
      const at = await this.#options.requests.planSplit(thread, id, key);
      // Its worker may have died meanwhile.
      const group = this.#group(id);
      if (at === null)
        throw new RangeChangeError(
          "indivisible",
          `range ${id} cannot be cut: it has too little, or too much that belongs together`,
        );
      checkCut(group.descriptor, at);
      const rightId = this.#nextId();
      const proposal = this.#propose(group, BatchKind.SPLIT, (writer) => {
        writeSplit(writer, { rightId, key: at });
      });
      const { groups } = this.#options;
      await this.until(() => this.#hasMoved(proposal) || groups.directory.get(rightId) !== null);
      const right = groups.directory.get(rightId);
      if (right === null) throw new RangeChangeError("conflict", `range ${id} has just changed`);
      return right;
    });
  }

  /** Makes the range take over its right-hand neighbour; resolves with what it is then. */
  merge(id: RangeId): Promise<RangeDescriptor> {
    return this.oneAtATime(async () => {
      const { groups } = this.#options;
      const left = this.#group(id).descriptor;
      const right = groups.directory.rightOf(left);
      if (right === null) {
        throw new RangeChangeError("no_neighbour", `range ${id} has no right-hand neighbour`);
      }
      if (right.storeId !== left.storeId) {
        const text = `range ${id} lies in store ${left.storeId}, its neighbour ${right.id} in store ${right.storeId}; only ranges of one store are merged`;
        throw new RangeChangeError("other_store", text);
      }
      const proposal = this.#propose(this.#group(right.id), BatchKind.SEAL, (writer) => {
        writeSeal(writer, id);
      });
      await this.until(() => {
        return this.#hasMoved(proposal) || groups.directory.get(right.id) === null;
      });
      const merged = groups.directory.get(id);
      if (merged === null || groups.directory.get(right.id) !== null) {
        throw new RangeChangeError("conflict", `range ${right.id} has just changed`);
      }
      return merged;
    });
  }

  /** Writes the range's state and cuts its log. */
  compact(id: RangeId): Promise<void> {
    return this.oneAtATime(async () => {
      const group = this.#group(id);
      const isDone = await this.#options.requests.compact(group.thread, id);
      if (!isDone) throw new RangeChangeError("conflict", `range ${id} has just gone`);
    });
  }

  /** Runs `change` when those before it are over: no two changes of ranges meet. */
  oneAtATime<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(change);
    this.#queue = result.catch(() => {});
    return result;
  }

  #group(id: RangeId): RangeGroup {
    const { groups } = this.#options;
    const group = groups.groups.get(id);
    if (group !== undefined && groups.isServing) return group;
    if (groups.damaged.has(id)) {
      throw new RangeChangeError("damaged", `range ${id} is set aside, its data is damaged`);
    }
    if (group === undefined) throw new RangeChangeError("not_found", `there is no range ${id}`);
    throw new RangeChangeError("conflict", "ranges are being opened or changed; try again");
  }

  /** Higher than any id that is, or ever was: merged ones are remembered by who took them over. */
  #nextId(): RangeId {
    this.#lastId = Math.max(this.#lastId, this.#options.groups.highestId) + 1;
    return this.#lastId;
  }

  /** Returns the proposal's number; throws when it is not taken. */
  #propose(group: RangeGroup, kind: BatchKind, write: (writer: RecordWriter) => void): number {
    const proposal = this.#tryPropose(group, kind, write);
    if (proposal > 0) return proposal;
    throw new RangeChangeError("busy", `range ${group.id} takes no proposals now; try again`);
  }

  /** 0: not taken. */
  #tryPropose(group: RangeGroup, kind: BatchKind, write: (writer: RecordWriter) => void): number {
    const { groups, processNumber, nowMs } = this.#options;
    this.#lastProposal += 1;
    const writer = new RecordWriter(128);
    writeBatchHeader(writer, {
      kind,
      nowMs: nowMs(),
      boundaryVersion: group.descriptor.boundaryVersion,
      boot: workerBoot(processNumber, 0),
      thread: MAIN,
      proposal: this.#lastProposal,
    });
    write(writer);
    const refusal = groups.propose(group.id, writer.bytes.slice(0, writer.size));
    return refusal === null ? this.#lastProposal : 0;
  }

  #settled(range: RangeId, proposal: number): void {
    const driven = this.#driven.get(range);
    if (driven !== undefined && proposal >= driven) this.#driven.delete(range);
  }

  #hasMoved(proposal: number): boolean {
    return this.#moved.delete(proposal);
  }

  #progress(): void {
    this.#driveMerges();
    for (const condition of this.#conditions) {
      if (condition.isMet()) this.#end(condition, null);
    }
  }

  /** Nobody will say what became of what its ranges were to do. */
  #workerLost(): void {
    this.#driven.clear();
    const text = "a worker died meanwhile; list the ranges to see the outcome";
    for (const condition of this.#conditions) {
      this.#end(condition, new RangeChangeError("conflict", text));
    }
  }

  #end(condition: Condition, error: RangeChangeError | null): void {
    this.#conditions.delete(condition);
    condition.end(error);
  }

  /** Whoever is sealed is taken over, or opened again. */
  #driveMerges(): void {
    const { groups } = this.#options.groups;
    for (const right of groups.values()) {
      const { mergingInto, boundaryVersion, id } = right.descriptor;
      if (mergingInto === NO_RANGE) continue;
      const left = groups.get(mergingInto);
      // It may be one that has not reported yet.
      if (left === undefined && !this.#options.groups.isComplete) continue;
      const canMerge = left !== undefined && isLeftOf(left.descriptor, right.descriptor);
      const target = canMerge ? left : right;
      if (!target.isServing || this.#driven.has(target.id)) continue;
      const proposal = canMerge
        ? this.#tryPropose(left, BatchKind.ABSORB, (writer) => {
            writeAbsorb(writer, { rightId: id, rightVersion: boundaryVersion });
          })
        : this.#tryPropose(right, BatchKind.UNSEAL, () => {});
      if (proposal > 0) this.#driven.set(target.id, proposal);
    }
  }

  /** Rejects when it takes too long, or a worker dies meanwhile. */
  until(isMet: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const condition: Condition = {
        isMet,
        end: (error) => {
          clearTimeout(timer);
          if (error === null) resolve();
          else reject(error);
        },
      };
      const timer = setTimeout(() => {
        const text = "it takes unusually long, and goes on; list the ranges to see the outcome";
        this.#end(condition, new RangeChangeError("timeout", text));
      }, PATIENCE_MS);
      timer.unref();
      this.#conditions.add(condition);
      this.#progress();
    });
  }
}

/** Throws when the range must not be cut at `key`. */
function checkCut(range: RangeDescriptor, key: Uint8Array): void {
  if (!isInside(range, key)) {
    const text = `range ${range.id} does not hold that key behind its first`;
    throw new RangeChangeError("bad_key", text);
  }
  const fault = faultOfCut(range.service, key);
  if (fault !== null) throw new RangeChangeError("bad_key", fault);
}

function isInside(range: RangeDescriptor, key: Uint8Array): boolean {
  if (compareKeys(key, range.start) <= 0) return false;
  return range.end === null || compareKeys(key, range.end) < 0;
}

function isLeftOf(left: RangeDescriptor, right: RangeDescriptor): boolean {
  return (
    left.service === right.service &&
    left.storeId === right.storeId &&
    left.end !== null &&
    compareKeys(left.end, right.start) === 0
  );
}
