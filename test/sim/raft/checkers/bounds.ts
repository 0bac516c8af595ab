/**
 * Invariant 14: what a replica holds in memory for others is bounded by its options, however slow
 * disks and followers are.
 */

import type { RaftOptions } from "../../../../src/shared/raft/options.ts";
import type { RaftStatus } from "../../../../src/shared/raft/status.ts";
import { violate } from "./violation.ts";

/**
 * A quota may be passed by the one proposal that finds it empty; the largest of this world changes
 * all members at once.
 */
const LARGEST_PROPOSAL_BYTES = 128;

export function checkBounds(status: RaftStatus, options: RaftOptions): void {
  for (const member of status.members) {
    if (member.inflightMessages > options.maxInflightMessages) {
      const text = `has ${member.inflightMessages} messages in flight to ${member.id}`;
      violate("boundedMemory", `replica ${status.id} ${text}`);
    }
    if (member.inflightBytes > options.maxInflightBytes + options.maxMessageBytes) {
      const text = `has ${member.inflightBytes} bytes in flight to ${member.id}`;
      violate("boundedMemory", `replica ${status.id} ${text}`);
    }
  }
  const limit = Math.max(options.maxUncommittedBytes, LARGEST_PROPOSAL_BYTES);
  if (status.uncommittedBytes > limit) {
    violate("boundedMemory", `replica ${status.id} holds ${status.uncommittedBytes} uncommitted`);
  }
}

/** `heldBytes` were handed out to be applied and are not yet, when another batch comes. */
export function checkApplying(replica: number, heldBytes: number, options: RaftOptions): void {
  if (heldBytes < options.maxApplyingBytes) return;
  violate("boundedMemory", `replica ${replica} hands out more than ${heldBytes} to be applied`);
}
