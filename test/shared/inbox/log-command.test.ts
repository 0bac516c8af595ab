/**
 * Commands of the inbox log: what is written is read; and keys, which are stored, keep their form.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import type {
  AttachRequest,
  InboxOp,
  InboxReceiver,
  InsertLimits,
  ReplayStep,
} from "../../../src/shared/inbox/inbox-types.ts";
import { writeInsert } from "../../../src/shared/inbox/insert-codec.ts";
import {
  type LogCommandHandler,
  readLogCommands,
  UNLIMITED_SESSIONS,
  writeAttach,
  writeCommit,
  writeDetach,
  writeDue,
  writeInsertHeader,
  writeLost,
  writeOutboxDone,
  writeReplay,
  writeSubscribe,
  writeUnsubscribe,
} from "../../../src/shared/inbox/log-command.ts";
import {
  bucketOf,
  bucketOfId,
  chunkKey,
  headKey,
  idOfKey,
  makeId,
  sequenceOf,
} from "../../../src/shared/inbox/range/inbox-key.ts";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import { message } from "../../helpers/service-workers.ts";

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

const attached = plain({ bucket: fc.nat(4095), token: uint32 });

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

const limits: fc.Arbitrary<InsertLimits> = plain({
  sessionInboxSize: uint32,
  sessionBytes: fc.maxSafeNat(),
  tenantRoom: fc.maxSafeNat(),
  processRoom: fc.maxSafeNat(),
});

const receiver: fc.Arbitrary<InboxReceiver> = plain({
  incarnation: fc.maxSafeNat(),
  qos: fc.nat(2),
  retain: fc.boolean(),
  subscriptionIdentifiers: fc.array(fc.nat(268_435_455), { maxLength: 3 }),
  shareFilter: fc.option(text),
  isReplay: fc.boolean(),
});

/** The calls of a handler, in order, with copies of what is borrowed. */
class CallList implements LogCommandHandler {
  readonly calls: unknown[] = [];

  #note(...call: unknown[]): void {
    this.calls.push(structuredClone(call));
  }

  attach(token: number, request: AttachRequest, windowBytes: number, sessionRoom: number): void {
    this.#note("attach", token, request, windowBytes, sessionRoom);
  }

  detach(...call: Parameters<LogCommandHandler["detach"]>): void {
    this.#note("detach", ...call);
  }

  subscribe(...call: Parameters<LogCommandHandler["subscribe"]>): void {
    this.#note("subscribe", ...call);
  }

  unsubscribe(...call: Parameters<LogCommandHandler["unsubscribe"]>): void {
    this.#note("unsubscribe", ...call);
  }

  commit(...call: Parameters<LogCommandHandler["commit"]>): void {
    this.#note("commit", ...call);
  }

  replay(...call: Parameters<LogCommandHandler["replay"]>): void {
    this.#note("replay", ...call);
  }

  insertHeader(request: number, given: InsertLimits): void {
    this.#note("insertHeader", request, given);
  }

  insertBegin(given: Message, count: number): void {
    this.#note("insertBegin", given, count);
  }

  insertReceiver(given: InboxReceiver): void {
    this.#note("insertReceiver", given);
  }

  insertEnd(): void {
    this.#note("insertEnd");
  }

  lost(...call: Parameters<LogCommandHandler["lost"]>): void {
    this.#note("lost", ...call);
  }

  due(incarnation: number): void {
    this.#note("due", incarnation);
  }

  outboxDone(record: number): void {
    this.#note("outboxDone", record);
  }
}

type Command = readonly [write: (writer: RecordWriter) => void, call: unknown[]];

const command: fc.Arbitrary<Command> = fc.oneof(
  fc
    .tuple(uint32, attachRequest, uint32, fc.oneof(fc.constant(UNLIMITED_SESSIONS), uint32))
    .map(([token, request, bytes, most]): Command => {
      return [
        (writer) => writeAttach(writer, token, request, bytes, most),
        ["attach", token, request, bytes, most],
      ];
    }),
  fc
    .tuple(attached, uint32, fc.oneof(fc.constant(-1), uint32), fc.boolean())
    .map(([at, request, sessionExpirySeconds, discardWill]): Command => {
      const how = { sessionExpirySeconds, discardWill };
      return [(writer) => writeDetach(writer, at, request, how), ["detach", at, request, how]];
    }),
  fc
    .tuple(attached, uint32, uint32, plain({ filter: text, options, isReplayOwed: fc.boolean() }))
    .map(([at, request, limit, wanted]): Command => {
      const call = ["subscribe", at, request, limit, wanted];
      return [(writer) => writeSubscribe(writer, at, request, limit, wanted), call];
    }),
  fc.tuple(attached, uint32, text).map(([at, request, filter]): Command => {
    const call = ["unsubscribe", at, request, filter];
    return [(writer) => writeUnsubscribe(writer, at, request, filter), call];
  }),
  fc.tuple(attached, uint32, fc.nat(3), uint16).map(([at, request, op, packetId]): Command => {
    const call = ["commit", at, request, op, packetId];
    return [(writer) => writeCommit(writer, at, request, op as InboxOp, packetId), call];
  }),
  fc.tuple(attached, fc.nat(2), text).map(([at, step, filter]): Command => {
    const call = ["replay", at, step, filter];
    return [(writer) => writeReplay(writer, at, step as ReplayStep, filter), call];
  }),
  fc.tuple(fc.nat(4095), fc.maxSafeNat(), uint32).map(([bucket, boot, token]): Command => {
    return [(writer) => writeLost(writer, bucket, boot, token), ["lost", bucket, boot, token]];
  }),
  fc.maxSafeNat().map((id): Command => [(writer) => writeDue(writer, id), ["due", id]]),
  fc
    .maxSafeNat()
    .map((id): Command => [(writer) => writeOutboxDone(writer, id), ["outboxDone", id]]),
);

function read(writer: RecordWriter): unknown[] {
  const list = new CallList();
  const reader = new RecordReader();
  reader.reset(writer.bytes, 0, writer.size);
  readLogCommands(reader, list);
  reader.release();
  return list.calls;
}

test("inbox log: a batch of commands is read as it was written", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 10 }), (commands) => {
      const writer = new RecordWriter();
      for (const [write] of commands) write(writer);
      const calls = commands.map(([, call]) => structuredClone(call));
      assert.deepEqual(read(writer), calls);
    }),
  );
});

test("inbox log: an insert is read as it was written, receiver by receiver", () => {
  fc.assert(
    fc.property(
      uint32,
      limits,
      messages,
      fc.array(receiver, { maxLength: 5 }),
      (request, given, sent, receivers) => {
        const writer = new RecordWriter();
        writeInsertHeader(writer, request, given);
        writeInsert(writer, sent, receivers);
        assert.deepEqual(read(writer), [
          ["insertHeader", request, given],
          structuredClone(["insertBegin", sent, receivers.length]),
          ...receivers.map((one) => ["insertReceiver", one]),
          ["insertEnd"],
        ]);
      },
    ),
  );
});

test("inbox keys: they sort by bucket, class, session and sequence, and say what they are of", () => {
  const bucket = bucketOf("t", "c");
  const keys = [
    headKey(makeId(1, bucket)),
    headKey(makeId(2, bucket)),
    chunkKey(makeId(1, bucket), 5),
    chunkKey(makeId(1, bucket), 2 ** 33),
    chunkKey(makeId(2, bucket), 0),
    headKey(makeId(1, bucket + 1)),
  ];
  const sorted = [...keys].sort((left, right) => Buffer.compare(left, right));
  assert.deepEqual(keys, sorted);
  assert.equal(sequenceOf(keys[3]!), 2 ** 33);
  const id = makeId(2 ** 40, 4095);
  assert.equal(idOfKey(headKey(id)), id);
  assert.equal(bucketOfId(id), 4095);
  const stored = Buffer.from(chunkKey(makeId(0x1_0203_0405, 0xabc), 0x0607)).toString("hex");
  assert.equal(stored, "abcfffff0500010203040506000000000607", "a stored format");
});
