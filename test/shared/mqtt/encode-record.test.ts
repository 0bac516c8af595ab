/** PUBLISH from a ring record beside the same PUBLISH from a message: byte for byte alike. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import {
  AliasForm,
  encodedPublish,
  NO_SUBSCRIPTION_IDENTIFIERS,
  publishVariant,
  writePublish,
} from "../../../src/shared/mqtt/encode-publish.ts";
import {
  publishFirstByte,
  recordPublishSize,
  writeRecordPublish,
} from "../../../src/shared/mqtt/encode-record.ts";
import { Message } from "../../../src/shared/mqtt/message.ts";
import { MessageRecord, writeMessage } from "../../../src/shared/mqtt/message-codec.ts";

const MARK = 0xee;

/** The message where it lies in ring memory, with other bytes around it. */
function recordOf(message: Message): MessageRecord {
  const writer = new RecordWriter();
  writer.u32(7);
  writeMessage(writer, message);
  const memory = new Uint8Array(new SharedArrayBuffer(writer.size + 9)).fill(MARK);
  memory.set(writer.bytes.subarray(0, writer.size), 5);
  const reader = new RecordReader();
  reader.reset(memory, 5, writer.size);
  reader.u32();
  const record = new MessageRecord();
  record.read(reader);
  reader.release();
  return record;
}

test("encode record: the same bytes as by way of a message [MQTT-3.3.2-17] [MQTT-3.3.2-18]", () => {
  const blob = (maxLength: number) => fc.uint8Array({ maxLength });
  const property = fc.property(
    fc.record({
      topic: fc.uint8Array({ minLength: 1, maxLength: 300 }),
      payload: fc.oneof(blob(200), blob(20_000)),
      forward: fc.oneof(fc.constant(new Uint8Array(0)), blob(300)),
      level: fc.constantFrom(3 as const, 4 as const, 5 as const),
      qos: fc.constantFrom(1, 2),
      retain: fc.boolean(),
      dup: fc.boolean(),
      packetId: fc.integer({ min: 1, max: 65_535 }),
    }),
    ({ topic, payload, forward, level, qos, retain, dup, packetId }) => {
      const message = new Message("tenant", topic, payload, forward, qos, false, -1, 0, "p");
      const variant = publishVariant(level, qos, retain, AliasForm.NONE);
      const encoded = encodedPublish(message, variant, NO_SUBSCRIPTION_IDENTIFIERS);
      const expected = new Uint8Array(encoded.bytes.length);
      writePublish(expected, 0, encoded, packetId, dup, 0, -1);

      const record = recordOf(message);
      const size = recordPublishSize(record, level === 5);
      const target = new Uint8Array(size + 8).fill(MARK);
      const firstByte = publishFirstByte(qos, retain, dup);
      writeRecordPublish(target, 4, record, level === 5, firstByte, packetId);
      assert.deepEqual(target.subarray(4, 4 + size), expected);
      assert.ok([...target.subarray(0, 4), ...target.subarray(4 + size)].every((b) => b === MARK));
    },
  );
  fc.assert(property, { numRuns: 300 });
});
