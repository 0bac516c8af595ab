/**
 * From a borrowed view to an owned message: the one copy that a PUBLISH pays when somebody keeps
 * it.
 *
 * Three small arrays and not one with three views: up to 64 bytes V8 keeps an array's content in
 * its own heap (20 ns), above that every array is a separate allocation (250 ns), which topic and
 * payload together would often need. Flow: publish 4/8. Thread: worker.
 */

import { NO_BYTES, ownedCopy } from "../bytes/copy-bytes.ts";
import { copyForwardProperties } from "./encode-publish.ts";
import { Message } from "./message.ts";
import type { PacketView } from "./packet-view.ts";

/**
 * The decoded PUBLISH in `view` as a message. `topic`: what its topic alias stands for, shared and
 * not copied; null = the topic in the packet. `nowMs`: wall clock.
 */
export function messageFromView(
  view: PacketView,
  tenantId: string,
  topic: Uint8Array | null,
  nowMs: number,
  publisherId: string,
): Message {
  const topicEnd = view.topicOffset + view.topicLength;
  return new Message(
    tenantId,
    topic ?? ownedCopy(view.bytes, view.topicOffset, topicEnd),
    ownedCopy(view.bytes, view.payloadOffset, view.payloadOffset + view.payloadLength),
    forwardProperties(view),
    view.qos,
    view.retain,
    view.messageExpirySeconds,
    nowMs,
    publisherId,
  );
}

function forwardProperties(view: PacketView): Uint8Array {
  if (view.forwardLength === 0) return NO_BYTES;
  const owned = new Uint8Array(view.forwardLength);
  copyForwardProperties(view, owned, 0);
  return owned;
}
