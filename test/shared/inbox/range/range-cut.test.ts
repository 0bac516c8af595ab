/**
 * Ranges that are split and merged while they are used: nothing is lost, doubled or left behind, at
 * whatever moment the store was written.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../../../src/shared/bytes/record-writer.ts";
import { InboxOp } from "../../../../src/shared/inbox/inbox-types.ts";
import { writeInsert } from "../../../../src/shared/inbox/insert-codec.ts";
import {
  writeAttach,
  writeCommit,
  writeDetach,
  writeInsertHeader,
  writeOutboxDone,
  writeSubscribe,
} from "../../../../src/shared/inbox/log-command.ts";
import {
  bucketOf,
  bucketOfId,
  countersKey,
  cutBefore,
  endBucket,
  firstBucket,
  headKey,
  makeId,
  putRoutingKey,
} from "../../../../src/shared/inbox/range/inbox-key.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import { middleCut } from "../../../../src/shared/inbox/range/range-cut.ts";
import { COUNTER_COLUMNS, Counter } from "../../../../src/shared/metrics/counter-table.ts";
import type { KeyValueReader } from "../../../../src/shared/range/key-value.ts";
import { compareKeys } from "../../../../src/shared/range/range-descriptor.ts";
import type { Steps } from "../../../../src/shared/range/steps.ts";
import { NO_LIMITS, place, RangeRecorder, WINDOW_BYTES } from "../../../helpers/inbox-rig.ts";
import { MapKeyValues } from "../../../helpers/map-key-values.ts";
import { message, OPTIONS } from "../../../helpers/service-workers.ts";
import { finish } from "../../../helpers/steps.ts";

const CLIENTS = 4;
const NO_KEY = new Uint8Array(0);

/** Ranges over all buckets, in one store; `starts` are their first buckets. */
class CutRig {
  readonly store = new MapKeyValues();
  /** Of the last cut or merge. */
  rowsPerStep: number[] = [];
  readonly counters = new Float64Array(COUNTER_COLUMNS);
  readonly recorder = new RangeRecorder();
  ranges: InboxRange[];
  readonly tokens = new Array<number>(CLIENTS).fill(0);
  #lastToken = 0;
  #index = 0;
  readonly #writer = new RecordWriter();
  readonly #commands = new RecordReader();
  readonly #reader: KeyValueReader;
  #rowsRead = 0;

  constructor() {
    this.#reader = {
      get: (key) => {
        this.#rowsRead += 1;
        return this.store.get(key);
      },
      scan: (...bounds) => {
        const page = this.store.scan(...bounds);
        this.#rowsRead += page.length;
        return page;
      },
    };
    this.ranges = [this.#open(NO_KEY, null)];
    this.ranges[0]!.goLive();
  }

  rangeOf(bucket: number): InboxRange {
    return this.ranges.find(({ state }) => bucket < state.buckets.end)!;
  }

  command(bucket: number, write: (writer: RecordWriter) => void): void {
    this.#writer.clear();
    write(this.#writer);
    this.#commands.reset(this.#writer.bytes, 0, this.#writer.size);
    this.#index += 1;
    const context = { index: this.#index, nowMs: 0, boot: 1, thread: 1, isOwnBoot: true };
    this.rangeOf(bucket).apply(this.#commands, context);
    this.#commands.release();
  }

  attach(index: number, window: number, cleanStart = false, sessionExpirySeconds = 3600): void {
    this.#lastToken += 1;
    const token = this.#lastToken;
    this.tokens[index] = token;
    const clientId = `c${index}`;
    const who = { tenantId: "t", clientId, userId: "user", epoch: token };
    const how = { cleanStart, sessionExpirySeconds, receiveMaximum: window, will: null };
    this.command(bucketOf("t", clientId), (writer) => {
      writeAttach(writer, token, { ...who, ...how }, WINDOW_BYTES);
    });
  }

  detach(index: number): void {
    const at = place(`c${index}`, this.tokens[index]!);
    const how = { sessionExpirySeconds: -1, discardWill: true };
    this.command(at.bucket, (writer) => writeDetach(writer, at, 0, how));
  }

  subscribe(index: number): void {
    const at = place(`c${index}`, this.tokens[index]!);
    const subscription = { filter: "a", options: OPTIONS };
    this.command(at.bucket, (writer) => writeSubscribe(writer, at, 1, 0, subscription));
  }

  commit(index: number, op: InboxOp, packetId: number): void {
    const at = place(`c${index}`, this.tokens[index]!);
    this.command(at.bucket, (writer) => writeCommit(writer, at, 1, op, packetId));
  }

  /** One command per range. */
  insert(indexes: readonly number[], payload: string, qos: number): void {
    for (const range of this.ranges) {
      const receivers = indexes.flatMap((index) => {
        const inbox = range.find("t", `c${index}`);
        if (inbox === null) return [];
        const form = { qos, retain: false, subscriptionIdentifiers: [], shareFilter: null };
        return [{ incarnation: inbox.id, ...form }];
      });
      if (receivers.length === 0) continue;
      this.command(bucketOfId(receivers[0]!.incarnation), (writer) => {
        writeInsertHeader(writer, 1, NO_LIMITS);
        writeInsert(writer, message({ payload, qos, receivedAtMs: 0 }), receivers);
      });
    }
  }

  split(bucket: number): void {
    const range = this.rangeOf(bucket);
    if (bucket <= range.state.buckets.first) return;
    const steps = range.splitOff(cutBefore(bucket), this.#reader);
    const right = this.#asked(steps, [range]);
    this.ranges.splice(this.ranges.indexOf(range) + 1, 0, right);
  }

  merge(at: number): void {
    if (this.ranges.length < 2) return;
    const index = at % (this.ranges.length - 1);
    const [left, right] = this.ranges.slice(index, index + 2) as [InboxRange, InboxRange];
    this.#asked(left.absorb(right), [left, right]);
    this.ranges.splice(index + 1, 1);
  }

  save(): void {
    for (const range of this.ranges) range.collect(this.store.writer);
    this.store.commit();
    for (const range of this.ranges) range.collected();
  }

  /** Everything is read again from the store. */
  reopen(): void {
    this.save();
    const bounds = this.ranges.map(({ state }) => state.buckets);
    for (const range of this.ranges) range.close();
    this.ranges = bounds.map(({ first, end }) => {
      return this.#open(cutBefore(first), end === 0x1000 ? null : cutBefore(end));
    });
    for (const { state } of this.ranges) {
      state.isLive = true;
      for (const attachments of state.attachments.values()) {
        for (const inbox of attachments.values()) inbox.isReachable = true;
      }
    }
  }

  settle(): void {
    for (const { id } of this.recorder.owed.splice(0)) {
      this.command(bucketOfId(id), (writer) => writeOutboxDone(writer, id));
    }
  }

  /**
   * Does the work to its end. Between its steps the ranges know all of their sessions, and each of
   * them once; now and then one is woken by a question.
   */
  #asked<Result>(steps: Steps<Result>, ranges: readonly InboxRange[]): Result {
    const clients = Array.from({ length: CLIENTS }, (_, client) => `c${client}`);
    const find = () => ranges.map((range) => clients.map((client) => range.find("t", client)));
    const before = find();
    const gauges = this.counters.slice();
    this.rowsPerStep = [];
    for (let turn = 0; ; turn++) {
      this.#rowsRead = 0;
      const { done, value } = steps.next();
      this.rowsPerStep.push(this.#rowsRead);
      if (done === true) return value;
      if (turn % 97 !== 0) continue;
      assert.deepEqual(find(), before);
      assert.deepEqual(this.counters, gauges);
      for (const range of ranges) {
        const inbox = range.find("t", `c${turn % CLIENTS}`);
        if (inbox !== null) range.wants(inbox.id, "a");
      }
    }
  }

  #open(start: Uint8Array, end: Uint8Array | null): InboxRange {
    const output = this.recorder;
    const range = new InboxRange({ start, end }, this.#reader, { output, counters: this.counters });
    range.load();
    return range;
  }
}

const index = fc.nat(CLIENTS - 1);
const actions = {
  attach: fc.tuple(index, fc.integer({ min: 1, max: 3 })),
  detach: index,
  commit: fc.tuple(index, fc.constantFrom(0, 0, 1, 2), fc.integer({ min: 1, max: 6 })),
  insert: fc.tuple(
    fc.subarray([0, 1, 2, 3], { minLength: 1 }),
    fc.constantFrom(1, 700),
    fc.integer({ min: 1, max: 2 }),
  ),
};

type Action = (rig: CutRig, isCut: boolean, number: number) => void;

const buckets = Array.from({ length: CLIENTS }, (_, i) => bucketOf("t", `c${i}`));

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: actions.attach.map(([client, window]): Action => {
      return (rig) => rig.attach(client, window);
    }),
  },
  {
    weight: 2,
    arbitrary: actions.detach.map(
      (client): Action =>
        (rig) =>
          rig.detach(client),
    ),
  },
  {
    weight: 6,
    arbitrary: actions.commit.map(([client, op, packetId]): Action => {
      return (rig) => rig.commit(client, op as InboxOp, packetId);
    }),
  },
  {
    weight: 8,
    arbitrary: actions.insert.map(([clients, size, qos]): Action => {
      return (rig, _, number) => rig.insert(clients, `m${number}`.padEnd(size, "."), qos);
    }),
  },
  {
    weight: 1,
    arbitrary: index.map(
      (client): Action =>
        (rig) =>
          rig.subscribe(client),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(...buckets).map((bucket): Action => {
      return (rig, isCut) => isCut && rig.split(bucket);
    }),
  },
  {
    weight: 3,
    arbitrary: fc.nat(3).map(
      (at): Action =>
        (rig, isCut) =>
          isCut && rig.merge(at),
    ),
  },
  { weight: 4, arbitrary: fc.constant<Action>((rig) => rig.save()) },
  { weight: 2, arbitrary: fc.constant<Action>((rig, isCut) => isCut && rig.reopen()) },
);

test("range cut: sessions of ranges that are split and merged get what those of one range get", () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 80, size: "max" }), (walk) => {
      const plain = new CutRig();
      const cut = new CutRig();
      walk.forEach((act, number) => {
        act(plain, false, number);
        act(cut, true, number);
        const told = ({ recorder }: CutRig) => [recorder.pushes.length, recorder.commits];
        assert.deepEqual(told(cut), told(plain));
      });
      for (const rig of [plain, cut]) {
        for (let client = 0; client < CLIENTS; client++) rig.attach(client, 100);
        for (const push of rig.recorder.pushes.slice()) {
          const client = rig.tokens.indexOf(push.token);
          if (client >= 0) rig.commit(client, InboxOp.ACKNOWLEDGED, push.packetId);
        }
      }
      const pushesOf = ({ recorder }: CutRig) => {
        return [...recorder.pushes].sort((left, right) => left.token - right.token);
      };
      assert.deepEqual(pushesOf(cut), pushesOf(plain));
      for (const column of [Counter.PERSISTENT_SESSIONS, Counter.INBOX_MESSAGES]) {
        assert.equal(cut.counters[column], plain.counters[column]);
      }
    }),
    { numRuns: 80 },
  );
});

test("range cut: when all sessions are gone nothing is left but one counter per range", () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 80, size: "max" }), (walk) => {
      const rig = new CutRig();
      walk.forEach((act, number) => {
        act(rig, true, number);
      });
      for (let client = 0; client < CLIENTS; client++) rig.attach(client, 1, true, 0);
      rig.settle();
      rig.save();
      rig.save();
      assert.ok(rig.store.size <= rig.ranges.length, `${rig.store.size} records`);
      for (const { state } of rig.ranges) {
        assert.deepEqual([state.tenants.size, state.shared.size, state.heldBytes], [0, 0, 0]);
      }
      while (rig.ranges.length > 1) rig.merge(0);
      rig.save();
      assert.ok(rig.store.size <= 1);
      for (const column of [
        Counter.PERSISTENT_SESSIONS,
        Counter.INBOX_MESSAGES,
        Counter.INBOX_BYTES,
      ]) {
        assert.equal(rig.counters[column], 0);
      }
    }),
    { numRuns: 80 },
  );
});

test("range cut: a queue that is read again tells nothing of messages that have left it and are gone", () => {
  const rig = new CutRig();
  const home = buckets[0]!;
  const open = (client: number) => rig.attach(client, 1);
  open(0);
  open(1);
  rig.detach(0);
  rig.detach(1);
  for (const name of ["m1", "m2", "m3", "m4"]) rig.insert([0, 1], name.padEnd(700, "."), 1);
  rig.save();
  for (const client of [0, 1]) {
    open(client);
    rig.commit(client, InboxOp.ACKNOWLEDGED, 1);
    rig.detach(client);
  }
  rig.save();
  rig.reopen();
  open(0);
  rig.commit(0, InboxOp.ACKNOWLEDGED, 2);
  rig.split(home);
  assert.equal(rig.ranges.length, 2);
  rig.save();
  assert.equal(rig.rangeOf(home).find("t", "c0")!.load, 2);
});

test("range cut: sessions that sleep go on sleeping, whatever they have of shared messages", () => {
  const rig = new CutRig();
  for (const client of [0, 1]) rig.attach(client, 1);
  for (const name of ["m1", "m2"]) rig.insert([0, 1], name.padEnd(700, "."), 1);
  for (const client of [0, 1]) rig.detach(client);
  rig.save();
  rig.split(buckets[0]!);
  rig.split(buckets[1]!);
  rig.save();
  for (const { state } of rig.ranges) {
    for (const { isAwake, queue } of state.inboxes.values()) assert.ok(!isAwake && queue === null);
    assert.equal(state.shared.size, 0);
  }
  for (const client of [0, 1]) rig.attach(client, 5);
  assert.equal(rig.recorder.pushes.length, 6, "one sent before, two now");
});

test("range cut: the middle has about half of the load on either side, and buckets are not cut", () => {
  const rig = new CutRig();
  assert.equal(finish(rig.ranges[0]!.planSplit(null)), null, "nothing to cut");
  for (let client = 0; client < CLIENTS; client++) rig.attach(client, 1);
  const middle = finish(rig.ranges[0]!.planSplit(null));
  assert.ok(middle !== null);
  rig.split(firstBucket(middle));
  assert.deepEqual(
    rig.ranges.map(({ state }) => state.inboxes.size),
    [2, 2],
  );
});

test("range cut: what the hinter is told grows with queues, and either side has its part", () => {
  const rig = new CutRig();
  for (let client = 0; client < CLIENTS; client++) {
    rig.attach(client, 1);
    rig.detach(client);
  }
  const [range] = rig.ranges;
  const empty = range!.stateBytes;
  for (const client of [0, 1, 2, 3]) rig.insert([client], "x".repeat(10_000), 1);
  rig.reopen();
  const full = rig.ranges[0]!.stateBytes;
  assert.ok(full > empty + 40_000 && full < empty + 44_000, `${empty}, then ${full} bytes`);
  rig.split(firstBucket(finish(rig.ranges[0]!.planSplit(null))!));
  const parts = rig.ranges.map(({ stateBytes }) => stateBytes);
  assert.deepEqual(parts, [full / 2, full / 2]);
});

test("range cut: what is too much to be read at once is cut off in parts", () => {
  const rig = new CutRig();
  for (let client = 0; client < CLIENTS; client++) {
    rig.attach(client, 1);
    rig.detach(client);
  }
  for (let number = 0; number < 3; number++) rig.insert([0, 1, 2, 3], `${number}`.repeat(1000), 1);
  const { state } = rig.ranges[0]!;
  assert.equal(finish(middleCut(state, 2)), null, "one session refers to more");
  const part = finish(middleCut(state, 3));
  assert.ok(part !== null);
  rig.split(firstBucket(part));
  assert.deepEqual(
    rig.ranges.map((range) => range.state.inboxes.size),
    [CLIENTS - 1, 1],
  );
  const half = finish(middleCut(state, 6));
  assert.ok(half !== null);
  rig.split(firstBucket(half));
  assert.equal(rig.ranges.length, 3);
});

test("range cut: cuts and merges read some hundred rows at a time, and move as many sessions", () => {
  const rig = new CutRig();
  const everyone = Array.from({ length: 1200 }, (_, client) => client);
  for (const client of everyone) {
    rig.attach(client, 1);
    rig.detach(client);
  }
  for (let number = 0; number < 3; number++) rig.insert(everyone, `${number}`.repeat(1000), 1);
  rig.save();
  rig.split(0x800);
  const split = rig.rowsPerStep;
  rig.save();
  rig.merge(0);
  for (const rows of [split, rig.rowsPerStep]) {
    assert.ok(Math.max(...rows) <= 256, `${Math.max(...rows)} rows in a step`);
    assert.ok(rows.length > everyone.length / 256);
  }
});

test("range cut: wherever a range is cut in the hash space, a bucket is on one side, routed there", () => {
  const routing = new Uint8Array(4);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 4 }), fc.nat(4095), (cut, bucket) => {
      const first = firstBucket(cut);
      assert.equal(endBucket(cut), first);
      assert.ok(first <= 0xfff);
      if (first > 0) assert.equal(firstBucket(cutBefore(first)), first);
      const isRight = bucket >= first;
      putRoutingKey(routing, bucket);
      for (const key of [routing, headKey(makeId(1, bucket)), countersKey(bucket)]) {
        assert.equal(compareKeys(key, cut) >= 0, isRight);
      }
    }),
  );
});
