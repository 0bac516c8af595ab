/**
 * What all nodes together have applied, in the order in which somebody did first: the truth that
 * replicas are held to, and the food of the models and of the witness.
 */

import { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import type { Entry } from "../../../../src/shared/raft/entry.ts";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
} from "../../../../src/shared/range/command-batch.ts";
import type { RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { FOUNDING_INDEX } from "../host/range-log.ts";
import type { Origin } from "../node/output-tap.ts";
import type { RangeNode } from "../node/range-node.ts";
import { demand } from "../range-invariants.ts";
import { RetainModel } from "./retain-model.ts";
import { RouteModel } from "./route-model.ts";

export interface LedgerEntry {
  readonly range: RangeId;
  readonly entry: Entry;
}

export class RangeLedger {
  readonly retained = new RetainModel();
  readonly routes = new RouteModel();
  /** First applied first. */
  readonly order: LedgerEntry[] = [];
  /** The highest time that any batch was applied at. */
  latestMs = 0;
  /** By range: the time that its last batch was applied at. */
  readonly #timesMs = new Map<RangeId, number>();
  readonly #logs = new Map<RangeId, Entry[]>();
  /** By range that is gone: where that stands in which log. */
  readonly #absorbed = new Map<RangeId, { readonly left: RangeId; readonly index: number }>();
  readonly #reader = new RecordReader();
  readonly #nodes: () => readonly RangeNode[];

  constructor(nodes: () => readonly RangeNode[]) {
    this.#nodes = nodes;
  }

  /** Index of the last entry that anybody has applied. */
  lastIndex(range: RangeId): number {
    return FOUNDING_INDEX + (this.#logs.get(range)?.length ?? 0);
  }

  /** A batch takes effect, on whatever node; ahead of `noteApplied`. */
  noteCommands(
    range: RangeId,
    service: ServiceId,
    { index, data }: Entry,
    { boot }: BatchHeader,
    nowMs: number,
  ): void {
    if (index <= this.lastIndex(range)) return;
    this.latestMs = Math.max(this.latestMs, nowMs);
    const beforeMs = this.#timesMs.get(range) ?? 0;
    demand(
      nowMs >= beforeMs,
      "expiry",
      () => `range ${range}: time goes back by ${beforeMs - nowMs}`,
    );
    this.#timesMs.set(range, nowMs);
    if (service === ServiceId.INBOX) return;
    const reader = this.#reader;
    reader.reset(data, BATCH_HEADER_BYTES, data.length - BATCH_HEADER_BYTES);
    if (service === ServiceId.RETAIN) this.retained.apply(reader, nowMs);
    else this.routes.apply(reader);
    reader.release();
    demand(boot > 0, "sameLog", () => `range ${range}: a batch of nobody`);
  }

  /** It is on a disk that the left range has taken over the right one. */
  noteAbsorbed(right: RangeId, left: RangeId, index: number): void {
    this.#absorbed.set(right, { left, index });
    const times = [left, right].map((range) => this.#timesMs.get(range) ?? 0);
    this.#timesMs.set(left, Math.max(...times));
  }

  isAbsorbed(right: RangeId, left: RangeId, index: number): boolean {
    const absorbed = this.#absorbed.get(right);
    return absorbed?.left === left && absorbed.index === index;
  }

  /** Is it in the state of the left range after the entry at `index`? */
  isWithin(right: RangeId, left: RangeId, index: number): boolean {
    const absorbed = this.#absorbed.get(right);
    return absorbed?.left === left && absorbed.index <= index;
  }

  /** Taken over by whomever. */
  isGone(range: RangeId): boolean {
    return this.#absorbed.has(range);
  }

  noteApplied(range: RangeId, entry: Entry): void {
    const log = this.#logs.get(range) ?? [];
    this.#logs.set(range, log);
    const at = entry.index - FOUNDING_INDEX - 1;
    const known = log[at];
    if (known === undefined) {
      demand(at === log.length, "sameLog", () => `range ${range}: a gap before ${entry.index}`);
      log.push(entry);
      this.order.push({ range, entry });
      return;
    }
    const isSame = known.term === entry.term && equalBytes(known.data, entry.data);
    demand(isSame, "sameLog", () => `range ${range}: two entries at ${entry.index}`);
  }

  /** Something is told that follows from an entry. */
  checkDurable({ range, index }: Origin): void {
    const nodes = this.#nodes();
    const entry = this.#logs.get(range)?.[index - FOUNDING_INDEX - 1];
    if (entry === undefined) return;
    const logs = nodes.map(({ image }) => image.logs.get(range));
    // Taken over: a commit of its neighbour holds what it was.
    if (logs.every((log) => log === undefined)) return;
    const isGone = this.isGone(range);
    const count = logs.filter((log) => log?.covers(index, entry.term) ?? isGone).length;
    demand(count * 2 > nodes.length, "durable", () => {
      return `range ${range}: entry ${index} is answered, and on ${count} of ${nodes.length} disks`;
    });
  }
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left === right || Buffer.compare(left, right) === 0;
}
