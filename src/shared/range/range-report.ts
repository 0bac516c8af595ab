/**
 * What a worker tells main about the ranges of its stores: payloads of RANGE_OPENED and RANGE_LOAD.
 * Little-endian; threads of one process only, and cold.
 *
 *   RANGE_OPENED   one report or several that belong together, each: kind u8, then
 *     OPENED       descriptor | replica u64 | hard state 5 x u64 | conf | applied u64
 *                  | compacted: index u64, term u64 | last u64 | runs: count u32, { first u64 | term u64 } ...
 *     DAMAGED      id u32 | store u16 | hasDescriptor u8 [descriptor] | how: length u32, UTF-8
 *     CHANGED      descriptor
 *     CLOSED       id u32
 *     COMPLETE     nothing: the worker has reported all it found at start
 *   RANGE_LOAD     { range u32 | keys u64 | stateBytes u64 | logEntries u64 | applied u64
 *                  | busyMicros u64 | ioMicros u64 } ...
 */

import type { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { readConf, writeConf } from "../raft/conf-change-codec.ts";
import type { ConfState } from "../raft/conf-state.ts";
import type { ReplicaId } from "../raft/entry.ts";
import type { HardState } from "../raft/hard-state.ts";
import { readDescriptor, writeDescriptor } from "./descriptor-codec.ts";
import type { RangeDescriptor, RangeId } from "./range-descriptor.ts";

export const ReportKind = { OPENED: 1, DAMAGED: 2, CHANGED: 3, CLOSED: 4, COMPLETE: 5 } as const;
export type ReportKind = (typeof ReportKind)[keyof typeof ReportKind];

/** What main needs to run the range's Raft core. */
export interface OpenedReport {
  readonly kind: typeof ReportKind.OPENED;
  readonly descriptor: RangeDescriptor;
  readonly replicaId: ReplicaId;
  readonly hardState: HardState;
  /** At `applied`. */
  readonly conf: ConfState;
  readonly applied: number;
  readonly compactedIndex: number;
  readonly compactedTerm: number;
  readonly lastIndex: number;
  readonly termRuns: readonly { readonly firstIndex: number; readonly term: number }[];
}

export type RangeReport =
  | OpenedReport
  | {
      readonly kind: typeof ReportKind.DAMAGED;
      readonly id: RangeId;
      readonly storeId: number;
      /** Null: unreadable, too. */
      readonly descriptor: RangeDescriptor | null;
      readonly how: string;
    }
  | { readonly kind: typeof ReportKind.CHANGED; readonly descriptor: RangeDescriptor }
  /** The range was taken over by its neighbour. */
  | { readonly kind: typeof ReportKind.CLOSED; readonly id: RangeId }
  | { readonly kind: typeof ReportKind.COMPLETE };

export function writeReport(writer: RecordWriter, report: RangeReport): void {
  writer.u8(report.kind);
  switch (report.kind) {
    case ReportKind.OPENED:
      writeOpened(writer, report);
      return;
    case ReportKind.DAMAGED:
      writer.u32(report.id);
      writer.u16(report.storeId);
      writer.u8(report.descriptor === null ? 0 : 1);
      if (report.descriptor !== null) writeDescriptor(writer, report.descriptor);
      writer.text(report.how);
      return;
    case ReportKind.CHANGED:
      writeDescriptor(writer, report.descriptor);
      return;
    case ReportKind.CLOSED:
      writer.u32(report.id);
      return;
    case ReportKind.COMPLETE:
  }
}

/** All reports of a record. Null if these are not their bytes. */
export function readReports(reader: WireReader): readonly RangeReport[] | null {
  const reports: RangeReport[] = [];
  while (!reader.isAtEnd) {
    const report = readReport(reader);
    if (report === null) return null;
    reports.push(report);
  }
  return reader.isMalformed ? null : reports;
}

function readReport(reader: WireReader): RangeReport | null {
  const kind = reader.u8() as ReportKind;
  switch (kind) {
    case ReportKind.OPENED:
      return readOpened(reader);
    case ReportKind.DAMAGED: {
      const id = reader.u32();
      const storeId = reader.u16();
      const descriptor = reader.u8() === 1 ? readDescriptor(reader) : null;
      return { kind, id, storeId, descriptor, how: reader.text(reader.u32()) };
    }
    case ReportKind.CHANGED: {
      const descriptor = readDescriptor(reader);
      return descriptor === null ? null : { kind, descriptor };
    }
    case ReportKind.CLOSED:
      return { kind, id: reader.u32() };
    case ReportKind.COMPLETE:
      return { kind };
    default:
      return null;
  }
}

/** How a range did since the last report, about once a second. */
export interface RangeLoad {
  readonly id: RangeId;
  readonly keys: number;
  readonly stateBytes: number;
  /** In the log now. */
  readonly logEntries: number;
  readonly applied: number;
  /** Microseconds since the last report: spent on applying and collecting. */
  readonly busyMicros: number;
  /** The same: that the store wrote for it, its share of the commits by bytes of commands. */
  readonly ioMicros: number;
}

export function writeLoad(writer: RecordWriter, load: RangeLoad): void {
  writer.u32(load.id);
  writer.u64(Math.round(load.keys));
  writer.u64(Math.round(load.stateBytes));
  writer.u64(load.logEntries);
  writer.u64(load.applied);
  writer.u64(Math.round(load.busyMicros));
  writer.u64(Math.round(load.ioMicros));
}

export function readLoads(reader: WireReader, visit: (load: RangeLoad) => void): void {
  while (!reader.isAtEnd) {
    const id = reader.u32();
    const keys = reader.u64();
    const stateBytes = reader.u64();
    const logEntries = reader.u64();
    const applied = reader.u64();
    const busyMicros = reader.u64();
    visit({ id, keys, stateBytes, logEntries, applied, busyMicros, ioMicros: reader.u64() });
  }
}

function writeOpened(writer: RecordWriter, report: OpenedReport): void {
  const { hardState, termRuns } = report;
  writeDescriptor(writer, report.descriptor);
  writer.u64(report.replicaId);
  writer.u64(hardState.term);
  writer.u64(hardState.vote);
  writer.u64(hardState.commit);
  writer.u64(hardState.epoch);
  writer.u64(hardState.epochIndex);
  writeConf(writer, report.conf);
  writer.u64(report.applied);
  writer.u64(report.compactedIndex);
  writer.u64(report.compactedTerm);
  writer.u64(report.lastIndex);
  writer.u32(termRuns.length);
  for (const { firstIndex, term } of termRuns) {
    writer.u64(firstIndex);
    writer.u64(term);
  }
}

function readOpened(reader: WireReader): OpenedReport | null {
  const descriptor = readDescriptor(reader);
  const replicaId = reader.u64();
  const hardState = {
    term: reader.u64(),
    vote: reader.u64(),
    commit: reader.u64(),
    epoch: reader.u64(),
    epochIndex: reader.u64(),
  };
  const conf = readConf(reader);
  const applied = reader.u64();
  const compactedIndex = reader.u64();
  const compactedTerm = reader.u64();
  const lastIndex = reader.u64();
  const termRuns: { firstIndex: number; term: number }[] = [];
  for (let left = reader.u32(); left > 0 && !reader.isMalformed; left--) {
    const firstIndex = reader.u64();
    termRuns.push({ firstIndex, term: reader.u64() });
  }
  if (descriptor === null || reader.isMalformed) return null;
  return {
    kind: ReportKind.OPENED,
    descriptor,
    replicaId,
    hardState,
    conf,
    applied,
    compactedIndex,
    compactedTerm,
    lastIndex,
    termRuns,
  };
}
