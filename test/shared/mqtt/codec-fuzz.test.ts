/**
 * The decoder against bytes nobody planned: it answers, never throws, and stays inside the packet.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodePacket } from "../../../src/shared/mqtt/decoder.ts";
import { PacketView } from "../../../src/shared/mqtt/packet-view.ts";
import { decode, decodeOptions, summary } from "../../helpers/decoding.ts";
import { ILLEGAL_PACKETS } from "../../helpers/illegal-packets.ts";
import { LEGAL_PACKETS } from "../../helpers/legal-packets.ts";
import type { Level } from "../../helpers/packets.ts";

const CASES = [...LEGAL_PACKETS, ...ILLEGAL_PACKETS].filter((entry) => entry.bytes.length < 2000);
const LEVELS: readonly (0 | Level)[] = [0, 3, 4, 5];

/** Every promise of the decoder that can be checked from outside. */
function check(content: Uint8Array, level: 0 | Level): void {
  const { result, view } = decode(content, level, 0x00);
  assert.ok(Number.isInteger(result) && result >= -0xff && result <= content.length);
  assert.ok(result >= 0 || (result <= -0x80 && view.faultText !== ""));
  // The same bytes in other surroundings: whoever reads beyond the end would answer differently.
  const other = decode(content, level, 0xa5);
  assert.equal(other.result, result);
  if (result <= 0) return;
  assert.deepEqual(summary(other.view), summary(view));
  const end = view.packetOffset + result;
  assert.equal(view.packetSize, result);
  if (view.type !== 3) return;
  assert.ok(view.topicOffset + view.topicLength <= end);
  assert.ok(view.propertiesOffset + view.propertiesLength <= end);
  assert.equal(view.payloadOffset + view.payloadLength, end);
  assert.ok(view.forwardLength >= 0 && view.forwardLength <= view.propertiesLength);
}

test("decoder: random bytes never throw and never reach beyond their end [property]", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...LEVELS), check), {
    numRuns: 5000,
  });
});

test("decoder: random bodies behind a legal first byte never throw [property]", () => {
  const first = fc.constantFrom(0x10, 0x30, 0x32, 0x35, 0x40, 0x62, 0x82, 0xa2, 0xe0, 0xf0);
  const body = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(first, body, fc.constantFrom(...LEVELS), (byte, rest, level) => {
      check(Uint8Array.of(byte, rest.length, ...rest), level);
    }),
    { numRuns: 5000 },
  );
});

test("decoder: packets of the table with bytes changed, removed, doubled never throw [property]", () => {
  const change = fc.tuple(fc.nat(1999), fc.nat(255), fc.nat(3));
  fc.assert(
    fc.property(
      fc.constantFrom(...CASES),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      ({ bytes: original, level }, changes) => {
        const content = [...original];
        for (const [position, value, kind] of changes) {
          const at = position % Math.max(1, content.length);
          if (kind === 0) content[at] = value;
          else if (kind === 1) content[at] = (content[at] ?? 0) ^ (1 << (value & 7));
          else if (kind === 2) content.splice(at, 1);
          else content.splice(at, 0, value);
        }
        check(Uint8Array.from(content), level);
      },
    ),
    { numRuns: 5000 },
  );
});

test("decoder: each single-bit error in each packet of the table is answered", () => {
  const view = new PacketView();
  for (const { bytes: original, level } of CASES) {
    const content = Uint8Array.from(original.subarray(0, 120));
    const options = decodeOptions(level);
    for (let bit = 0; bit < content.length * 8; bit++) {
      const at = bit >> 3;
      content[at] = (content[at] ?? 0) ^ (1 << (bit & 7));
      const result = decodePacket(view, content, 0, content.length, options);
      assert.ok(result <= content.length && result >= -0xff);
      content[at] = (content[at] ?? 0) ^ (1 << (bit & 7));
    }
  }
});
