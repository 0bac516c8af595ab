/**
 * What one tenant has in one range: its sessions by name, and the bytes that its waiting messages
 * take, which its quota is about.
 *
 * Bytes of messages stored within deliveries are summed up from the heads of sessions; those of
 * shared messages have a record of their own, because a start does not read messages.
 */

import type { Inbox } from "./inbox.ts";

/** Bytes that messages take, and how many messages that are. */
export interface HeldBytes {
  bytes: number;
  count: number;
}

export class TenantShare {
  readonly tenantId: string;
  inboxes = new Map<string, Inbox>();
  /** Stored within deliveries: each delivery counts. */
  readonly inline: HeldBytes = { bytes: 0, count: 0 };
  /** Shared: each message counts once. */
  readonly shared: HeldBytes = { bytes: 0, count: 0 };
  /** Of its record; -1 = none yet. */
  slot = -1;
  isChanged = false;
  /** Listed among those that have more or less than when last asked. */
  isNoted = false;

  constructor(tenantId: string) {
    this.tenantId = tenantId;
  }

  get bytes(): number {
    return this.inline.bytes + this.shared.bytes;
  }
}
