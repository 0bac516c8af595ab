import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createMessage, MessageType } from "../../../src/shared/raft/message.ts";
import { SimRandom } from "../kernel/sim-random.ts";
import { ABSENT } from "../lin/register.ts";
import { CRASH_POINTS, CrashPoints } from "./crash-points.ts";
import { drawProfile } from "./draw-profile.ts";
import { decodeCommand, encodeCommand, hashBytes, type KvCommand } from "./kv-command.ts";
import { KEPT, KEY_COUNT, KvMachine, REPLACED, SESSION_COUNT } from "./kv-machine.ts";
import { throughDisk, throughNetwork } from "./through-codec.ts";

const COMMAND = fc.record(
  {
    session: fc.nat(SESSION_COUNT - 1),
    sequence: fc.integer({ min: 1, max: 20 }),
    key: fc.nat(KEY_COUNT - 1),
    value: fc.nat(3),
    expected: fc.option(fc.integer({ min: ABSENT, max: 3 })),
  },
  { noNullPrototype: true },
);

test("command: decoding reverses encoding, and every field counts in the hash", () => {
  const hashes = new Map<number, string>();
  fc.assert(
    fc.property(COMMAND, (command) => {
      const bytes = encodeCommand(command);
      assert.deepEqual(decodeCommand(bytes), command);
      const hash = hashBytes(bytes);
      const text = JSON.stringify(command);
      assert.equal(hashes.get(hash) ?? text, text);
      hashes.set(hash, text);
    }),
    { seed: 4 },
  );
});

test("machine: behaves as a map of registers with one effect per command", () => {
  fc.assert(
    fc.property(fc.array(COMMAND, { maxLength: 60 }), (commands) => {
      const machine = new KvMachine();
      const registers = new Map<number, number>();
      const newest = new Map<number, number>();
      for (const command of commands) {
        const { session, sequence, key, value, expected } = command;
        machine.apply(encodeCommand(command));
        const isNew = sequence > (newest.get(session) ?? 0);
        assert.equal(machine.wasEffective, isNew);
        if (!isNew) continue;
        newest.set(session, sequence);
        const replaces = expected === null || expected === (registers.get(key) ?? ABSENT);
        if (replaces) registers.set(key, value);
        assert.equal(machine.resultOf(session), replaces ? REPLACED : KEPT);
        assert.equal(machine.read(key), registers.get(key) ?? ABSENT);
      }
    }),
    { seed: 5 },
  );
});

test("machine: an image carries all of it, and its hash the way it took", () => {
  const command: KvCommand = { session: 1, sequence: 1, key: 2, value: 7, expected: null };
  const machine = new KvMachine();
  machine.apply(encodeCommand(command));
  const copy = new KvMachine();
  copy.restore(machine.image());
  assert.deepEqual([copy.read(2), copy.hash, copy.newestSequence(1)], [7, machine.hash, 1]);
  const detour = new KvMachine();
  detour.apply(encodeCommand({ ...command, value: 9 }));
  detour.apply(encodeCommand({ ...command, sequence: 2 }));
  assert.equal(detour.read(2), 7);
  assert.notEqual(detour.hash, machine.hash);
  copy.apply(new Uint8Array(0));
  assert.equal(copy.lastCommand, null);
  assert.equal(copy.hash, machine.hash);
});

test("crash points: fire about as often as they should, and count", () => {
  const points = new CrashPoints(SimRandom.of(1, "crash points"), 0.1);
  let fatal = 0;
  for (let pass = 0; pass < 2000; pass += 1) fatal += Number(points.isFatal("half sent"));
  assert.deepEqual(points.counts["half sent"], { passed: 2000, fatal });
  assert.ok(fatal > 150 && fatal < 250, `${fatal} of 2000`);
  points.probability = 0;
  assert.ok(CRASH_POINTS.every((point) => !points.isFatal(point)));
});

test("profiles: differ from seed to seed, repeat for a seed, obey the node count", () => {
  const draw = (seed: number, nodeCount: number | null) =>
    drawProfile(SimRandom.of(seed, "profile"), { nodeCount });
  assert.deepEqual(draw(3, null), draw(3, null));
  const texts = Array.from({ length: 200 }, (_none, seed) => JSON.stringify(draw(seed, null)));
  assert.equal(new Set(texts).size, 200);
  const sizes = new Set(Array.from({ length: 200 }, (_none, seed) => draw(seed, null).nodeCount));
  assert.deepEqual([...sizes].sort(), [1, 2, 3, 4, 5, 7]);
  for (let seed = 0; seed < 50; seed += 1) {
    const { nodeCount, memberCount } = draw(seed, 5);
    assert.equal(nodeCount, 5);
    assert.ok(memberCount === 4 || memberCount === 5);
  }
});

test("codecs: a message and an append come back equal, as other objects", () => {
  const conf = {
    voters: [1, 2],
    outgoing: [2, 3],
    learners: [4],
    learnersNext: [3],
    autoLeave: true,
  };
  const data = new Uint8Array([1, 2, 3]);
  const snapshot = { index: 7, term: 3, conf, data };
  const entries = [{ index: 8, term: 3, type: 1 as const, data }];
  const message = { ...createMessage(MessageType.APPEND, 2), from: 1, term: 3, index: 7, entries };
  const arrived = throughNetwork(message);
  assert.deepEqual(arrived, message);
  assert.notEqual(arrived.entries[0]?.data, data);
  const hardState = { term: 3, vote: 1, commit: 7, epoch: 0, epochIndex: 0 };
  const append = {
    ...{ hardState, entries, snapshot, mustSync: true },
    ...{ messagesAfterPersist: [], ack: null },
  };
  const written = throughDisk(append);
  assert.deepEqual(written, append);
  assert.notEqual(written.snapshot?.data, data);
});
