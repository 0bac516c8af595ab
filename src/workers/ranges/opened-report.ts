/** What main needs to know of a range to run its Raft core. */

import { type OpenedReport, ReportKind } from "../../shared/range/range-report.ts";
import { type HostedRange, withCommit } from "./hosted-range.ts";

export function openedReport(range: HostedRange): OpenedReport {
  return {
    kind: ReportKind.OPENED,
    descriptor: range.descriptor,
    replicaId: range.record.replicaId,
    hardState: withCommit(range.hardState, range.applied),
    conf: range.conf,
    applied: range.applied,
    compactedIndex: range.compacted,
    compactedTerm: range.record.compactedTerm,
    lastIndex: range.lastIndex,
    termRuns: range.termRuns,
  };
}
