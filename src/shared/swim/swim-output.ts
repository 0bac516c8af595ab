/** What a membership core wants from its shell, as plain objects, to be carried out in order. */

import type { Member } from "./member-table.ts";

/** What happened to another member, as this one sees it. */
export const MemberChange = {
  /** New, or back after it was dead or had left. */
  JOINED: "joined",
  /** Another address, metadata or protocol version, in the same life. */
  UPDATED: "updated",
  /**
   * The same node in a new life, without having been missed: whatever it held in memory is gone.
   */
  RESTARTED: "restarted",
  SUSPECTED: "suspected",
  /** A suspect refuted. */
  REFUTED: "refuted",
  DEAD: "dead",
  LEFT: "left",
  /** Another process has its address now. */
  REPLACED: "replaced",
} as const;
export type MemberChange = (typeof MemberChange)[keyof typeof MemberChange];

/** What happened to this member itself. */
export const SelfChange = {
  /** It had to refute: some may have dropped it, so services announce themselves again. */
  REFUTED: "refuted",
  /** A newer process carries this node's id; this one fell silent and should end. */
  DISPLACED: "displaced",
  /** `leave` is done; the sockets may close. */
  LEFT: "left",
} as const;
export type SelfChange = (typeof SelfChange)[keyof typeof SelfChange];

/** Send `bytes` to `address` as one datagram. */
export interface SendPacket {
  readonly kind: "packet";
  readonly address: string;
  readonly bytes: Uint8Array;
}

/** Send `bytes` to `address` reliably, as one framed message. */
export interface SendStream {
  readonly kind: "stream";
  readonly address: string;
  readonly bytes: Uint8Array;
}

export interface MemberEvent {
  readonly kind: "member";
  readonly change: MemberChange;
  /** As it is after the change; a copy. */
  readonly member: Member;
}

export interface SelfEvent {
  readonly kind: "self";
  readonly change: SelfChange;
}

export type SwimOutput = SendPacket | SendStream | MemberEvent | SelfEvent;
