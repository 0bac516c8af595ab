/** A QoS 2 publish that is sent again is stored once, whatever was lost in between. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordReader } from "../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import { InboxOp, InsertStatus } from "../../../src/shared/inbox/inbox-types.ts";
import {
  publisherOfTakenKey,
  takenKey,
  takenKeys,
} from "../../../src/shared/inbox/range/inbox-key.ts";
import type { PublishOrigin } from "../../../src/shared/mqtt/publish-origin.ts";
import { workerBoot } from "../../../src/shared/range/worker-life.ts";
import { TakenPublishes } from "../../../src/shared/repeats/taken-publishes.ts";
import { InboxRig, NO_LIMITS } from "../../helpers/inbox-rig.ts";
import { MapKeyValues } from "../../helpers/map-key-values.ts";
import { message, receiver } from "../../helpers/service-workers.ts";
import { finish } from "../../helpers/steps.ts";

const BOOT = 1;
const ALL = { first: 0, end: 4096 };

function origin(fields: Partial<PublishOrigin> = {}): PublishOrigin {
  return {
    publisher: 7,
    epoch: 1,
    packetId: 5,
    sequence: 1,
    settled: 0,
    fingerprint: 99,
    isRepeat: false,
    isForStored: false,
    ...fields,
  };
}

/** An insert for one receiver; true when it is stored now, and not known from before. */
function take(taken: TakenPublishes, of: PublishOrigin, group: string | null = null): boolean {
  taken.begin(of, BOOT);
  if (taken.has(group, 0)) return false;
  taken.note(group, ALL);
  return true;
}

test("taken publishes: a repeat is known, another publish under the identifier is not", () => {
  const taken = new TakenPublishes();
  assert.ok(take(taken, origin({ isRepeat: true })), "what was not taken is no repeat");
  assert.ok(!take(taken, origin({ sequence: 2, isRepeat: true })));
  assert.ok(take(taken, origin({ sequence: 3, isRepeat: true, fingerprint: 1 })));
  assert.ok(take(taken, origin({ sequence: 4, fingerprint: 1 })), "DUP is not set");
  assert.ok(take(taken, origin({ publisher: 8, isRepeat: true })), "somebody else's");
});

test("taken publishes: what has been answered is forgotten", () => {
  const taken = new TakenPublishes();
  for (let sequence = 1; sequence <= 5; sequence++) {
    take(taken, origin({ sequence, packetId: sequence }));
  }
  take(taken, origin({ sequence: 6, packetId: 6, settled: 4 }));
  assert.deepEqual(taken.dump(), [[7, ["5 5", "6 6"]]]);
  taken.begin(origin({ sequence: 7, packetId: 7, settled: 6 }), BOOT);
  assert.equal(taken.size, 0);
});

test("taken publishes: what an earlier attachment left open is known until the identifier is used", () => {
  const taken = new TakenPublishes();
  for (const packetId of [1, 2]) take(taken, origin({ sequence: packetId, packetId }));
  const later = { epoch: 2, settled: 40 };
  assert.ok(take(taken, origin({ ...later, sequence: 41, packetId: 2, fingerprint: 1 })));
  assert.ok(!take(taken, origin({ ...later, sequence: 42, packetId: 1, isRepeat: true })));
  assert.deepEqual(taken.dump(), [[7, ["2 41", "1 42"]]]);
});

test("taken publishes: a group that was not served is served by the repeat", () => {
  const taken = new TakenPublishes();
  take(taken, origin(), "$share/g/a");
  assert.ok(!take(taken, origin({ sequence: 2, isRepeat: true }), "$share/g/a"));
  assert.ok(take(taken, origin({ sequence: 3, isRepeat: true }), "$share/h/a"));
  assert.ok(!take(taken, origin({ sequence: 4, isRepeat: true }), "$share/h/a"));
});

test("taken publishes: what its repeat has asked for in vain comes too late from the earlier connection", () => {
  const left = new TakenPublishes();
  left.begin(origin({ epoch: 2, isRepeat: true }), BOOT);
  assert.ok(!left.has("$share/g/a", 0));
  left.ask("$share/g/a");
  const right = new TakenPublishes();
  finish(left.copyTo(right));
  const joined = new TakenPublishes();
  joined.absorb(readBack(right));
  for (const taken of [left, right, readBack(left), joined]) {
    assert.ok(!take(taken, origin({ sequence: 8 }), "$share/g/a"));
    assert.ok(
      take(taken, origin({ sequence: 8 }), "$share/h/a"),
      "nobody has asked for that group",
    );
    assert.ok(take(taken, origin({ sequence: 8 })), "nor for those who subscribe for themselves");
    assert.ok(take(taken, origin({ sequence: 9, packetId: 6 }), "$share/g/a"), "another one");
    const repeat = origin({ epoch: 2, sequence: 2, isRepeat: true });
    assert.ok(take(taken, repeat, "$share/g/a"), "whoever asked finds a member");
    assert.ok(!take(taken, repeat, "$share/g/a"));
  }
});

test("taken publishes: what left at QoS 0 does not leave again, also after a restart", () => {
  const taken = new TakenPublishes();
  taken.begin(origin(), bootOf(5));
  taken.notePassing("$share/g/a");
  taken.notePassing("");
  for (const found of [taken, readBack(taken)]) {
    found.begin(origin({ epoch: 2, sequence: 2, isRepeat: true }), bootOf(6));
    assert.ok(found.has("$share/g/a", 0) && found.has("", 0));
    assert.ok(!found.has("$share/h/a", 0));
    assert.ok(!found.has(null, 0), "who stores it has not got it");
  }
});

test("taken publishes: a publish that had no room stays refused, unless others of its range had some", () => {
  const taken = new TakenPublishes();
  const isRefused = (found: TakenPublishes) => {
    found.begin(origin({ epoch: 2, sequence: 2, isRepeat: true }), BOOT);
    assert.ok(found.has(null, 7));
    return found.wasRefused(7);
  };
  taken.begin(origin(), BOOT);
  taken.noteRefused(ALL);
  taken.noteRefused(ALL);
  assert.ok(isRefused(taken) && isRefused(readBack(taken)));
  for (const isStoredFirst of [true, false]) {
    const other = new TakenPublishes();
    other.begin(origin(), BOOT);
    if (isStoredFirst) other.note(null, ALL);
    other.noteRefused(ALL);
    if (!isStoredFirst) other.note(null, ALL);
    assert.ok(!isRefused(other) && !isRefused(readBack(other)));
  }
});

test("taken publishes: who got a publish before its range was joined to one without room has it", () => {
  const taken = new TakenPublishes();
  taken.begin(origin(), BOOT);
  taken.note(null, { first: 0, end: 10 });
  taken.noteRefused({ first: 0, end: 20 });
  for (const found of [taken, readBack(taken)]) {
    found.begin(origin({ epoch: 2, sequence: 2, isRepeat: true }), BOOT);
    assert.ok(found.has(null, 5) && !found.wasRefused(5));
    assert.ok(found.has(null, 15) && found.wasRefused(15));
  }
});

test("taken publishes: a member without a stored session counts as long as the process lives", () => {
  const taken = new TakenPublishes();
  taken.begin(origin(), bootOf(5));
  taken.noteTransient("$share/g/a");
  const isTaken = (process: number) => {
    taken.begin(origin({ epoch: 2, sequence: 2, isRepeat: true }), bootOf(process));
    return taken.has("$share/g/a", 0);
  };
  assert.ok(isTaken(5));
  assert.ok(!isTaken(6));
});

test("taken publishes: all receivers of one insert get it", () => {
  const taken = new TakenPublishes();
  taken.begin(origin(), BOOT);
  for (const group of [null, null, "$share/g/a"]) {
    assert.ok(!taken.has(group, 0));
    taken.note(group, ALL);
  }
  taken.begin(origin({ sequence: 2, isRepeat: true }), BOOT);
  for (const group of [null, null, "$share/g/a"]) assert.ok(taken.has(group, 0));
  assert.ok(!taken.has("$share/h/a", 0));
  taken.note("$share/h/a", ALL);
  assert.ok(!taken.has("$share/h/a", 0), "this insert is not done");
});

test("taken publishes: sessions that subscribed for themselves are served though a group was", () => {
  const taken = new TakenPublishes();
  take(taken, origin(), "$share/g/a");
  assert.ok(take(taken, origin({ sequence: 2, isRepeat: true })));
  assert.ok(!take(taken, origin({ sequence: 3, isRepeat: true })));
});

test("taken publishes: what comes from an earlier connection after its repeat is known", () => {
  const taken = new TakenPublishes();
  assert.ok(take(taken, origin({ epoch: 2, isRepeat: true })));
  assert.ok(!take(taken, origin({ epoch: 1, sequence: 8 })));
  assert.ok(take(taken, origin({ epoch: 1, sequence: 9, packetId: 6 })), "another one");
  assert.ok(!take(taken, origin({ epoch: 2, sequence: 2, packetId: 6, isRepeat: true })));
  assert.deepEqual(taken.dump(), [[7, ["5 1", "6 2"]]]);
});

test("taken publishes: both halves of a cut range know them, and the one they become again", () => {
  const left = new TakenPublishes();
  const right = new TakenPublishes();
  take(left, origin({ sequence: 1, packetId: 1 }));
  finish(left.copyTo(right));
  take(left, origin({ sequence: 2, packetId: 2 }));
  take(right, origin({ sequence: 3, packetId: 3 }));
  take(right, origin({ publisher: 8, packetId: 4 }));
  assert.deepEqual(left.absorb(right).sort(), [7, 8]);
  assert.deepEqual(left.dump().sort(), [
    [7, ["1 1", "2 2", "3 3"]],
    [8, ["4 1"]],
  ]);
});

test("taken publishes: publishers that were silent longest are forgotten first", () => {
  const taken = new TakenPublishes();
  for (let publisher = 1; publisher <= 16_385; publisher++) {
    take(taken, origin({ publisher, sequence: publisher }));
  }
  assert.equal(taken.size, 16_384);
  assert.ok(!take(taken, origin({ publisher: 2, sequence: 20_000, isRepeat: true })));
  assert.ok(take(taken, origin({ publisher: 1, sequence: 20_001, isRepeat: true })));
  const store = new MapKeyValues();
  taken.collect(store.writer, new RecordWriter(), (publisher) => takenKey(0, publisher));
  store.commit();
  assert.equal(store.size, 16_384, "of who was forgotten nothing is stored");
});

test("inbox range: a QoS 2 publish is stored once, though it is sent again after a crash", () => {
  const rig = new InboxRig();
  rig.attach("c", 1);
  const receivers = [receiver(rig.incarnation("c"), { qos: 2 })];
  const publish = (fields: Partial<PublishOrigin>) => {
    const sent = message({ payload: "m", qos: 2 });
    sent.origin = origin(fields);
    return rig.insert(sent, receivers, NO_LIMITS);
  };
  assert.deepEqual(publish({}), [InsertStatus.STORED]);
  rig.save();
  for (const epoch of [2, 3]) {
    rig.crash();
    assert.deepEqual(publish({ epoch, isRepeat: true }), [InsertStatus.STORED]);
    assert.equal(rig.range.find("t", "c")?.load, 1);
    if (epoch === 2) rig.save();
  }
  assert.deepEqual(publish({ epoch: 3, sequence: 2, settled: 1 }), [InsertStatus.STORED]);
  assert.equal(rig.range.find("t", "c")?.load, 2);
});

test("inbox range: a QoS 2 publish that had no room gets none when it is sent again, behind others [MQTT-4.6.0-6]", () => {
  const rig = new InboxRig();
  rig.attach("c", 1, { receiveMaximum: 1 });
  const receivers = [receiver(rig.incarnation("c"), { qos: 2 })];
  const publish = (payload: string, fields: Partial<PublishOrigin>) => {
    const sent = message({ payload, qos: 2 });
    sent.origin = origin({ packetId: fields.sequence ?? 0, ...fields });
    return rig.insert(sent, receivers, { ...NO_LIMITS, sessionInboxSize: 1 });
  };
  assert.deepEqual(publish("1", { sequence: 1 }), [InsertStatus.STORED]);
  assert.deepEqual(publish("2", { sequence: 2 }), [InsertStatus.STORED]);
  assert.deepEqual(publish("3", { sequence: 3 }), [InsertStatus.QUOTA]);
  const drops = () => rig.range.find("t", "c")?.drops?.reports;
  const dropped = drops();
  rig.commit("c", 1, InboxOp.RECEIVED, 1);
  rig.commit("c", 1, InboxOp.ACKNOWLEDGED, 1);
  assert.deepEqual(publish("4", { sequence: 4 }), [InsertStatus.STORED]);
  rig.commit("c", 1, InboxOp.RECEIVED, 2);
  rig.commit("c", 1, InboxOp.ACKNOWLEDGED, 2);
  const repeat = { epoch: 2, sequence: 1, packetId: 3, isRepeat: true };
  assert.deepEqual(publish("3", repeat), [InsertStatus.QUOTA]);
  assert.deepEqual(drops(), dropped, "it was dropped once");
  assert.equal(rig.range.find("t", "c")?.load, 1);
});

test("taken publishes: what one range took does not answer for sessions of another that joins it", () => {
  const left = new TakenPublishes();
  left.begin(origin(), BOOT);
  left.note(null, { first: 0, end: 10 });
  left.absorb(new TakenPublishes());
  for (const taken of [left, readBack(left)]) {
    taken.begin(origin({ sequence: 2, isRepeat: true }), BOOT);
    assert.ok(taken.has(null, 9));
    assert.ok(!taken.has(null, 10), "it was on its way there, and may have got lost");
    taken.note(null, { first: 0, end: 20 });
    taken.begin(origin({ sequence: 3, isRepeat: true }), BOOT);
    assert.ok(taken.has(null, 10));
  }
});

test("taken publishes: what a straggler of an earlier connection adds is stored", () => {
  const taken = new TakenPublishes();
  take(taken, origin({ epoch: 2 }));
  readBack(taken);
  assert.ok(take(taken, origin({ epoch: 1 }), "$share/g/a"));
  assert.ok(taken.isDirty);
  assert.deepEqual(readBack(taken).dump(), taken.dump());
});

test("taken publishes: who was silent longest is the same when they are read back, also after a cut", () => {
  const left = new TakenPublishes();
  for (const publisher of [9, 8, 7]) take(left, origin({ publisher }));
  const right = new TakenPublishes();
  finish(left.copyTo(right));
  take(right, origin({ publisher: 8, sequence: 2, packetId: 6 }));
  take(right, origin({ publisher: 6 }));
  assert.deepEqual(namesOf(right), [9, 7, 8, 6]);
  assert.deepEqual(namesOf(readBack(right)), [9, 7, 8, 6]);
});

/** The first life of the first worker of a process. */
function bootOf(process: number): number {
  return workerBoot(process, 1);
}

function namesOf(taken: TakenPublishes): number[] {
  return taken.dump().map(([publisher]) => publisher);
}

/** As a process would find them in its store. */
function readBack(taken: TakenPublishes): TakenPublishes {
  const store = new MapKeyValues();
  taken.collect(store.writer, new RecordWriter(), (publisher) => takenKey(0, publisher));
  store.commit();
  const found = new TakenPublishes();
  const reader = new RecordReader();
  for (const { key, value } of store.scan(...takenKeys(0), 100, 1 << 20)) {
    reader.reset(value, 0, value.length);
    found.load(publisherOfTakenKey(key), reader);
    reader.release();
  }
  found.sortLoaded();
  return found;
}

test("taken publishes: of two ranges that become one, the later connection's publish stays", () => {
  for (const isLeftLater of [true, false]) {
    const later = new TakenPublishes();
    const sooner = new TakenPublishes();
    // Whose range has had more changes, also of others, means nothing.
    for (let publisher = 20; publisher < 30; publisher++) take(sooner, origin({ publisher }));
    take(sooner, origin({ epoch: 1, fingerprint: 1 }));
    take(later, origin({ epoch: 2, fingerprint: 2 }));
    const [left, right] = isLeftLater ? [later, sooner] : [sooner, later];
    left.absorb(right);
    for (const taken of [left, readBack(left)]) {
      assert.ok(!take(taken, origin({ epoch: 3, isRepeat: true, fingerprint: 2 })));
      assert.ok(take(taken, origin({ epoch: 3, isRepeat: true, fingerprint: 1 })), "it is over");
    }
  }
});

test("taken publishes: two that may be open under one identifier are both known", () => {
  for (const fingerprint of [1, 2]) {
    const left = new TakenPublishes();
    const right = new TakenPublishes();
    take(left, origin({ epoch: 1, fingerprint: 1 }));
    take(left, origin({ epoch: 3, packetId: 6 }));
    take(right, origin({ epoch: 2, fingerprint: 2 }));
    left.absorb(right);
    const taken = readBack(left);
    assert.ok(!take(taken, origin({ epoch: 4, isRepeat: true, fingerprint })));
    const other = origin({ epoch: 5, isRepeat: true, fingerprint: 3 - fingerprint });
    assert.ok(take(taken, other), "the repeat tells which one it was");
  }
});

test("taken publishes: of two processes either may have had the last publish under an identifier", () => {
  const takeAs = (taken: TakenPublishes, process: number, fingerprint: number) => {
    taken.begin(origin({ fingerprint }), bootOf(process));
    taken.note(null, ALL);
  };
  for (const fingerprint of [1, 2]) {
    const [left, right] = [new TakenPublishes(), new TakenPublishes()];
    takeAs(left, 5, 1);
    takeAs(right, 6, 2);
    left.absorb(right);
    const taken = readBack(left);
    taken.begin(origin({ epoch: 2, isRepeat: true, fingerprint }), bootOf(7));
    assert.ok(taken.has(null, 0));
  }
});

test("taken publishes: of one attachment the later publish under an identifier is the one", () => {
  const left = new TakenPublishes();
  const right = new TakenPublishes();
  take(left, origin({ sequence: 4, fingerprint: 4 }));
  take(right, origin({ sequence: 2, fingerprint: 2 }));
  take(right, origin({ sequence: 3, packetId: 6 }));
  left.absorb(right);
  assert.deepEqual(left.dump(), [[7, ["6 3", "5 4"]]]);
});

test("taken publishes: a publish that comes in two inserts is one, whoever each of them is for", () => {
  const taken = new TakenPublishes();
  assert.ok(take(taken, origin()));
  assert.ok(take(taken, origin(), "$share/g/a"), "its first member was gone");
  assert.ok(!take(taken, origin({ epoch: 2, isRepeat: true })));
  assert.ok(!take(taken, origin({ epoch: 3, isRepeat: true }), "$share/g/a"));
});
