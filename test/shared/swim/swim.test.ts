import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AssertionError } from "../../../src/shared/base/assert.ts";
import { Prng } from "../../../src/shared/base/prng.ts";
import { encodeHeader, encodeMessage, joinParts } from "../../../src/shared/swim/encode-swim.ts";
import { MemberStatus } from "../../../src/shared/swim/member.ts";
import type { PacketSeal } from "../../../src/shared/swim/outbox.ts";
import { Swim } from "../../../src/shared/swim/swim.ts";
import { MessageKind } from "../../../src/shared/swim/swim-message.ts";
import { SWIM_DEFAULTS } from "../../../src/shared/swim/swim-parameters.ts";
import { messages } from "./swim-arbitraries.ts";
import { alive, claim, EPOCH, nodeNumber, TestNode } from "./test-node.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** A seal that flips all bits and appends its key. */
function flippingSeal(key: number): PacketSeal {
  return {
    overheadBytes: 1,
    seal: (bytes) => Uint8Array.from([...bytes.map((byte) => byte ^ 0xff), key]),
    open: (bytes) => {
      if (bytes.at(-1) !== key) return null;
      return bytes.subarray(0, -1).map((byte) => byte ^ 0xff);
    },
  };
}

test("swim: alone, it waits and disturbs nobody", () => {
  const node = new TestNode(0);
  node.swim.setMetadata(Uint8Array.of(1), node.nowMs);
  node.pass(60_000);
  assert.deepEqual(node.sent(), []);
  assert.equal(node.swim.liveMembers.length, 1);
});

test("swim: a timer that comes early does nothing", () => {
  const node = new TestNode(5);
  node.pass(2_000);
  node.sent();
  const { nextDeadlineMs } = node.swim;
  for (let i = 0; i < 3; i++) node.swim.handleTimeout(node.nowMs);
  node.collect();
  assert.deepEqual(node.sent(), []);
  assert.equal(node.swim.nextDeadlineMs, nextDeadlineMs);
});

test("swim: leaving is told for a second, then it is done", () => {
  const node = new TestNode(5);
  node.swim.leave(node.nowMs);
  node.swim.leave(node.nowMs);
  node.hearClaims(nodeNumber(1), claim(MemberStatus.SUSPECT, nodeNumber(0), nodeNumber(1)));
  assert.deepEqual(node.events(), [], "who leaves refutes nothing");
  node.hear(nodeNumber(1), [{ kind: MessageKind.PING, sequence: 1, target: nodeNumber(0).nodeId }]);
  assert.equal(node.sentOf(MessageKind.ACK).length, 1, "it answers to the end");
  node.pass(999);
  assert.deepEqual(node.events(), []);
  const told = node.sentOf(MessageKind.CLAIM);
  assert.ok(told.length >= 3);
  for (const { message } of told) {
    assert.ok(message.kind === MessageKind.CLAIM && message.claim.status === MemberStatus.LEFT);
    assert.equal(message.claim.from, message.claim.nodeId);
  }
  node.pass(1);
  assert.deepEqual(node.events(), ["self left"]);
  assert.equal(node.swim.nextDeadlineMs, NEVER);
  node.swim.join(["a:1"], node.nowMs);
  node.swim.setMetadata(Uint8Array.of(1), node.nowMs);
  node.swim.handleTimeout(node.nowMs + 1e6);
  node.collect();
  assert.deepEqual([node.sent(), node.events()], [[], []]);
});

test("swim: a slow gossip keeps a leaving member longer", () => {
  const node = new TestNode(5, { gossipIntervalMs: 400 });
  node.swim.leave(node.nowMs);
  node.pass(1_599);
  assert.deepEqual(node.events(), []);
  node.pass(1);
  assert.deepEqual(node.events(), ["self left"]);
});

test("swim: packets of other clusters, keys and protocols are dropped and counted", () => {
  const { swim } = new TestNode(1);
  const header = (cluster: string) => encodeHeader(cluster, nodeNumber(9));
  const news = encodeMessage({ kind: MessageKind.CLAIM, claim: alive(nodeNumber(9)) });
  swim.handlePacket(joinParts([header("other"), news]), 1_000);
  swim.handleStream(joinParts([header("test"), news, Uint8Array.of(99)]), 1_000);
  const newer = joinParts([header("test"), news]);
  newer[2] = 200;
  swim.handlePacket(newer, 1_000);
  const dropped = { sealed: 0, malformed: 1, wrongVersion: 1, wrongCluster: 1 };
  assert.deepEqual(swim.droppedPackets, dropped);
  assert.equal(swim.liveMembers.length, 2, "no part of them is believed");
});

test("swim: a node that speaks a newer protocol is a member; what it says in it is not read", () => {
  const node = new TestNode(1);
  const newer = nodeNumber(9, { protocolVersion: 7 });
  node.hearClaims(newer, alive(newer));
  assert.deepEqual(node.events(), ["joined 9"]);
  assert.equal(node.swim.member(newer.nodeId)?.node.protocolVersion, 7);
  const news = encodeMessage({ kind: MessageKind.CLAIM, claim: alive(nodeNumber(8)) });
  const packet = joinParts([encodeHeader("test", newer), news]);
  packet[2] = 7;
  node.swim.handlePacket(packet, node.nowMs);
  assert.equal(node.statusOf(8), undefined);
  assert.equal(node.swim.droppedPackets.wrongVersion, 1);
  node.pass(2_000);
  const pinged = node.sentOf(MessageKind.PING).map(({ address }) => address);
  assert.ok(pinged.includes(newer.address), "it is probed like any other");
});

test("swim: what it sends is sealed, and what is not sealed so is not heard", () => {
  const options = { clusterName: "c", startEpoch: EPOCH };
  const { nodeId, address } = nodeNumber(0);
  const seal = flippingSeal(7);
  const swim = new Swim({ ...options, nodeId, address, seal }, 0, new Prng(1));
  const hello = encodeHeader("c", nodeNumber(1));
  const ping = encodeMessage({ kind: MessageKind.PING, sequence: 1, target: nodeId });
  swim.handlePacket(joinParts([hello, ping]), 0);
  swim.handlePacket(flippingSeal(8).seal(joinParts([hello, ping])), 0);
  assert.equal(swim.droppedPackets.sealed, 2);
  assert.deepEqual(swim.drain(), []);
  swim.handlePacket(seal.seal(joinParts([hello, ping])), 0);
  const [ack] = swim.drain();
  assert.ok(ack?.kind === "packet" && seal.open(ack.bytes) !== null);
});

test("swim: no datagram is larger than allowed, the seal included", () => {
  const nodes = Array.from({ length: 300 }, (_none, index) =>
    nodeNumber(index + 2, { metadata: new Uint8Array(index), address: `h${index}:1` }),
  );
  for (const packetBytesMax of [1_400, 1_200]) {
    const seal = { ...flippingSeal(7), overheadBytes: 1 };
    const parameters = { ...SWIM_DEFAULTS, packetBytesMax };
    const { nodeId, address } = nodeNumber(0);
    const fixed = { clusterName: "c", startEpoch: EPOCH, nodeId, address, seal, parameters };
    const swim = new Swim({ ...fixed, knownNodes: [nodeNumber(1)] }, 0, new Prng(1));
    const header = encodeHeader("c", nodeNumber(1));
    for (const node of nodes) {
      const bytes = encodeMessage({ kind: MessageKind.CLAIM, claim: alive(node) });
      swim.handlePacket(seal.seal(joinParts([header, bytes])), 0);
    }
    let packets = 0;
    let largest = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs = swim.nextDeadlineMs) {
      swim.handleTimeout(nowMs);
      for (const output of swim.drain()) {
        if (output.kind !== "packet") continue;
        packets += 1;
        largest = Math.max(largest, output.bytes.length);
      }
    }
    assert.ok(packets > 100 && largest <= packetBytesMax, `${largest}`);
    assert.ok(largest > packetBytesMax * 0.9, "and they are filled");
  }
});

test("swim: whatever is heard, nothing throws and this node stays a member", () => {
  const heard = fc.array(fc.tuple(fc.array(messages, { maxLength: 4 }), fc.nat(3_000)), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(heard, (packets) => {
      const node = new TestNode(3);
      for (const [content, pauseMs] of packets) {
        node.hear(nodeNumber(1), content);
        node.pass(pauseMs);
        assert.ok(node.swim.nextDeadlineMs >= node.nowMs);
      }
      assert.equal(node.statusOf(0), MemberStatus.ALIVE);
    }),
    { numRuns: 200 },
  );
});

test("swim: the cleaner of a dead member is one of the living, and not the dead one itself", () => {
  const node = new TestNode(5);
  const dead = nodeNumber(3);
  const before = node.swim.cleanerOf(dead.nodeId);
  assert.notEqual(before, dead.nodeId);
  node.hearClaims(nodeNumber(1), claim(MemberStatus.DEAD, dead, nodeNumber(1)));
  assert.equal(node.swim.cleanerOf(dead.nodeId), before);
});

test("swim: parameters that contradict each other and a bad node id are bugs of the shell", () => {
  const { nodeId, address } = nodeNumber(0);
  const options = { clusterName: "c", startEpoch: EPOCH, nodeId, address };
  const create = (changes: object) => () => new Swim({ ...options, ...changes }, 0, new Prng(1));
  assert.throws(create({ nodeId: "me" }), AssertionError);
  assert.throws(create({ clusterName: "c".repeat(65) }), AssertionError);
  const wrong = {
    probeTimeoutMs: 400,
    gossipFanout: 0,
    awarenessMax: 0,
    membersMax: 1,
    joinRetryMs: 0,
    joinRetryMaxMs: 500,
    healIntervalMs: 0,
    antiEntropyIntervalMs: 0,
    suspicionMaxMultiplier: 0.5,
    lastCallPeriods: 5,
    packetBytesMax: 800,
  };
  for (const [name, value] of Object.entries(wrong)) {
    const parameters = { ...SWIM_DEFAULTS, [name]: value };
    assert.throws(create({ parameters }), AssertionError, name);
  }
});
