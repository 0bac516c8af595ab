/**
 * Runs the broker's decoder the way a session does, for tests: a view per call, limits of a usual
 * connection.
 */

import type { DecodeOptions } from "../../src/shared/mqtt/decode-options.ts";
import { decodePacket } from "../../src/shared/mqtt/decoder.ts";
import { PacketView } from "../../src/shared/mqtt/packet-view.ts";
import type { Level } from "./packets.ts";

/** `result` as decodePacket returned it. */
export interface Decoded {
  readonly result: number;
  readonly view: PacketView;
}

export function decodeOptions(level: 0 | Level): DecodeOptions {
  return {
    protocolVersion: level,
    maxPacketSize: level === 0 ? 65_536 : 1_048_576,
    topicAliasMaximum: 10,
  };
}

/**
 * Decodes the packet at the start of `content`, which is placed between other bytes that a decoder
 * must not touch: they would complete what lies.
 */
export function decode(content: Uint8Array, level: 0 | Level, filler = 0x00): Decoded {
  const before = 3;
  const surroundings = new Uint8Array(before + content.length + 16).fill(filler);
  surroundings.set(content, before);
  const view = new PacketView();
  const end = before + content.length;
  const result = decodePacket(view, surroundings, before, end, decodeOptions(level));
  return { result, view };
}

/**
 * What the fields of a view say, with offsets turned into bytes: comparable wherever the packet
 * lay.
 */
export function summary(view: PacketView): unknown {
  const part = (offset: number, length: number) =>
    Array.from(view.bytes.subarray(offset, offset + length));
  return {
    type: view.type,
    size: view.packetSize,
    cold: view.cold,
    publish:
      view.type === 3
        ? {
            dup: view.dup,
            qos: view.qos,
            retain: view.retain,
            topic: part(view.topicOffset, view.topicLength),
            payload: part(view.payloadOffset, view.payloadLength),
            properties: part(view.propertiesOffset, view.propertiesLength),
            forwardLength: view.forwardLength,
            topicAlias: view.topicAlias,
            messageExpirySeconds: view.messageExpirySeconds,
            payloadFormat: view.payloadFormat,
            packetId: view.packetId,
          }
        : null,
    ack: view.type >= 4 && view.type <= 7 ? [view.packetId, view.reasonCode] : null,
  };
}
