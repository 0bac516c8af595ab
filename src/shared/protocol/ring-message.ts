/**
 * Every kind of record that travels between threads. The layout of a record's payload stands in the
 * `*-command.ts` or `*-codec.ts` file named here; this table is the only place that gives out
 * numbers.
 *
 * `full` is the written answer to a full ring: "drop" = count and forget, "queue" = keep in the
 * sender's bounded queue and stop reading the sockets that cause it, "reply" = queue bounded by the
 * number of outstanding requests.
 */

export const RecordType = {
  /**
   * worker → worker: a publish with at least one transient subscriber there (dist/deliver-codec).
   */
  DELIVER: 1,
  /** worker → worker: a publish for one chosen shared-group member there (dist/deliver-codec). */
  DELIVER_SHARED: 2,
  /** worker → all workers: add or remove a route (dist/route-command). */
  ROUTE_CHANGE: 3,
  /** reply: a worker has applied route changes up to a sequence number. */
  ROUTE_APPLIED: 4,
  /** worker → session-dict worker and back (session-dict/session-command). */
  SESSION_COMMAND: 5,
  SESSION_REPLY: 6,
  /** worker → inbox worker and back; inbox worker → session's worker (inbox/inbox-command). */
  INBOX_COMMAND: 7,
  INBOX_REPLY: 8,
  INBOX_PUSH: 9,
  /** worker → retain worker and back (retain/retain-command). */
  RETAIN_COMMAND: 10,
  RETAIN_REPLY: 11,
  /** worker → main and back: work for the CPU pool (password hashes). JSON payload, cold. */
  CPU_REQUEST: 12,
  CPU_REPLY: 13,
  /** worker → worker 1: a tenant's counters for $SYS. JSON payload, cold (sys-topics.ts). */
  TENANT_REPORT: 14,
  /**
   * worker → all workers, itself included: everything sent before has arrived. No payload
   * (ring-barrier.ts).
   */
  BARRIER: 15,
  /** worker → main: a batch of commands for a range (range/command-batch). */
  RANGE_PROPOSE: 16,
  /** main → worker: proposals that were not taken, and why (range/range-record). */
  RANGE_REFUSED: 17,
  /** range's worker → proposer: proposals that are applied (range/range-record). */
  RANGE_DONE: 18,
  /** range's worker → proposer: proposals that came by an old boundary (range/range-record). */
  RANGE_MOVED: 19,
  /** main → range's worker and back: what Raft's log gets, and what of it is durable. */
  RAFT_APPEND: 20,
  RAFT_APPENDED: 21,
  /** main → range's worker and back: up to where the log is to be applied, and is. */
  RAFT_APPLY: 22,
  RAFT_APPLIED: 23,
  /** worker → main: a range that its stores hold, or what became of one (range/range-report). */
  RANGE_OPENED: 24,
  /** main → all workers: which range holds which key (range/range-directory). */
  RANGE_DIRECTORY: 25,
  /** main → range's worker and back: old entries of its log (range/raft-record). */
  READ_LOG: 26,
  READ_LOG_REPLY: 27,
  /** main → range's worker and back: create, compact, where to cut (range/range-admin). Cold. */
  RANGE_ADMIN: 28,
  RANGE_ADMIN_REPLY: 29,
  /** worker → main: how much each range holds and costs (range/range-report). Once a second. */
  RANGE_LOAD: 30,
  /**
   * dist worker → inbox worker: every worker has followed these route commands. Request numbers.
   */
  DIST_REPLY: 31,
} as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

export const RECORD_TYPE_COUNT = 64;

export type FullAnswer = "drop" | "queue" | "reply";

/** DELIVER is dropped at QoS 0 only; above it is queued like a command. */
export const FULL_ANSWER: Readonly<Record<RecordType, FullAnswer>> = {
  [RecordType.DELIVER]: "drop",
  [RecordType.DELIVER_SHARED]: "drop",
  [RecordType.ROUTE_CHANGE]: "queue",
  [RecordType.ROUTE_APPLIED]: "reply",
  [RecordType.SESSION_COMMAND]: "queue",
  [RecordType.SESSION_REPLY]: "reply",
  [RecordType.INBOX_COMMAND]: "queue",
  [RecordType.INBOX_REPLY]: "reply",
  [RecordType.INBOX_PUSH]: "queue",
  [RecordType.RETAIN_COMMAND]: "queue",
  [RecordType.RETAIN_REPLY]: "reply",
  [RecordType.CPU_REQUEST]: "queue",
  [RecordType.CPU_REPLY]: "reply",
  [RecordType.TENANT_REPORT]: "queue",
  [RecordType.BARRIER]: "queue",
  [RecordType.RANGE_PROPOSE]: "queue",
  [RecordType.RANGE_REFUSED]: "reply",
  [RecordType.RANGE_DONE]: "reply",
  [RecordType.RANGE_MOVED]: "reply",
  [RecordType.RAFT_APPEND]: "queue",
  [RecordType.RAFT_APPENDED]: "reply",
  [RecordType.RAFT_APPLY]: "queue",
  [RecordType.RAFT_APPLIED]: "reply",
  [RecordType.RANGE_OPENED]: "queue",
  [RecordType.RANGE_DIRECTORY]: "queue",
  [RecordType.READ_LOG]: "queue",
  [RecordType.READ_LOG_REPLY]: "reply",
  [RecordType.RANGE_ADMIN]: "queue",
  [RecordType.RANGE_ADMIN_REPLY]: "reply",
  [RecordType.RANGE_LOAD]: "queue",
  [RecordType.DIST_REPLY]: "reply",
};
