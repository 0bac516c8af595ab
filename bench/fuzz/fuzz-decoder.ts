/**
 * Mutants at the decoder, in process. What must hold for any bytes whatsoever:
 *
 *   it never throws                               a peer's fault is a result, not an exception
 *   it consumes at most what it was given         and exactly the packet
 *   it does not look behind the packet            other bytes there change nothing
 *   a packet accepted whole is incomplete before its last byte
 *   accepted fields lie inside the packet
 */

import assert from "node:assert/strict";
import { type DecodeOptions, decodePacket } from "../../src/shared/mqtt/decoder.ts";
import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { PacketView } from "../../src/shared/mqtt/packet-view.ts";
import { mutantOf } from "./mutate.ts";
import type { Random } from "./random.ts";

const VERSIONS = [0, 3, 4, 5] as const;
const GUARD_BYTES = 16;
/** Mutants between two looks at the clock. */
const BATCH = 500;

export interface DecoderReport {
  readonly packets: number;
  readonly accepted: number;
}

/** Runs until `isOver`; throws an error that holds the offending packet as hex. */
export function fuzzDecoder(
  random: Random,
  seeds: readonly Uint8Array[],
  isOver: () => boolean,
): DecoderReport {
  let packets = 0;
  let accepted = 0;
  while (!isOver()) {
    for (let count = 0; count < BATCH; count += 1) {
      const packet = mutantOf(random, seeds);
      const options = optionsFor(random);
      try {
        if (checkPacket(packet, options)) accepted += 1;
      } catch (error) {
        const text = `decoder, options ${JSON.stringify(options)}, packet ${toHex(packet)}`;
        throw new Error(text, { cause: error });
      }
      packets += 1;
    }
  }
  return { packets, accepted };
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function optionsFor(random: Random): DecodeOptions {
  return {
    protocolVersion: random.pick(VERSIONS),
    maxPacketSize: random.pick([200, 70_000, 268_435_460]),
    topicAliasMaximum: random.pick([0, 5, 65_535]),
  };
}

/** True when the decoder accepted the packet. */
function checkPacket(packet: Uint8Array, options: DecodeOptions): boolean {
  const end = GUARD_BYTES + packet.length;
  const view = new PacketView();
  const result = decodePacket(view, guarded(packet, 0x00), GUARD_BYTES, end, options);
  const other = new PacketView();
  const again = decodePacket(other, guarded(packet, 0xff), GUARD_BYTES, end, options);
  assert.equal(again, result, "bytes outside of the packet changed the result");
  assert.ok(Number.isInteger(result) && result <= packet.length, `result ${result}`);
  if (result < 0) assert.ok(view.faultText.length > 0, "a fault without a text");
  if (result <= 0) return false;
  checkFields(view, GUARD_BYTES, GUARD_BYTES + result);
  const partial = decodePacket(
    new PacketView(),
    guarded(packet, 0),
    GUARD_BYTES,
    GUARD_BYTES + result - 1,
    options,
  );
  assert.ok(partial <= 0, "accepted without its last byte");
  return true;
}

function checkFields(view: PacketView, start: number, end: number): void {
  assert.equal(view.packetOffset, start);
  assert.equal(view.packetSize, end - start);
  if (view.type !== PacketType.PUBLISH) return;
  assert.ok(view.topicOffset >= start && view.topicOffset + view.topicLength <= end, "topic");
  assert.ok(view.propertiesOffset + view.propertiesLength <= end, "properties");
  assert.equal(view.payloadOffset + view.payloadLength, end, "payload");
  assert.ok(view.qos <= 2 && (view.qos === 0) === (view.packetId === 0), "packet identifier");
}

/** The packet with guard bytes of one value on both sides. */
function guarded(packet: Uint8Array, guard: number): Uint8Array {
  const bytes = new Uint8Array(packet.length + 2 * GUARD_BYTES).fill(guard);
  bytes.set(packet, GUARD_BYTES);
  return bytes;
}
