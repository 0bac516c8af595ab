/**
 * Messages in ring records.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { Message } from "../../../src/shared/mqtt/message.ts";
import {
  messageContentBytes,
  messageFootprint,
  messageInRecord,
  readMessage,
  recordOfMessage,
  writeMessage,
} from "../../../src/shared/mqtt/message-codec.ts";

const bytes = fc.uint8Array({ maxLength: 80 });

const messages = fc
  .record({
    tenantId: fc.string({ unit: "binary", maxLength: 10 }),
    topic: bytes,
    payload: bytes,
    forward: bytes,
    qos: fc.nat(2),
    retain: fc.boolean(),
    expirySeconds: fc.oneof(
      fc.constant(-1),
      fc.constant(0),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    ),
    receivedAtMs: fc.maxSafeNat(),
    publisherId: fc.string({ unit: "binary", maxLength: 100 }),
  })
  .map(
    (fields) =>
      new Message(
        fields.tenantId,
        fields.topic,
        fields.payload,
        fields.forward,
        fields.qos,
        fields.retain,
        fields.expirySeconds,
        fields.receivedAtMs,
        fields.publisherId,
      ),
  );

test("message codec: every field survives, in memory of its own", () => {
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 4 }), (sent) => {
      const writer = new RecordWriter();
      for (const message of sent) writeMessage(writer, message);
      const memory = new Uint8Array(new SharedArrayBuffer(writer.size));
      memory.set(writer.bytes.subarray(0, writer.size));
      reader.reset(memory, 0, memory.length);
      const read = sent.map(() => readMessage(reader));
      reader.release();
      memory.fill(0xee);
      assert.deepEqual(read, sent);
      for (const message of read) assert.ok(message.topic.buffer instanceof ArrayBuffer);
    }),
  );
});

test("message codec: a buffer as record memory is copied too", () => {
  const writer = new RecordWriter();
  const sent = new Message(
    "t",
    Uint8Array.of(97),
    Uint8Array.of(1, 2),
    new Uint8Array(0),
    1,
    false,
    -1,
    5,
    "p",
  );
  writeMessage(writer, sent);
  const memory = Buffer.from(writer.bytes.subarray(0, writer.size));
  const reader = new RecordReader();
  reader.reset(memory, 0, memory.length);
  const read = readMessage(reader);
  memory.fill(0);
  assert.deepEqual([...read.payload], [1, 2]);
});

test("message codec: a fraction of a millisecond is dropped, content and footprint count all bytes", () => {
  const sent = new Message(
    "t",
    new Uint8Array(3),
    new Uint8Array(20),
    new Uint8Array(100),
    0,
    true,
    0,
    5.75,
    "",
  );
  const writer = new RecordWriter();
  writeMessage(writer, sent);
  const reader = new RecordReader();
  reader.reset(writer.bytes, 0, writer.size);
  assert.equal(readMessage(reader).receivedAtMs, 5);
  assert.equal(messageContentBytes(sent), 123);
  assert.ok(messageFootprint(sent) > 123);
});

test("message codec: a message in a record of its own is the same, and lies in that record", () => {
  fc.assert(
    fc.property(messages, (message) => {
      const record = recordOfMessage(message);
      const found = messageInRecord(record);
      assert.deepEqual(found, message);
      assert.equal(found.topic.buffer, record.buffer);
      assert.equal(found.payload.buffer, record.buffer);
    }),
  );
});
