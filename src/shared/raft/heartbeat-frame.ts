/**
 * Heartbeats of all groups between two nodes in one frame. A node with a thousand groups would send
 * ten thousand messages a second; their fields are a few bytes each. Only the transport is shared:
 * each group's core makes its own heartbeats and steps those that come for it.
 *
 * All groups tick in one turn of the host, so what they emit in that turn is one frame per node; a
 * heartbeat for a read leaves at the end of its own turn.
 *
 *   frame   version u8 | count u32 | item ... | crc32 u32                 (sealed-record.ts)
 *   item    group u32 | kind u8 | from u64 | to u64 | term u64 | epoch u64 | commit u64 | round u64
 *
 * A lost frame is a lost heartbeat of every group at once, so election timeouts must span several
 * (raft pitfall 79).
 */

import { assert } from "../base/assert.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { readCount } from "./codec-fields.ts";
import { createMessage, MessageType, type RaftMessage } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { readSealed, writeSealed } from "./sealed-record.ts";

const VERSION = 1;
/** 4 group, 1 kind, 6 × 8 numbers. */
const ITEM_BYTES = 53;
const HEARTBEAT = 0;
const HEARTBEAT_RESPONSE = 1;
/** How many lost frames a group survives, at least, without an election. */
const LOST_FRAMES_TOLERATED = 5;

export interface GroupMessage {
  readonly group: number;
  readonly message: RaftMessage;
}

/** Is this a message that travels in frames? */
export function isCoalescible(message: RaftMessage): boolean {
  return message.type === MessageType.HEARTBEAT || message.type === MessageType.HEARTBEAT_RESPONSE;
}

/** Fails on timeouts that do not outlast a few lost frames (raft pitfall 79). */
export function assertOutlastsLostFrames(options: RaftOptions): void {
  assert(
    options.electionTicks >= LOST_FRAMES_TOLERATED * options.heartbeatTicks,
    "raft: an election timeout spans five heartbeats",
  );
}

/** Collects the heartbeats of one turn, by node. Scope: one per host. */
export class HeartbeatCoalescer<Node> {
  readonly #byNode = new Map<Node, Map<string, GroupMessage>>();
  readonly #writer = new RecordWriter();

  /** Takes a coalescible message of `group` for `node`. A newer one of its kind replaces it. */
  add(node: Node, group: number, message: RaftMessage): void {
    assert(isCoalescible(message), "heartbeat frame: heartbeats only");
    let items = this.#byNode.get(node);
    if (items === undefined) {
      items = new Map();
      this.#byNode.set(node, items);
    }
    // The newer one says all that the older one said: rounds and commit indexes only grow within a
    // term, and an older term's message would be ignored anyway.
    items.set(`${group}/${message.type}/${message.from}/${message.to}`, { group, message });
  }

  /** Hands one frame per node to `send`, then starts over. The bytes are the frame's own. */
  flush(send: (node: Node, frame: Uint8Array) => void): void {
    for (const [node, items] of this.#byNode) {
      if (items.size > 0) send(node, this.#encode([...items.values()]));
    }
    this.#byNode.clear();
  }

  #encode(items: readonly GroupMessage[]): Uint8Array {
    const writer = this.#writer;
    writer.clear();
    writeSealed(writer, VERSION, () => {
      writer.u32(items.length);
      for (const { group, message } of items) {
        writer.u32(group);
        writer.u8(message.type === MessageType.HEARTBEAT ? HEARTBEAT : HEARTBEAT_RESPONSE);
        writer.u64(message.from);
        writer.u64(message.to);
        writer.u64(message.term);
        writer.u64(message.epoch);
        writer.u64(message.commit);
        writer.u64(message.context);
      }
    });
    return writer.bytes.slice(0, writer.size);
  }
}

/** The messages of a frame, each for its group's `step`; null if these bytes are none. */
export function decodeHeartbeatFrame(bytes: Uint8Array): readonly GroupMessage[] | null {
  return readSealed(bytes, 0, bytes.length, VERSION, readItems);
}

function readItems(reader: WireReader): readonly GroupMessage[] | null {
  const items: GroupMessage[] = [];
  for (let left = readCount(reader, ITEM_BYTES); left > 0; left--) {
    const group = reader.u32();
    const kind = reader.u8();
    if (kind > HEARTBEAT_RESPONSE) return null;
    const type = kind === HEARTBEAT ? MessageType.HEARTBEAT : MessageType.HEARTBEAT_RESPONSE;
    const message = createMessage(type, 0);
    message.from = reader.u64();
    message.to = reader.u64();
    message.term = reader.u64();
    message.epoch = reader.u64();
    message.commit = reader.u64();
    message.context = reader.u64();
    items.push({ group, message });
  }
  return items;
}
