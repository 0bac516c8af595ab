import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_BYTES } from "../../../../src/shared/bytes/copy-bytes.ts";
import { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../../src/shared/bytes/record-writer.ts";
import { writeRouteAdd, writeRouteRemove } from "../../../../src/shared/dist/dist-log-command.ts";
import { EMPTY_CONF } from "../../../../src/shared/raft/conf-state.ts";
import { EntryType } from "../../../../src/shared/raft/entry.ts";
import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
import { blankHeader } from "../../../../src/shared/range/command-batch.ts";
import type { RangeDescriptor } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import {
  UNCAPPED,
  writeRetainExpire,
  writeRetainStore,
} from "../../../../src/shared/retain/retain-log-command.ts";
import { message, OPTIONS } from "../../../helpers/service-workers.ts";
import { ClientExchanges } from "../clients/client-exchanges.ts";
import { SessionLife } from "../clients/session-life.ts";
import { WillBook } from "../clients/will-book.ts";
import { RangeImage, StoreCommit } from "../host/range-image.ts";
import { FOUNDING_INDEX, RangeLog } from "../host/range-log.ts";
import { decodeSnapshot, rowsWithin } from "../host/range-snapshot.ts";
import { GroupBook } from "./group-book.ts";
import { RangeLedger } from "./range-ledger.ts";
import { RetainModel } from "./retain-model.ts";
import { RouteModel } from "./route-model.ts";
import { firstDifference } from "./state-text.ts";

const DESCRIPTOR: RangeDescriptor = {
  id: 3,
  service: ServiceId.DIST,
  start: new Uint8Array(0),
  end: null,
  boundaryVersion: 1,
  storeId: 1,
  mergingInto: 0,
  absorbedId: 0,
};
const life = () => new SessionLife("t/c", 1, 1000, 10);
const PUSH = { token: 1, qos: 2, bytes: 0, isDup: false, expiresAtMs: Number.POSITIVE_INFINITY };

function commandsOf(write: (writer: RecordWriter) => void): RecordReader {
  const writer = new RecordWriter();
  write(writer);
  const reader = new RecordReader();
  reader.reset(writer.bytes, 0, writer.size);
  return reader;
}

test("session life: what it was promised and has not got is missed, unless it has expired", () => {
  const promised = life();
  promised.promised.set(7, { number: 7, expiresAtMs: 5000 });
  promised.checkComplete(5000);
  assert.throws(() => promised.checkComplete(4999), /R4.*message 7 was acknowledged and is lost/);
  promised.deliver(7, 1);
  promised.checkComplete(4999);
});

test("session life: QoS 2 is delivered once, QoS 1 as often as it comes", () => {
  const delivered = life();
  delivered.deliver(1, 1);
  delivered.deliver(1, 1);
  delivered.deliver(2, 2);
  assert.throws(() => delivered.deliver(2, 2), /R6.*message 2 is delivered 2 times/);
});

test("session life: what it is told must be what it believes, as far as it believes anything", () => {
  const told = life();
  told.subscriptions.set("a", "there").set("b", "gone").set("c", "unknown");
  told.confirm(told.subscriptions, new Set(["a", "c"]), "subscription");
  assert.equal(told.subscriptions.get("c"), "there");
  const tell =
    (...names: string[]) =>
    () => {
      told.confirm(told.subscriptions, new Set(names), "subscription");
    };
  assert.throws(tell("a"), /R8.*subscription c should be there/);
  assert.throws(tell("a", "b", "c"), /R8.*subscription b should be gone/);
  assert.throws(tell("a", "c", "d"), /R8.*subscription d comes from nowhere/);
});

test("session life: it may be forgotten when its expiry has passed since it was last seen", () => {
  assert.equal(life().mayHaveExpired(10_999), false);
  assert.equal(life().mayHaveExpired(11_000), true);
});

test("client exchanges: an identifier in use means the same message, and DUP", () => {
  const client = new ClientExchanges();
  client.connected(5);
  client.receive({ ...PUSH, payload: "1:", packetId: 1 }, life());
  const again = (payload: string, isDup: boolean) => () => {
    client.receive({ ...PUSH, payload, isDup, packetId: 1 }, life());
  };
  assert.throws(again("1:", false), /R7.*identifier 1/);
  assert.throws(again("2:", true), /R7.*identifier 1/);
  again("1:", true)();
});

test("client exchanges: more in flight than allowed is noticed", () => {
  const client = new ClientExchanges();
  client.connected(1);
  client.receive({ ...PUSH, payload: "1:", packetId: 1 }, life());
  assert.throws(
    () => client.receive({ ...PUSH, payload: "2:", packetId: 2 }, life()),
    /R7.*2 exchanges in flight, 1 allowed/,
  );
});

test("will book: a will is due after its delay or its session's expiry, and not when discarded", () => {
  const wills = new WillBook();
  const will = wills.add(5, 2);
  will.seenMs = 1000;
  assert.throws(() => wills.owed(will.payload, 2999), /R10.*not due before 3000/);
  assert.throws(() => wills.checkPublished(), /R10.*never published/);
  wills.owed(will.payload, 3000);
  wills.checkPublished();
  const discarded = wills.add(0, 0);
  discarded.isDiscarded = true;
  assert.throws(() => wills.owed(discarded.payload, 9000), /R10.*discarded/);
  assert.throws(() => wills.owed("will 9", 9000), /R10.*never sent along/);
});

test("retain model: the last message stays, until it is cleared or its own time is over", () => {
  const model = new RetainModel();
  const store = (payload: string, expirySeconds: number) => {
    const fields = { topic: "a", payload, expirySeconds, receivedAtMs: 1000 };
    model.apply(
      commandsOf((writer) => writeRetainStore(writer, 1, UNCAPPED, message(fields))),
      1000,
    );
  };
  const expire = (atMs: number) => {
    const topic = new TextEncoder().encode("a");
    model.apply(
      commandsOf((writer) => writeRetainExpire(writer, "t", topic, atMs)),
      9000,
    );
  };
  store("one", 1);
  store("two", 2);
  expire(2000);
  assert.equal(model.kept.get("t|a")?.payload, "two");
  expire(3000);
  assert.equal(model.kept.size, 0);
  store("three", -1);
  store("", -1);
  assert.equal(model.kept.size, 0);
});

test("range ledger: time goes back neither in a range nor in the one that takes it over", () => {
  const times = (left: number, right: number, joined: number) => {
    const ledger = new RangeLedger(() => []);
    const apply = (range: number, index: number, nowMs: number) => {
      const entry = { index, term: 1, type: EntryType.NORMAL, data: NO_BYTES };
      ledger.noteCommands(range, ServiceId.INBOX, entry, blankHeader(), nowMs);
      ledger.noteApplied(range, entry);
    };
    apply(1, FOUNDING_INDEX + 1, left);
    apply(2, FOUNDING_INDEX + 1, right);
    ledger.noteAbsorbed(2, 1, FOUNDING_INDEX + 2);
    apply(1, FOUNDING_INDEX + 2, joined);
  };
  times(5, 7, 7);
  times(7, 5, 7);
  assert.throws(() => times(5, 7, 6), /R12.*range 1: time goes back by 1/);
  assert.throws(() => times(7, 5, 6), /R12.*range 1: time goes back by 1/);
});

test("route model: an earlier life of a session changes nothing of a later one's route", () => {
  const model = new RouteModel();
  const route = (incarnation: number) => {
    const place = { tenantId: "t", filter: "a", group: "", isOrdered: false, clientId: "c" };
    return { ...place, incarnation };
  };
  model.apply(commandsOf((writer) => writeRouteAdd(writer, 0, route(2), OPTIONS)));
  model.apply(commandsOf((writer) => writeRouteAdd(writer, 0, route(1), OPTIONS)));
  model.apply(commandsOf((writer) => writeRouteRemove(writer, 0, route(1))));
  assert.deepEqual(
    [...model.routes.values()].map(({ route: { incarnation } }) => incarnation),
    [2],
  );
  model.apply(commandsOf((writer) => writeRouteRemove(writer, 0, route(2))));
  assert.equal(model.routes.size, 0);
});

test("range image: a commit changes state, record and log together", () => {
  const image = new RangeImage();
  const key = new Uint8Array([1]);
  const descriptor = DESCRIPTOR;
  const first = new StoreCommit();
  first.writer(ServiceId.DIST).put(key, new Uint8Array([7]));
  first.records.push({ descriptor, applied: 5, appliedMs: 9 });
  assert.equal(image.table(ServiceId.DIST).size, 0);
  image.write(first);
  assert.deepEqual(image.table(ServiceId.DIST).get(key), new Uint8Array([7]));
  assert.equal(image.records.get(3)?.applied, 5);
  assert.equal(image.logs.get(3)?.lastIndex(), 1);
  const second = new StoreCommit();
  second.writer(ServiceId.DIST).delete(key);
  second.closed.push(3);
  image.write(second);
  assert.deepEqual(
    [image.table(ServiceId.DIST).size, image.records.size, image.logs.size],
    [0, 0, 0],
  );
});

test("state text: a difference is shown with a little of both sides", () => {
  assert.equal(firstDifference("one two", "one six"), '"one two" and "one six"');
});

test("session life: QoS 0 comes once; what was given away may come again at QoS 2", () => {
  const passing = life();
  passing.pass(1);
  assert.throws(() => passing.pass(1), /R18.*message 1 comes twice/);
  const heir = new SessionLife("t/c", 1, 1000, 10, (number) => number === 7);
  heir.deliver(7, 2);
  heir.deliver(7, 2);
  heir.deliver(8, 2);
  assert.throws(() => heir.deliver(8, 2), /R6/);
});

test("group book: a second member gets what the first has given away, and nothing else", () => {
  const book = new GroupBook();
  book.delivered(1, "a");
  book.delivered(1, "a");
  assert.throws(() => book.delivered(1, "b"), /R17.*message 1 went to a and b/);
  book.handedOver(2, 5);
  book.delivered(2, "a");
  book.delivered(2, "b");
  book.begun(3, 5);
  assert.throws(() => book.handedOver(3, 5), /R17.*message 3 was sent to session 5/);
  book.handedOver(4, 6);
  book.begun(4, 5);
  // Given away twice, it is here twice, and one of the two has not been sent.
  book.handedOver(4, 5);
});

test("group book: what an ended member was to get is delivered, given away or expired", () => {
  const check = (prepare: (book: GroupBook) => void) => () => {
    const book = new GroupBook();
    book.taken({ number: 1, expiresAtMs: 5000, incarnation: 9 });
    prepare(book);
    book.checkComplete(4999, (incarnation) => incarnation === 9);
  };
  assert.throws(
    check(() => {}),
    /R17.*message 1 of an ended member is lost/,
  );
  check((book) => book.handedOver(1, 9))();
  check((book) => book.delivered(1, "a"))();
});

test("range log: it is cut at its front, and what a snapshot stands for is covered", () => {
  const log = new RangeLog();
  assert.equal(log.lastIndex(), 0);
  log.found();
  const entry = (index: number) => ({ index, term: 2, type: EntryType.NORMAL, data: NO_BYTES });
  log.write(append({ entries: [entry(2), entry(3), entry(4)] }));
  log.compact(3);
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(3), log.term(2)], [4, 4, 2, -1]);
  assert.ok(log.covers(2, 2) && log.covers(4, 2) && !log.covers(4, 1) && !log.covers(5, 2));
  log.write(append({ snapshot: { index: 9, term: 3, conf: EMPTY_CONF, data: NO_BYTES } }));
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(9)], [10, 9, 3]);
});

test("range log: a range that comes about keeps the vote that was given when it was heard of", () => {
  const log = new RangeLog();
  log.write(append({ hardState: { ...log.hardState, term: 5, vote: 2 } }));
  log.found();
  assert.deepEqual({ ...log.hardState }, { ...log.hardState, term: 5, vote: 2, commit: 1 });
});

test("range image: a snapshot takes the place of what was there", () => {
  const [source, target] = [new RangeImage(), new RangeImage()];
  const descriptor = DESCRIPTOR;
  for (const [image, name] of [
    [source, 1],
    [target, 2],
  ] as const) {
    const commit = new StoreCommit();
    commit.writer(ServiceId.DIST).put(Uint8Array.of(name), Uint8Array.of(7));
    commit.records.push({ descriptor, applied: 1, appliedMs: 9 });
    image.write(commit);
  }
  const commit = new StoreCommit();
  const snapshot = source.snapshotOf(descriptor.id, EMPTY_CONF)!;
  commit.installs.push(decodeSnapshot(snapshot));
  target.write(commit);
  assert.deepEqual(rowsWithin(target.table(ServiceId.DIST), descriptor), [
    { key: Uint8Array.of(1), value: Uint8Array.of(7) },
  ]);
  assert.deepEqual(target.records.get(descriptor.id), { descriptor, applied: 1, appliedMs: 9 });
});

function append(fields: Partial<StorageAppend>): StorageAppend {
  const nothing = { hardState: null, entries: [], snapshot: null, ack: null };
  return { ...nothing, mustSync: true, messagesAfterPersist: [], ...fields };
}
