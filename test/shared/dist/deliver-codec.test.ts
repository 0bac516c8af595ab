/** The header of publishes between workers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DELIVER_HEADER_SIZE, DeliverHeader } from "../../../src/shared/dist/deliver-codec.ts";

const anyHeader = fc.record(
  {
    qos: fc.nat(2),
    retain: fc.boolean(),
    expirySeconds: fc.integer({ min: -1, max: 0x7fff_ffff }),
    receivedAtMs: fc.nat(Number.MAX_SAFE_INTEGER),
    tenantLength: fc.nat(0xffff),
    publisherLength: fc.nat(0xffff),
    topicLength: fc.nat(0xffff),
    forwardLength: fc.nat(0xffff_ffff),
    payloadLength: fc.nat(0xffff_ffff),
    slot: fc.nat(0xffff_ffff),
    generation: fc.nat(0xffff_ffff),
  },
  { noNullPrototype: true },
);

test("deliver header: reading gives back what was written, at any offset, and touches nothing else", () => {
  fc.assert(
    fc.property(anyHeader, fc.nat(9), (fields, offset) => {
      const bytes = new Uint8Array(DELIVER_HEADER_SIZE + 20).fill(0xaa);
      const view = new DataView(bytes.buffer);
      const written = Object.assign(new DeliverHeader(), fields);
      written.write(view, offset);
      const read = new DeliverHeader();
      read.read(view, offset);
      assert.deepEqual({ ...read }, fields);
      const outside = [
        ...bytes.subarray(0, offset),
        ...bytes.subarray(offset + DELIVER_HEADER_SIZE),
      ];
      assert.ok(outside.every((byte) => byte === 0xaa));
    }),
  );
});

test("deliver header: an expiry that does not fit travels as none", () => {
  const view = new DataView(new ArrayBuffer(DELIVER_HEADER_SIZE));
  const header = new DeliverHeader();
  header.expirySeconds = 0x8000_0000;
  header.write(view, 0);
  header.read(view, 0);
  assert.equal(header.expirySeconds, -1);
});

test("deliver header: the record is as long as its parts", () => {
  const header = Object.assign(new DeliverHeader(), {
    tenantLength: 1,
    publisherLength: 20,
    topicLength: 300,
    forwardLength: 4000,
    payloadLength: 50_000,
  });
  assert.equal(header.recordSize, DELIVER_HEADER_SIZE + 54_321);
});
