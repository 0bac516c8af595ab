/**
 * Commands, answers and pushes of the inbox service: what is written is read.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { Delivery, StoredMessage } from "../../../src/shared/inbox/delivery.ts";
import {
  type InboxCommandHandler,
  readInboxCommands,
  writeAttach,
  writeCommit,
  writeCredit,
  writeDetach,
  writeInsert,
  writeSubscribe,
  writeUnsubscribe,
} from "../../../src/shared/inbox/inbox-command.ts";
import {
  type InboxReplyHandler,
  readInboxReplies,
  readPushes,
  writeAttached,
  writeCommitted,
  writeInserted,
  writePush,
  writeSubscribed,
  writeUnsubscribed,
} from "../../../src/shared/inbox/inbox-reply.ts";
import type {
  AttachReply,
  AttachRequest,
  InboxOp,
  InboxPush,
  InboxReceiver,
  StoredSubscription,
} from "../../../src/shared/inbox/inbox-types.ts";
import type { Message } from "../../../src/shared/mqtt/message.ts";
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

const attachRequest: fc.Arbitrary<AttachRequest> = plain({
  tenantId: text,
  clientId: text,
  userId: text,
  epoch: fc.maxSafeNat(),
  cleanStart: fc.boolean(),
  sessionExpirySeconds: uint32,
  receiveMaximum: uint16,
  will: fc.option(plain({ message: messages, delaySeconds: uint32 })),
});

const receiver: fc.Arbitrary<InboxReceiver> = plain({
  clientId: text,
  qos: fc.nat(2),
  retain: fc.boolean(),
  subscriptionIdentifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
  shareFilter: fc.option(text),
});

/** A call to write a command, and how the handler must be called for it. */
type Call = readonly [string, ...unknown[]];

const command: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constant("attach"), uint32, attachRequest),
  fc.tuple(fc.constant("detach"), uint32, fc.oneof(fc.constant(-1), uint32), fc.boolean()),
  fc.tuple(fc.constant("subscribe"), uint32, uint32, subscription),
  fc.tuple(fc.constant("unsubscribe"), uint32, uint32, text),
  fc.tuple(fc.constant("commit"), uint32, uint32, fc.nat(3), uint16),
  fc.tuple(fc.constant("insert"), uint32, messages, fc.array(receiver, { maxLength: 4 })),
  fc.tuple(fc.constant("credit"), uint32, uint32),
) as fc.Arbitrary<Call>;

const WRITERS: Readonly<Record<string, (writer: RecordWriter, ...fields: never[]) => void>> = {
  attach: writeAttach,
  detach: writeDetach,
  subscribe: writeSubscribe,
  unsubscribe: writeUnsubscribe,
  commit: writeCommit,
  insert: writeInsert,
  credit: writeCredit,
};

class CommandRecorder implements InboxCommandHandler {
  readonly calls: Call[] = [];
  #receivers: InboxReceiver[] = [];

  attach(token: number, request: AttachRequest): void {
    this.calls.push(["attach", token, request]);
  }

  detach(token: number, sessionExpirySeconds: number, discardWill: boolean): void {
    this.calls.push(["detach", token, sessionExpirySeconds, discardWill]);
  }

  subscribe(token: number, request: number, subscribed: StoredSubscription): void {
    this.calls.push(["subscribe", token, request, subscribed]);
  }

  unsubscribe(token: number, request: number, filter: string): void {
    this.calls.push(["unsubscribe", token, request, filter]);
  }

  commit(token: number, request: number, op: InboxOp, packetId: number): void {
    this.calls.push(["commit", token, request, op, packetId]);
  }

  insertBegin(request: number, inserted: Message): void {
    this.#receivers = [];
    this.calls.push(["insert", request, inserted, this.#receivers]);
  }

  insertReceiver(one: InboxReceiver): void {
    this.#receivers.push({ ...one });
  }

  insertEnd(): void {}

  credit(token: number, bytes: number): void {
    this.calls.push(["credit", token, bytes]);
  }
}

function inSharedMemory(writer: RecordWriter): Uint8Array {
  const memory = new Uint8Array(new SharedArrayBuffer(writer.size));
  memory.set(writer.bytes.subarray(0, writer.size));
  return memory;
}

test("inbox command: any mix of commands in one record is read as written", () => {
  const reader = new RecordReader();
  fc.assert(
    fc.property(fc.array(command, { maxLength: 12 }), (calls) => {
      const writer = new RecordWriter();
      for (const [name, ...fields] of calls) WRITERS[name]!(writer, ...(fields as never[]));
      const memory = inSharedMemory(writer);
      const recorder = new CommandRecorder();
      reader.reset(memory, 0, memory.length);
      readInboxCommands(reader, recorder);
      reader.release();
      memory.fill(0xee);
      assert.deepEqual(recorder.calls, calls);
    }),
  );
});

test("inbox reply: any mix of answers in one record is read as written", () => {
  const attachReply: fc.Arbitrary<AttachReply> = plain({
    status: fc.constantFrom(0, 1, 2, 3, 4),
    sessionPresent: fc.boolean(),
    subscriptions: fc.array(subscription, { maxLength: 4 }),
    inboundPacketIds: fc.array(uint16, { maxLength: 4 }),
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
        expected.push(["inserted", request, statuses, pending]);
      }
      const seen: unknown[] = [];
      const handler: InboxReplyHandler = {
        handleAttached: (...fields) => seen.push(["attached", ...fields]),
        handleSubscribed: (...fields) => seen.push(["subscribed", ...fields]),
        handleUnsubscribed: (...fields) => seen.push(["unsubscribed", ...fields]),
        handleCommitted: (...fields) => seen.push(["committed", ...fields]),
        handleInserted: (...fields) => seen.push(["inserted", ...fields]),
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
  const shared = ["one", "two", "three"].map((payload) => new StoredMessage(message({ payload })));
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
      const seen: (InboxPush & { token: number })[] = [];
      const memory = inSharedMemory(writer);
      reader.reset(memory, 0, memory.length);
      readPushes(reader, (token, one) => seen.push({ token, ...one }));
      reader.release();
      memory.fill(0xee);
      const expected = pushes.map(({ identifiers, message: held, ...fields }) => ({
        ...fields,
        subscriptionIdentifiers: identifiers,
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
  const large = new StoredMessage(message({ payload: "x".repeat(1000) }));
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
