/** What travels between nodes, and how a node tells them apart. */

import { decodeHeartbeatFrame } from "../../../src/shared/raft/heartbeat-frame.ts";
import type { RaftMessage } from "../../../src/shared/raft/message.ts";
import type { QuiesceNotice } from "../../../src/shared/raft/quiescence.ts";
import { violate } from "./checkers/violation.ts";

/** Bytes are a frame of heartbeats. */
export type Packet = RaftMessage | QuiesceNotice | Uint8Array;

export function isNotice(packet: RaftMessage | QuiesceNotice): packet is QuiesceNotice {
  return !("type" in packet);
}

/** The heartbeats of a frame. The network loses frames, but does not damage them. */
export function openFrame(frame: Uint8Array): readonly RaftMessage[] {
  const items = decodeHeartbeatFrame(frame) ?? violate("assertion", "a frame is not readable");
  return items.map(({ message }) => message);
}
