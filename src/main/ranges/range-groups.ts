/**
 * All ranges of this node as main runs them: a Raft core per open range, proposals in, appends and
 * applies out to the workers, and the directory that says which range holds which key.
 *
 *   worker opens its stores -> RANGE_OPENED ... COMPLETE -> group per range, campaigns at once
 *   all workers complete, no range 1 -> the first ranges are created (bootstrap-plan.ts)
 *   every group leads and has caught up -> RANGE_DIRECTORY to every worker: serving
 *
 * A directory is published only when all of it can be served: after a split not before the new
 * range leads, during a merge not before it is over.
 *
 * No work per message: a proposal is copied out of the ring once and into another ring once, and
 * everything else is per batch. Thread: main. Scope: one per process.
 */

import type { Log } from "../../platform/log.ts";
import { assert } from "../../shared/base/assert.ts";
import { ownedCopy } from "../../shared/bytes/copy-bytes.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RandomSource } from "../../shared/raft/options.ts";
import { missingRanges } from "../../shared/range/missing-ranges.ts";
import { readEntries } from "../../shared/range/raft-record.ts";
import {
  doOverlap,
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import { encodeDirectory, RangeDirectory } from "../../shared/range/range-directory.ts";
import { gapsBetween } from "../../shared/range/range-gaps.ts";
import {
  ALL_PROPOSALS,
  PROPOSE_PREFIX_BYTES,
  writeProposal,
  writeRefusal,
} from "../../shared/range/range-record.ts";
import {
  type RangeLoad,
  type RangeReport,
  ReportKind,
  readLoads,
  readReports,
} from "../../shared/range/range-report.ts";
import { RefusalReason } from "../../shared/range/refusal-reason.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import { storeThread } from "../../shared/range/store-placement.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { RingGroupLink } from "./group-link.ts";
import { RangeGroup } from "./range-group.ts";

export interface RangeGroupsOptions {
  readonly endpoint: RingEndpoint;
  readonly log: Log;
  readonly random: RandomSource;
  /** Makes sure that a turn follows. */
  readonly schedule: () => void;
}

/** A range that was set aside, because its stored data fails a check. */
export interface DamagedRange {
  readonly id: RangeId;
  readonly storeId: number;
  readonly descriptor: RangeDescriptor | null;
  readonly how: string;
  /** No store has anything of it, and it is known by the keys that nobody has. */
  readonly isMissing: boolean;
}

/** Told about what becomes of ranges. */
export interface RangeListener {
  /** All workers have reported what their stores hold. */
  allReported?(): void;
  /** Reports of one change are in; `directory` may be out of date still. */
  changed?(): void;
  /** A worker died, and its groups with it. */
  workerLost?(thread: number): void;
  /** A new directory went out. */
  published?(): void;
  /** A range has reported its load, once a second. */
  loaded?(load: RangeLoad): void;
  /** A range was taken over by its neighbour. */
  closed?(id: RangeId): void;
}

export class RangeGroups {
  readonly damaged = new Map<RangeId, DamagedRange>();
  readonly groups = new Map<RangeId, RangeGroup>();
  /** Of all that any report has named, also of ranges that are gone. */
  highestId: RangeId = NO_RANGE;
  readonly #options: RangeGroupsOptions;
  readonly #link: RingGroupLink;
  readonly #listeners: RangeListener[] = [];
  /** Workers that have not yet reported all they found. */
  readonly #missing: Set<number>;
  readonly #pumped = new Set<RangeGroup>();
  readonly #writer = new RecordWriter();
  readonly #reader = new RecordReader();
  #directory = new RangeDirectory(0, []);
  #isDirectoryStale = true;
  #isComplete = false;
  #isDiskFull = false;
  #areRoutesBeingTold = false;
  /** Workers that have reported, and have no directory of this life. */
  readonly #uninformed = new Set<number>();

  constructor(options: RangeGroupsOptions) {
    const { endpoint } = options;
    this.#options = options;
    this.#link = new RingGroupLink(endpoint);
    this.#missing = new Set(Array.from({ length: this.workerCount }, (_, index) => index + 1));
    this.#listen(endpoint);
  }

  get workerCount(): number {
    return this.#options.endpoint.threadCount - 1;
  }

  /** The last one published. */
  get directory(): RangeDirectory {
    return this.#directory;
  }

  /** False: routes of stored sessions are missing, and the workers know it. */
  get areRoutesWhole(): boolean {
    return this.#directory.areRoutesWhole;
  }

  /** Nothing is proposed that needs disk; see `setDiskFull`. */
  get isDiskFull(): boolean {
    return this.#isDiskFull;
  }

  /** Every range that is not damaged is served, and every worker knows which holds what. */
  get isServing(): boolean {
    const isCurrent = !this.#isDirectoryStale && this.#uninformed.size === 0;
    return this.#directory.version > 0 && isCurrent && this.hasAllReports;
  }

  /** Every worker that runs has said what its stores hold. */
  get hasAllReports(): boolean {
    return this.#missing.size === 0;
  }

  /** Workers have reported all ranges there are, and those of a first start are created. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  addListener(listener: RangeListener): void {
    this.#listeners.push(listener);
  }

  /** The ranges of a first start are there: from now on directories are published. */
  complete(): void {
    this.#isComplete = true;
    this.#options.schedule();
  }

  /** All workers have reported: keys that no range has belong to ranges that are missing. */
  noteMissing(storeCount: number): void {
    for (const [id, { isMissing }] of this.damaged) if (isMissing) this.damaged.delete(id);
    const open = [...this.groups.values()].map(({ id, descriptor }) => {
      return { id, storeId: descriptor.storeId, descriptor };
    });
    const present = [...open, ...this.damaged.values()];
    const newId = () => {
      this.highestId += 1;
      return this.highestId;
    };
    for (const descriptor of missingRanges(present, storeCount, newId)) {
      const { id, storeId } = descriptor;
      const how = `it is missing: store ${storeId} has nothing of it`;
      this.#noteDamage({ id, storeId, descriptor, how, isMissing: true });
    }
  }

  /** They are no ranges any more. */
  forgetDamaged(ids: readonly RangeId[]): void {
    for (const id of ids) this.damaged.delete(id);
    this.#isDirectoryStale = true;
    this.#options.schedule();
  }

  threadOf(range: RangeDescriptor): number {
    return storeThread(range.storeId, this.workerCount);
  }

  /** Main's own proposals. Null: taken. */
  propose(id: RangeId, batch: Uint8Array): RefusalReason | null {
    const group = this.groups.get(id);
    if (group === undefined) return this.#refusalWithoutGroup(id);
    const refusal = group.propose(batch);
    this.#pumpLater(group);
    return refusal;
  }

  /** Stops, or allows again, proposals that need disk. */
  setDiskFull(isDiskFull: boolean): void {
    if (this.#isDiskFull === isDiskFull) return;
    this.#isDiskFull = isDiskFull;
    this.#isDirectoryStale = true;
    this.#options.schedule();
  }

  /** A range of routes was made anew, and does not have all of them yet; or does now. */
  setRoutesBeingTold(areBeingTold: boolean): void {
    if (this.#areRoutesBeingTold === areBeingTold) return;
    this.#areRoutesBeingTold = areBeingTold;
    this.#isDirectoryStale = true;
    this.#options.schedule();
  }

  /** Every 100 ms. */
  tick(nowMs: number): void {
    for (const group of this.groups.values()) group.tick(nowMs);
    this.#options.schedule();
  }

  /** End of a turn, after the rings are drained. */
  flush(): void {
    for (const group of this.#pumped) group.pump();
    this.#pumped.clear();
    this.#link.flush();
    this.#publish();
  }

  /** A worker died; its rings are replaced. What it had open is of unknown outcome. */
  workerLost(thread: number): void {
    this.#missing.add(thread);
    this.#uninformed.delete(thread);
    this.#link.drop(thread);
    for (const [id, group] of this.groups) {
      if (group.thread !== thread) continue;
      this.groups.delete(id);
      this.#pumped.delete(group);
      for (let peer = 1; peer <= this.workerCount; peer++) {
        if (peer !== thread) this.#refuse(peer, id, ALL_PROPOSALS, RefusalReason.LOST);
      }
    }
    for (const listener of this.#listeners) listener.workerLost?.(thread);
    this.#options.schedule();
  }

  #listen(endpoint: RingEndpoint): void {
    endpoint.setHandler(RecordType.RANGE_PROPOSE, (bytes, offset, length, source) => {
      this.#takeProposal(bytes, offset, offset + length, source);
    });
    this.#on(RecordType.RAFT_APPENDED, (reader) => {
      const group = this.groups.get(reader.u32());
      const number = reader.u32();
      group?.appended(number);
    });
    this.#on(RecordType.RAFT_APPLIED, (reader) => {
      while (!reader.isAtEnd) {
        const group = this.groups.get(reader.u32());
        const index = reader.u64();
        const compacted = reader.u64();
        group?.appliedTo(index, compacted);
      }
    });
    this.#on(RecordType.READ_LOG_REPLY, (reader) => {
      const group = this.groups.get(reader.u32());
      reader.u64();
      const entries = readEntries(reader);
      group?.fetched(entries);
    });
    endpoint.setHandler(RecordType.RANGE_LOAD, (bytes, offset, length) => {
      readLoads(new WireReader(bytes, offset, offset + length), (load) => {
        const group = this.groups.get(load.id);
        if (group === undefined) return;
        group.load = load;
        for (const listener of this.#listeners) listener.loaded?.(load);
      });
    });
    endpoint.setHandler(RecordType.RANGE_OPENED, (bytes, offset, length, source) => {
      const reports = readReports(new WireReader(bytes, offset, offset + length));
      assert(reports !== null, "a report of a worker's is well-formed");
      for (const report of reports) this.#takeReport(report, source);
      for (const listener of this.#listeners) listener.changed?.();
    });
  }

  #on(type: RecordType, read: (reader: RecordReader) => void): void {
    this.#options.endpoint.setHandler(type, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      read(this.#reader);
      this.#reader.release();
    });
  }

  #takeProposal(bytes: Uint8Array, start: number, end: number, source: number): void {
    this.#reader.reset(bytes, start, PROPOSE_PREFIX_BYTES);
    const id = this.#reader.u32();
    const proposal = this.#reader.u64();
    this.#reader.release();
    const group = this.groups.get(id);
    if (group === undefined) {
      this.#refuseWithoutGroup(source, id, proposal);
      return;
    }
    // Applied now, it would never be answered: machines answer when their worker has a directory.
    if (!this.#isInformed(group.thread)) {
      this.#refuse(source, id, proposal, RefusalReason.UNAVAILABLE);
      return;
    }
    const refusal = group.propose(ownedCopy(bytes, start + PROPOSE_PREFIX_BYTES, end));
    if (refusal !== null) this.#refuse(source, id, proposal, refusal);
    this.#pumpLater(group);
  }

  /** The worker has said what its stores hold, and been told what the others do. */
  #isInformed(thread: number): boolean {
    return !this.#missing.has(thread) && !this.#uninformed.has(thread);
  }

  #pumpLater(group: RangeGroup): void {
    this.#pumped.add(group);
    this.#options.schedule();
  }

  /** Was it taken over by a neighbour? Then there is a newer directory, or will be. */
  #refuseWithoutGroup(thread: number, id: RangeId, proposal: number): void {
    const isKnown = this.damaged.has(id) || this.#missing.size > 0;
    if (isKnown) {
      this.#refuse(thread, id, proposal, this.#refusalWithoutGroup(id));
      return;
    }
    writeProposal(this.#writer, id, proposal);
    this.#send(thread, RecordType.RANGE_MOVED);
  }

  #refusalWithoutGroup(id: RangeId): RefusalReason {
    return this.damaged.has(id) ? RefusalReason.DAMAGED : RefusalReason.UNAVAILABLE;
  }

  #refuse(thread: number, id: RangeId, proposal: number, reason: RefusalReason): void {
    writeRefusal(this.#writer, id, proposal, reason);
    this.#send(thread, RecordType.RANGE_REFUSED);
  }

  #send(thread: number, type: RecordType): void {
    const { bytes, size } = this.#writer;
    this.#options.endpoint.enqueue(thread, type, bytes, 0, size);
    this.#writer.clear();
  }

  #takeReport(report: RangeReport, source: number): void {
    this.#noteIds(report);
    switch (report.kind) {
      case ReportKind.OPENED: {
        const { id } = report.descriptor;
        // Made anew, alone or with others whose keys it has now.
        this.damaged.delete(id);
        this.#forgetWithin(report.descriptor);
        this.groups.set(id, new RangeGroup(report, source, this.#link, this.#options.random));
        break;
      }
      case ReportKind.DAMAGED:
        this.#noteDamage({ ...report, isMissing: false });
        break;
      case ReportKind.CHANGED: {
        const group = this.groups.get(report.descriptor.id);
        if (group !== undefined) group.descriptor = report.descriptor;
        break;
      }
      case ReportKind.CLOSED: {
        const group = this.groups.get(report.id);
        // What is proposed and not handed on yet: the worker answers for it.
        group?.pump();
        if (group !== undefined) this.#pumped.delete(group);
        this.groups.delete(report.id);
        this.damaged.delete(report.id);
        for (const listener of this.#listeners) listener.closed?.(report.id);
        break;
      }
      case ReportKind.COMPLETE:
        this.#missing.delete(source);
        this.#uninformed.add(source);
        if (this.#missing.size === 0) {
          for (const listener of this.#listeners) listener.allReported?.();
        }
    }
    this.#isDirectoryStale = true;
    this.#options.schedule();
  }

  #noteIds(report: RangeReport): void {
    const id = "id" in report ? report.id : NO_RANGE;
    const descriptor = "descriptor" in report ? report.descriptor : null;
    const known = Math.max(id, descriptor?.id ?? NO_RANGE, descriptor?.absorbedId ?? NO_RANGE);
    this.highestId = Math.max(this.highestId, known);
  }

  #forgetWithin(open: RangeDescriptor): void {
    for (const [id, { descriptor }] of this.damaged) {
      if (descriptor !== null && doOverlap(descriptor, open)) this.damaged.delete(id);
    }
  }

  #noteDamage(range: DamagedRange): void {
    const { id, storeId, how } = range;
    if (!this.damaged.has(id)) {
      this.#options.log.error("range_damaged", {
        range: id,
        store: storeId,
        damage: how,
        hint: "it is set aside, nothing of it is deleted; the other ranges are served",
      });
    }
    this.damaged.set(id, range);
    this.#isDirectoryStale = true;
  }

  /** Sends a directory if there is news, and all of it can be served. */
  #publish(): void {
    if (!this.#isComplete || this.#missing.size > 0) return;
    if (!this.#isDirectoryStale && this.#uninformed.size === 0) return;
    const ranges: RangeDescriptor[] = [];
    for (const group of this.groups.values()) {
      if (!group.isServing) return;
      if (this.groups.has(group.descriptor.mergingInto)) return;
      ranges.push(group.descriptor);
    }
    for (const { descriptor } of this.damaged.values()) {
      if (descriptor !== null) ranges.push(descriptor);
    }
    const version = this.#directory.version + (this.#isDirectoryStale ? 1 : 0);
    const targets = this.#isDirectoryStale ? this.#allWorkers() : [...this.#uninformed];
    this.#directory = new RangeDirectory(version, ranges, {
      isDiskFull: this.#isDiskFull,
      areRoutesWhole: this.#haveAllRoutes(),
      damaged: new Set(this.damaged.keys()),
    });
    this.#isDirectoryStale = false;
    this.#uninformed.clear();
    const bytes = encodeDirectory(this.#directory);
    for (const thread of targets) {
      const { endpoint } = this.#options;
      endpoint.enqueue(thread, RecordType.RANGE_DIRECTORY, bytes, 0, bytes.length);
    }
    for (const listener of this.#listeners) listener.published?.();
  }

  /** A route may lie anywhere, so every key of the service must be in a range that is served. */
  #haveAllRoutes(): boolean {
    if (this.#areRoutesBeingTold) return false;
    const served = [...this.groups.values()].map(({ descriptor }) => descriptor);
    return gapsBetween(ServiceId.DIST, served).length === 0;
  }

  #allWorkers(): number[] {
    return Array.from({ length: this.workerCount }, (_, index) => index + 1);
  }
}
