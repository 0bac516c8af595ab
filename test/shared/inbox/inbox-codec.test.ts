/**
 * Direct commands, answers and pushes of the inbox service: what is written is read.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import {
  type Credited,
  type DirectCommandHandler,
  type Probe,
  readDirectCommands,
  writeCredit,
  writeProbe,
  writeQosZero,
} from "../../../src/shared/inbox/direct-command.ts";
import {
  type InboxReplyHandler,
  readInboxReplies,
  readPushes,
  writeAttached,
  writeCommitted,
  writeDetached,
  writeInserted,
  writeProbed,
  writePush,
  writeSubscribed,
  writeUnsubscribed,
} from "../../../src/shared/inbox/inbox-reply.ts";
import {
  type AttachReply,
  DropReason,
  type InboxPush,
  type InboxReceiver,
  type StoredSubscription,
} from "../../../src/shared/inbox/inbox-types.ts";
import { Delivery, storedMessage } from "../../../src/shared/inbox/range/delivery.ts";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import { messageFootprint } from "../../../src/shared/mqtt/message-codec.ts";
import { message } from "../../helpers/service-workers.ts";

/** Ordinary objects, as the reader makes them. */
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const uint16 = fc.nat(0xffff);
const text = fc.string({ unit: "binary", maxLength: 20 });

const messages = fc
  .record({ payload: text, topic: text, tenantId: text, qos: fc.nat(2) })
  .map((fields) => message(fields));

const options = plain({
  qos: fc.nat(2),
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  subscriptionIdentifier: fc.nat(268_435_455),
});

const subscription: fc.Arbitrary<StoredSubscription> = plain({ filter: text, options });

const receiver: fc.Arbitrary<InboxReceiver> = plain({
  incarnation: fc.maxSafeNat(),
  qos: fc.nat(2),
  retain: fc.boolean(),
  subscriptionIdentifiers: fc.array(fc.nat(268_435_455), { maxLength: 3 }),
  shareFilter: fc.option(text),
  isReplay: fc.boolean(),
});

/** A direct command, and how the handler must be called for it. */
type Call = readonly [string, ...unknown[]];

const bucket = fc.nat(4095);
const command: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constant("insert"), messages, fc.array(receiver, { maxLength: 4 })),
  fc.tuple(fc.constant("credit"), plain({ bucket, boot: fc.maxSafeNat(), token: uint32 }), uint32),
  fc.tuple(fc.constant("probe"), uint32, plain({ bucket, tenantId: text, clientId: text })),
) as fc.Arbitrary<Call>;

const WRITERS: Readonly<Record<string, (writer: RecordWriter, ...fields: never[]) => void>> = {
  insert: writeQosZero,
  credit: writeCredit,
  probe: writeProbe,
};

class CommandRecorder implements DirectCommandHandler {
  readonly calls: Call[] = [];
  #receivers: InboxReceiver[] = [];

  insertBegin(inserted: Message): void {
    this.#receivers = [];
    this.calls.push(["insert", inserted, this.#receivers]);
  }

  insertReceiver(one: InboxReceiver): void {
    this.#receivers.push({ ...one });
  }

  insertEnd(): void {}

  credit(credited: Credited, bytes: number): void {
    this.calls.push(["credit", credited, bytes]);
  }

  probe(token: number, probe: Probe): void {
    this.calls.push(["probe", token, probe]);
  }
}

function inSharedMemory(writer: RecordWriter): Uint8Array {
  const memory = new Uint8Array(new SharedArrayBuffer(writer.size));
  memory.set(writer.bytes.subarray(0, writer.size));
  return memory;
}

test("direct inbox command: any mix of commands in one record is read as written", () => {
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(command, { maxLength: 12 }), (calls) => {
      const writer = new RecordWriter();
      for (const [name, ...fields] of calls) WRITERS[name]!(writer, ...(fields as never[]));
      const memory = inSharedMemory(writer);
      const recorder = new CommandRecorder();
      reader.reset(memory, 0, memory.length);
      readDirectCommands(reader, recorder);
      reader.release();
      memory.fill(0xee);
      assert.deepEqual(recorder.calls, calls);
    }),
  );
});

test("inbox reply: any mix of answers in one record is read as written", () => {
  const drop = plain({
    reason: fc.constantFrom(...Object.values(DropReason)),
    count: fc.maxSafeNat(),
    firstPosition: fc.maxSafeNat(),
    firstMs: fc.maxSafeNat(),
    lastPosition: fc.maxSafeNat(),
    lastMs: fc.maxSafeNat(),
  });
  const attachReply: fc.Arbitrary<AttachReply> = plain({
    status: fc.constantFrom(0, 1, 2, 3, 4),
    sessionPresent: fc.boolean(),
    subscriptions: fc.array(subscription, { maxLength: 4 }),
    inboundPacketIds: fc.array(uint16, { maxLength: 4 }),
    isAfterRestart: fc.boolean(),
    incarnation: fc.maxSafeNat(),
    drops: fc.array(drop, { maxLength: 5 }),
    load: uint32,
    replays: fc.array(plain({ filter: text, handedTopics: fc.array(text, { maxLength: 3 }) }), {
      maxLength: 3,
    }),
  });
  const answer = plain({
    request: uint32,
    attachReply,
    status: fc.constantFrom(0, 1, 2, 3),
    flag: fc.boolean(),
    statuses: fc.uint8Array({ maxLength: 10 }),
    pending: uint32,
  });
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 5 }), (answers) => {
      const writer = new RecordWriter();
      const expected: unknown[] = [];
      for (const { request, attachReply: reply, status, flag, statuses, pending } of answers) {
        writeAttached(writer, request, reply);
        writeSubscribed(writer, request, status as 0);
        writeUnsubscribed(writer, request, flag);
        writeCommitted(writer, request, flag);
        // A buffer larger than what counts, as its owner reuses it.
        const buffer = new Uint8Array(64).fill(0xff);
        buffer.set(statuses);
        writeInserted(writer, request, buffer, statuses.length, pending);
        expected.push(["attached", request, reply], ["subscribed", request, status]);
        expected.push(["unsubscribed", request, flag], ["committed", request, flag]);
        writeDetached(writer, request);
        writeProbed(writer, request, flag);
        expected.push(["inserted", request, statuses, pending]);
        expected.push(["detached", request], ["probed", request, flag]);
      }
      const seen: unknown[] = [];
      const handler: InboxReplyHandler = {
        handleAttached: (...fields) => seen.push(["attached", ...fields]),
        handleSubscribed: (...fields) => seen.push(["subscribed", ...fields]),
        handleUnsubscribed: (...fields) => seen.push(["unsubscribed", ...fields]),
        handleCommitted: (...fields) => seen.push(["committed", ...fields]),
        handleInserted: (...fields) => seen.push(["inserted", ...fields]),
        handleDetached: (...fields) => seen.push(["detached", ...fields]),
        handleProbed: (...fields) => seen.push(["probed", ...fields]),
      };
      const memory = inSharedMemory(writer);
      reader.reset(memory, 0, memory.length);
      readInboxReplies(reader, handler);
      reader.release();
      memory.fill(0xee);
      assert.deepEqual(seen, expected);
    }),
  );
});

test("inbox push: deliveries are read as written, and a message shared by neighbours travels once", () => {
  const shared = ["one", "two", "three"].map((payload) =>
    storedMessage(message({ payload }), false),
  );
  const push = plain({
    token: uint32,
    packetId: uint16,
    qos: fc.nat(2),
    retain: fc.boolean(),
    dup: fc.boolean(),
    identifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
    message: fc.constantFrom(null, ...shared),
  });
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(push, { maxLength: 20 }), (pushes) => {
      const writer = new RecordWriter();
      let previous: Message | null = null;
      for (const one of pushes) {
        const delivery = new Delivery(one.message, {
          qos: one.qos,
          retain: one.retain,
          subscriptionIdentifiers: one.identifiers,
          shareFilter: null,
        });
        delivery.packetId = one.packetId;
        previous = writePush(writer, one.token, delivery, one.dup, previous);
      }
      const seen: (Omit<InboxPush, "record"> & { token: number })[] = [];
      const memory = inSharedMemory(writer);
      reader.reset(memory, 0, memory.length);
      readPushes(reader, (token, one) => {
        const { packetId, qos, retain, dup, hasMessage, subscriptionIdentifiers } = one;
        const { message: owned } = one;
        if (owned !== null) assert.equal(one.record.footprint, messageFootprint(owned));
        const fields = { packetId, qos, retain, dup, hasMessage, subscriptionIdentifiers };
        seen.push({ token, ...fields, message: owned });
      });
      reader.release();
      memory.fill(0xee);
      const expected = pushes.map(({ identifiers, message: held, ...fields }) => ({
        ...fields,
        subscriptionIdentifiers: identifiers,
        hasMessage: held !== null,
        message: held === null ? null : held.message,
      }));
      assert.deepEqual(seen, expected);
      const distinct = new Set(seen.map((one) => one.message)).size;
      assert.ok(distinct <= pushes.length);
    }),
  );
});

test("inbox push: three sessions of one message get one Message, nine bytes each after the first", () => {
  const writer = new RecordWriter();
  const large = storedMessage(message({ payload: "x".repeat(1000) }), false);
  let previous: Message | null = null;
  const sizes = [1, 2, 3].map((token) => {
    const before = writer.size;
    const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
    previous = writePush(writer, token, new Delivery(large, form), false, previous);
    return writer.size - before;
  });
  assert.ok(sizes[0]! > 1000);
  assert.deepEqual(sizes.slice(1), [9, 9]);
  const reader = new RecordReader();
  const seen = new Set<Message | null>();
  reader.reset(writer.bytes, 0, writer.size);
  readPushes(reader, (_token, push) => seen.add(push.message));
  assert.equal(seen.size, 1);
});
