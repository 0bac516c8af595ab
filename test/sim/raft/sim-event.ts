/** The kinds of events in the world of Raft, and what each has as its subject. */

export const SimEvent = {
  /** To a node: its clock ticks. */
  TICK: 1,
  /** To a node: a Packet. */
  DELIVER: 2,
  /** To a node: the disk has finished a flush. */
  FLUSHED: 3,
  /** To a node: the core may learn of stored operations (StoreOperation[]). */
  STORED: 4,
  /** To a node: a read of the log that was late is there. */
  STORAGE_READY: 5,
  /** To a node: a ClientRequest. */
  REQUEST: 6,
  /** To a node: DeliveryReport. */
  REPORT: 7,
  /** To the world: client number; it begins an operation, or tries again. */
  CLIENT: 8,
  /** To the world: ClientReply. */
  REPLY: 9,
  /** To the world: a ClientRequest that has waited long enough. */
  TIMEOUT: 10,
  /** To the world: the next fault. */
  NEMESIS: 11,
  /** To the world: node position; its process starts. */
  RESTART: 12,
  /** To the world: node position; its disk is quick again. */
  DISK_RECOVERED: 13,
  /** To the world: a FollowUp. */
  FOLLOW_UP: 14,
  /** To the world: node position; if it is still gone, everybody hears of that. */
  SUSPECT: 15,
} as const;

/** What a transport knows of a packet's fate. */
export interface DeliveryReport {
  readonly peer: number;
  readonly kind: "unreachable" | "snapshot";
  readonly isDelivered: boolean;
}
