import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionError } from "../../../src/shared/base/assert.ts";
import { Prng } from "../../../src/shared/base/prng.ts";
import { AntiEntropy } from "../../../src/shared/crdt/anti-entropy.ts";
import { ANTI_ENTROPY_DEFAULTS } from "../../../src/shared/crdt/anti-entropy-parameters.ts";
import { encodeCrdt } from "../../../src/shared/crdt/crdt-codec.ts";
import { CrdtMessageKind } from "../../../src/shared/crdt/crdt-message.ts";
import { OrMap } from "../../../src/shared/crdt/or-map.ts";
import { CrdtNetwork, type CrdtNode } from "./crdt-network.ts";

function firstTwo(network: CrdtNetwork): [CrdtNode, CrdtNode] {
  return [network.nodes[0]!, network.nodes[1]!];
}

test("anti-entropy: a write reaches all, within a batch and a hop for each link on its way", () => {
  for (const count of [2, 3, 20, 100]) {
    const network = new CrdtNetwork(count, count);
    network.run(1_000);
    network.put(network.nodes[count >> 1]!, "k", "v");
    const ms = network.converge(5_000);
    assert.ok(ms <= 1_500, `${count} nodes: ${ms} ms`);
    for (const node of network.nodes) assert.deepEqual(network.contentOf(node), ["k=v"]);
    assert.ok(
      network.nodes.every(
        ({ changed, map }) => changed.has("k") || map.entriesBy(map.replica).length === 1,
      ),
    );
  }
});

test("anti-entropy: what leads nowhere new is not passed on, and peace is nearly silent", () => {
  const network = new CrdtNetwork(20, 1);
  network.put(network.nodes[0]!, "k", "v");
  network.run(20_000);
  assert.ok(network.nodes.every(({ antiEntropy }) => antiEntropy.isIdle));
  const before = network.messages;
  network.run(60_000);
  // Per link and direction a probe and an answer in 10 to 11 s.
  const links = network.nodes.reduce(
    (sum, { antiEntropy }) => sum + antiEntropy.neighbours.length,
    0,
  );
  const messages = network.messages - before;
  assert.ok(
    messages <= links * 2 * 6 && messages >= links * 2 * 5,
    `${messages} of ${links} links`,
  );
});

test("anti-entropy: concurrent work on a bad network converges, and loses nothing", () => {
  for (let seed = 0; seed < 15; seed++) {
    const chance = new Prng(seed);
    const network = new CrdtNetwork(2 + chance.below(8), seed);
    network.lossShare = 0.3;
    network.doubleShare = 0.2;
    for (let step = 0; step < 60; step++) {
      const node = network.nodes[chance.below(network.nodes.length)]!;
      const key = `k${chance.below(6)}`;
      if (chance.chance(0.7)) network.put(node, key, `${step}`);
      else network.remove(node, key);
      network.run(chance.below(300));
    }
    for (const node of network.nodes) network.put(node, `last of ${node.replica}`, "here");
    const ms = network.converge(300_000);
    assert.ok(ms < 120_000, `seed ${seed}: ${ms} ms`);
    const contents = network.nodes.map((node) => network.contentOf(node));
    for (const content of contents) {
      assert.deepEqual(content, contents[0]);
      assert.ok(network.nodes.every(({ replica }) => content.includes(`last of ${replica}=here`)));
    }
  }
});

test("anti-entropy: a partition of any length ends in the union of both sides", () => {
  const network = new CrdtNetwork(6, 3);
  const [left, right] = [network.nodes.slice(0, 3), network.nodes.slice(3)];
  network.put(network.nodes[0]!, "shared", "before");
  network.put(network.nodes[0]!, "removed", "before");
  network.run(2_000);
  network.split(left, right);
  network.put(left[0]!, "shared", "left");
  network.run(50);
  network.put(right[0]!, "shared", "right");
  network.remove(right[1]!, "removed");
  network.put(left[1]!, "only left", "x");
  network.run(300_000);
  assert.equal(network.isConverged(), false);
  assert.ok(
    network.nodes.every(({ antiEntropy }) => antiEntropy.isIdle),
    "nothing waits for ever",
  );
  network.unblock();
  assert.ok(network.converge(60_000) < 15_000);
  for (const node of network.nodes) {
    assert.deepEqual(network.contentOf(node), ["only left=x", "shared=right|left"]);
  }
});

test("anti-entropy: a newcomer gets everything, in parts of limited size", () => {
  const network = new CrdtNetwork(3, 5, { entriesMax: 50 });
  const [first] = firstTwo(network);
  for (let i = 0; i < 333; i++) network.put(first, `k${i}`, "v");
  network.run(5_000);
  const newcomer = network.add("n9/1");
  network.announce();
  assert.ok(network.converge(10_000) < 3_000);
  assert.equal(newcomer.map.size, 333);
  assert.equal(newcomer.map.historySize, 1);
});

test("anti-entropy: large values leave in messages of limited size, one above it alone", () => {
  const network = new CrdtNetwork(2, 5, { deltaBytesMax: 20_000 });
  const [first, second] = firstTwo(network);
  for (let i = 0; i < 40; i++) network.put(first, `k${i}`, "v".repeat(3_000));
  network.put(first, "large", "v".repeat(50_000));
  assert.ok(network.converge(10_000) < 3_000);
  assert.equal(second.map.size, 41);
  const largest = network.largestMessageBytes;
  assert.ok(largest > 50_000 && largest < 50_200, `${largest}`);
  assert.ok(network.bytes < 40 * 3_100 + 50_200 + 2_000, "and nothing is sent twice");
});

test("anti-entropy: entries of a dead node are adopted or removed by one, and its life forgotten", () => {
  const network = new CrdtNetwork(4, 6, { retentionMs: 60_000 });
  const [dead, cleaner] = firstTwo(network);
  network.put(dead, "setting", "keep");
  network.put(dead, "session", "drop");
  network.run(2_000);
  dead.isUp = false;
  network.announce();
  network.remove(cleaner, "session");
  network.local(cleaner, cleaner.map.adopt(dead.replica));
  network.run(5_000);
  const reborn = network.add("n0/2");
  network.announce();
  network.run(120_000);
  for (const node of network.up) {
    assert.deepEqual(network.contentOf(node), ["setting=keep"]);
    assert.deepEqual([...node.map.replicas()], [cleaner.replica], `${node.replica}`);
  }
  assert.equal(reborn.map.historySize, 1);
});

test("anti-entropy: a delta without an ack is sent again, later and later, and then given up", () => {
  const map = new OrMap("a");
  const antiEntropy = new AntiEntropy(map, new Prng(1));
  antiEntropy.handleLiving(new Set(["a", "b"]), 0);
  antiEntropy.handleTimeout(0);
  antiEntropy.handleMessage("b", encodeCrdt({ kind: CrdtMessageKind.SAME }), 1);
  antiEntropy.drain();
  antiEntropy.handleLocal(map.put("k", new Uint8Array(1), { physicalMs: 1, counter: 0 }), 10);
  const sentAtMs: number[] = [];
  while (!antiEntropy.isIdle) {
    const nowMs = antiEntropy.nextDeadlineMs;
    antiEntropy.handleTimeout(nowMs);
    const isDelta = antiEntropy.drain().some((output) => {
      return output.kind === "send" && output.bytes[3] === CrdtMessageKind.DELTA;
    });
    if (isDelta) sentAtMs.push(nowMs);
  }
  assert.equal(sentAtMs[0], 110, "gathered for one batch interval");
  const pauses = sentAtMs.slice(1).map((atMs, index) => atMs - sentAtMs[index]!);
  assert.deepEqual(pauses, [500, 1_000, 1_500, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000]);
  const probe = antiEntropy.nextDeadlineMs;
  antiEntropy.handleTimeout(probe);
  const [output] = antiEntropy.drain();
  assert.ok(output?.kind === "send" && output.bytes[3] === CrdtMessageKind.PROBE);
});

test("anti-entropy: one delta at a time per neighbour; only its own ack frees the next", () => {
  const map = new OrMap("a");
  const antiEntropy = new AntiEntropy(map, new Prng(1));
  antiEntropy.handleLiving(new Set(["b"]), 0);
  const sentDeltas = () =>
    antiEntropy.drain().filter((output) => output.kind === "send" && output.bytes[3] === 4).length;
  const stamp = { physicalMs: 1, counter: 0 };
  antiEntropy.handleLocal(map.put("k", new Uint8Array(1), stamp), 0);
  antiEntropy.handleTimeout(100);
  assert.equal(sentDeltas(), 1);
  antiEntropy.handleLocal(map.put("k", new Uint8Array(1), stamp), 100);
  antiEntropy.handleTimeout(300);
  antiEntropy.handleMessage("b", encodeCrdt({ kind: CrdtMessageKind.ACK, index: 9 }), 300);
  antiEntropy.handleMessage("stranger", encodeCrdt({ kind: CrdtMessageKind.ACK, index: 1 }), 300);
  antiEntropy.handleTimeout(310);
  assert.equal(sentDeltas(), 0);
  antiEntropy.handleMessage("b", encodeCrdt({ kind: CrdtMessageKind.ACK, index: 1 }), 320);
  antiEntropy.handleTimeout(320);
  assert.equal(sentDeltas(), 1);
});

test("anti-entropy: a stranger is answered, though no link is kept for it", () => {
  const network = new CrdtNetwork(2, 1);
  const [node] = firstTwo(network);
  network.put(node, "k", "v");
  const stranger = network.add("x/1");
  const digest = { liveCount: 0, sumA: 0, sumB: 0 };
  network.hear(node, "x/1", encodeCrdt({ kind: CrdtMessageKind.PROBE, digest }));
  const { seen, live } = stranger.map.summary();
  const summary = { kind: CrdtMessageKind.SUMMARY, isReplyWanted: true, seen, live };
  network.hear(node, "x/1", encodeCrdt(summary));
  network.run(100);
  assert.equal(stranger.map.size, 1);
  assert.equal(node.antiEntropy.neighbours.includes("x/1"), false);
});

test("anti-entropy: what is no message is counted and changes nothing", () => {
  const network = new CrdtNetwork(2, 1);
  const [node] = firstTwo(network);
  network.hear(node, "n1/1", Uint8Array.of(1, 2, 3));
  assert.equal(node.antiEntropy.malformedMessages, 1);
  assert.equal(node.map.size, 0);
});

test("anti-entropy: an answering list of contents is not answered, a delta not sent back", () => {
  const map = new OrMap("a");
  const antiEntropy = new AntiEntropy(map, new Prng(1));
  antiEntropy.handleLiving(new Set(["b", "c"]), 0);
  const kindsTo = (replica: string) =>
    antiEntropy.drain().flatMap((output) => {
      return output.kind === "send" && output.replica === replica ? [output.bytes[3]] : [];
    });
  const other = new OrMap("b");
  const touched = other.put("k", new Uint8Array(1), { physicalMs: 1, counter: 0 });
  for (const isReplyWanted of [false, true]) {
    const message = { kind: CrdtMessageKind.SUMMARY, isReplyWanted, ...other.summary() };
    antiEntropy.handleMessage("b", encodeCrdt(message), 0);
    assert.deepEqual(kindsTo("b"), isReplyWanted ? [CrdtMessageKind.SUMMARY] : []);
  }
  const { delta } = other.deltaOf(touched, 10);
  const message = { kind: CrdtMessageKind.DELTA, index: 5, delta };
  antiEntropy.handleMessage("b", encodeCrdt(message), 0);
  assert.deepEqual(kindsTo("b"), [CrdtMessageKind.ACK]);
  antiEntropy.handleTimeout(150);
  const outputs = antiEntropy.drain();
  const deltas = outputs.filter((output) => {
    return output.kind === "send" && output.bytes[3] === CrdtMessageKind.DELTA;
  });
  assert.deepEqual(
    deltas.map((output) => output.kind === "send" && output.replica),
    ["c"],
  );
});

test("anti-entropy: two lists of contents never answer each other for ever", () => {
  const network = new CrdtNetwork(2, 2);
  const [a, b] = firstTwo(network);
  network.split([a], [b]);
  network.put(a, "from a", "x");
  network.put(b, "from b", "x");
  network.run(60_000);
  network.unblock();
  const before = network.messages;
  network.run(12_000);
  assert.ok(network.isConverged());
  assert.ok(network.messages - before < 20, `${network.messages - before}`);
});

test("anti-entropy: parameters by which nothing would be told are bugs of the shell", () => {
  const wrong = {
    entriesMax: 0,
    attemptsMax: 0,
    resendMs: 0,
    resendMaxMs: 100,
    probeIntervalMs: 0,
  };
  for (const [name, value] of Object.entries(wrong)) {
    const parameters = { ...ANTI_ENTROPY_DEFAULTS, [name]: value };
    const create = () => new AntiEntropy(new OrMap("a"), new Prng(1), parameters);
    assert.throws(create, AssertionError, name);
  }
});
