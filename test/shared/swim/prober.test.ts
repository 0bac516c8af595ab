import assert from "node:assert/strict";
import { test } from "node:test";
import { type Claim, MemberStatus, type NodeDescription } from "../../../src/shared/swim/member.ts";
import { MessageKind } from "../../../src/shared/swim/swim-message.ts";
import { alive, claim, nodeNumber, TestNode } from "./test-node.ts";

const QUIET = { antiEntropyIntervalMs: 1e9 };

/** Lets the node begin a probe; returns its ping. */
function firstPing(node: TestNode) {
  for (;;) {
    node.nowMs = node.swim.nextDeadlineMs;
    node.swim.handleTimeout(node.nowMs);
    node.collect();
    const pings = node.sentOf(MessageKind.PING);
    if (pings.length > 0) return pings[0]!;
  }
}

function numberOf(nodeId: string): number {
  return Number.parseInt(nodeId.slice(-4), 16);
}

test("prober: one member per period, pinged by packet [SWIM §3.1]", () => {
  const node = new TestNode(5, QUIET);
  for (let period = 0; period < 3; period++) {
    const ping = firstPing(node);
    assert.equal(ping.channel, "packet");
    assert.equal(ping.address, nodeNumber(numberOf(ping.message.target)).address);
    const { sequence } = ping.message;
    node.hear(nodeNumber(numberOf(ping.message.target)), [{ kind: MessageKind.ACK, sequence }]);
    node.pass(499);
    assert.deepEqual(node.sent(), [], "an acked probe needs nothing more");
  }
  assert.deepEqual(node.events(), []);
});

test("prober: without an ack, helpers are asked and the stream is tried [Lifeguard]", () => {
  const node = new TestNode(6, QUIET);
  const { target, sequence } = firstPing(node).message;
  node.pass(200);
  const sent = node.sent();
  const requests = sent.filter(({ message }) => message.kind === MessageKind.PING_REQUEST);
  assert.equal(requests.length, 3);
  const asked = new Set(requests.map(({ address }) => address));
  assert.equal(asked.size, 3);
  assert.equal(asked.has(nodeNumber(numberOf(target)).address), false);
  const stream = sent.filter(({ channel }) => channel === "stream");
  assert.deepEqual(
    stream.map(({ message }) => message),
    [{ kind: MessageKind.PING, sequence, target }],
  );
  assert.equal(sent.length, 4);
});

test("prober: an ack through a helper saves the target, and says nothing of this node", () => {
  const node = new TestNode(6, QUIET);
  const { target, sequence } = firstPing(node).message;
  node.pass(450);
  node.hear(nodeNumber((numberOf(target) % 6) + 1), [{ kind: MessageKind.ACK, sequence }]);
  node.pass(60);
  assert.deepEqual(node.events(), []);
  assert.equal(node.swim.awarenessScore, 0);
});

test("prober: no answer by the end of the period is a suspicion [SWIM §4.2]", () => {
  const node = new TestNode(6, QUIET);
  const { target } = firstPing(node).message;
  node.pass(500);
  assert.deepEqual(node.events(), [`suspected ${numberOf(target)}`]);
  const suspect = nodeNumber(numberOf(target));
  const accusation = claim(MemberStatus.SUSPECT, suspect, nodeNumber(0));
  const told = node.sent().filter(({ channel, message }) => {
    return channel === "stream" && message.kind === MessageKind.CLAIM;
  });
  assert.deepEqual(
    told.map(({ address, message }) => [address, message]),
    [[suspect.address, { kind: MessageKind.CLAIM, claim: accusation }]],
    "the suspect hears of it by stream",
  );
});

test("prober: helpers that keep silent put the blame here, nacks take it away [Lifeguard]", () => {
  for (const nacks of [0, 1, 3, 5]) {
    const node = new TestNode(6, QUIET);
    const { sequence } = firstPing(node).message;
    node.pass(300);
    for (let i = 0; i < nacks; i++) {
      node.hear(nodeNumber(i + 1), [{ kind: MessageKind.NACK, sequence }]);
    }
    node.pass(200);
    assert.equal(node.swim.awarenessScore, Math.max(0, 3 - nacks), `${nacks} nacks`);
  }
});

test("prober: a node unsure of itself probes more slowly [Lifeguard, LHA-Probe]", () => {
  const node = new TestNode(6, QUIET);
  firstPing(node);
  node.pass(500);
  assert.equal(node.swim.awarenessScore, 3);
  const pings = node.sentOf(MessageKind.PING).filter(({ channel }) => channel === "packet");
  assert.equal(pings.length, 1, "the next period has begun, four times as long");
  node.pass(790);
  assert.deepEqual(node.sentOf(MessageKind.PING_REQUEST), []);
  node.pass(20);
  assert.equal(node.sentOf(MessageKind.PING_REQUEST).length, 3);
});

test("prober: a ping to a suspect tells it of the suspicion [Lifeguard, Buddy System]", () => {
  const node = new TestNode(9, QUIET);
  const suspect = nodeNumber(4);
  node.hearClaims(nodeNumber(1), claim(MemberStatus.SUSPECT, suspect, nodeNumber(1)));
  for (;;) {
    const { target, sequence } = firstPing(node).message;
    if (target === suspect.nodeId) break;
    node.hear(nodeNumber(numberOf(target)), [{ kind: MessageKind.ACK, sequence }]);
  }
  const [, buddy, ...rest] = node.lastPacketTo(suspect.address);
  const accusation = claim(MemberStatus.SUSPECT, suspect, nodeNumber(0));
  assert.deepEqual(buddy, { kind: MessageKind.CLAIM, claim: accusation });
  assert.deepEqual(rest, [], "the same news does not stand twice in a packet");
});

test("prober: a suspect that answers a probe is not buried for another while by who hears it", () => {
  for (const isHeard of [false, true]) {
    const node = new TestNode(20, QUIET);
    const { target, sequence } = firstPing(node).message;
    const suspect = nodeNumber(numberOf(target));
    for (const accuser of [31, 32, 33]) {
      const from = nodeNumber(accuser);
      node.hearClaims(from, claim(MemberStatus.SUSPECT, suspect, from));
    }
    const startMs = node.nowMs;
    node.pass(300);
    if (isHeard) node.hear(suspect, [{ kind: MessageKind.ACK, sequence }]);
    assert.equal(node.statusOf(numberOf(target)), MemberStatus.SUSPECT, "an ack refutes nothing");
    while (node.statusOf(numberOf(target)) === MemberStatus.SUSPECT) node.pass(50);
    // Shortest suspicion of 21 members: 4 * log10(21) * 500 ms.
    const waitedMs = node.nowMs - startMs - (isHeard ? 300 : 0);
    assert.ok(waitedMs >= 2_644 && waitedMs <= 2_750, `${waitedMs} ms, heard: ${isHeard}`);
  }
});

test("prober: late, repeated and foreign acks change nothing", () => {
  const node = new TestNode(6, QUIET);
  const { target, sequence } = firstPing(node).message;
  node.hear(nodeNumber(1), [{ kind: MessageKind.ACK, sequence: sequence ^ 1 }]);
  node.hear(nodeNumber(1), [{ kind: MessageKind.NACK, sequence: sequence ^ 1 }]);
  node.pass(500);
  assert.deepEqual(node.events(), [`suspected ${numberOf(target)}`]);
  node.hear(nodeNumber(1), [{ kind: MessageKind.ACK, sequence }]);
  assert.equal(node.statusOf(numberOf(target)), MemberStatus.SUSPECT, "only the suspect refutes");
});

test("prober: a target that left during its probe is not suspected", () => {
  const node = new TestNode(6, QUIET);
  const { target } = firstPing(node).message;
  const gone = nodeNumber(numberOf(target));
  node.hearClaims(gone, claim(MemberStatus.LEFT, gone, gone));
  node.pass(500);
  assert.deepEqual(node.events(), [`left ${numberOf(target)}`]);
});

test("prober: a stall of this node voids the probe and costs it trust in itself", () => {
  const node = new TestNode(6, QUIET);
  firstPing(node);
  node.nowMs += 2_000;
  node.swim.handleTimeout(node.nowMs);
  node.collect();
  assert.deepEqual(node.events(), [], "nobody is suspected for this node's sleep");
  assert.equal(node.swim.awarenessScore, 1);
});

test("prober: suspicions wait as long as the node itself was asleep", () => {
  // The others are silent and unprobed; two more accusers bring the end to 5.2 s.
  const node = new TestNode(20, { ...QUIET, probeIntervalMs: 1_000 });
  for (const accuser of [1, 2, 3]) {
    node.hearClaims(
      nodeNumber(accuser),
      claim(MemberStatus.SUSPECT, nodeNumber(9), nodeNumber(accuser)),
    );
  }
  const startMs = node.nowMs;
  node.nowMs += 6_000;
  node.swim.handleTimeout(node.nowMs);
  assert.equal(node.statusOf(9), MemberStatus.SUSPECT, "its refutation may lie unread");
  while (node.statusOf(9) === MemberStatus.SUSPECT) node.pass(100);
  const waitedMs = node.nowMs - startMs;
  assert.ok(waitedMs > 5_200 + 4_900 && waitedMs < 5_200 + 6_200, `${waitedMs}`);
});

test("prober: packets read before the overdue timer are part of the same stall", () => {
  const node = new TestNode(6, QUIET);
  firstPing(node);
  node.nowMs += 2_000;
  for (let i = 0; i < 3; i++) node.hearClaims(nodeNumber(1));
  node.swim.handleTimeout(node.nowMs);
  assert.equal(node.swim.awarenessScore, 1);
});

test("probe answers: a ping is acked on the channel that it came by", () => {
  const node = new TestNode(2, QUIET);
  const ping = { kind: MessageKind.PING, sequence: 77, target: nodeNumber(0).nodeId } as const;
  for (const channel of ["packet", "stream"] as const) {
    node.hear(nodeNumber(2), [ping], channel);
    const message = { kind: MessageKind.ACK, sequence: 77 };
    assert.deepEqual(node.sent(), [{ channel, address: nodeNumber(2).address, message }]);
  }
});

test("probe answers: a ping for another node on this address is answered by who lives here", () => {
  const node = new TestNode(2, QUIET);
  node.hear(nodeNumber(2), [
    { kind: MessageKind.PING, sequence: 77, target: nodeNumber(9).nodeId },
  ]);
  const sent = node.sent();
  assert.equal(sent.length, 1);
  const { message } = sent[0]!;
  assert.ok(message.kind === MessageKind.CLAIM && message.claim.status === MemberStatus.ALIVE);
  assert.equal(message.claim.node.nodeId, nodeNumber(0).nodeId);
});

test("probe answers: who counts as dead or moved here is told so with the ack", () => {
  const target = nodeNumber(0).nodeId;
  const ping = { kind: MessageKind.PING, sequence: 7, target } as const;
  const tellTo = (sender: NodeDescription, ...news: Claim[]) => {
    const node = new TestNode(4, QUIET);
    node.hearClaims(nodeNumber(1), ...news);
    node.hear(sender, [ping]);
    const [ack, ...claims] = node.lastPacketTo(sender.address);
    assert.equal(ack?.kind, MessageKind.ACK);
    return claims.flatMap((message) => (message.kind === MessageKind.CLAIM ? [message.claim] : []));
  };
  const dead = claim(MemberStatus.DEAD, nodeNumber(2), nodeNumber(1));
  assert.deepEqual(tellTo(nodeNumber(2), dead), [{ ...dead, from: target }]);
  const left = claim(MemberStatus.LEFT, nodeNumber(2), nodeNumber(2));
  assert.deepEqual(tellTo(nodeNumber(2), left), [{ ...left, from: target }]);
  const moved = alive(nodeNumber(2, { address: "elsewhere:1", incarnation: 1 }));
  assert.deepEqual(tellTo(nodeNumber(2), moved), [moved]);
  assert.deepEqual(tellTo(nodeNumber(2)), [], "a member in good standing");
  assert.deepEqual(tellTo(nodeNumber(9)), [], "a stranger");
});

test("probe answers: a helper pings on behalf and passes the ack on [SWIM §3.1]", () => {
  const node = new TestNode(3, QUIET);
  const [asker, target] = [nodeNumber(1), nodeNumber(2)];
  const request = {
    kind: MessageKind.PING_REQUEST,
    sequence: 5,
    target: target.nodeId,
    targetAddress: target.address,
  };
  node.hear(asker, [request]);
  const [ping] = node.sentOf(MessageKind.PING);
  assert.equal(ping?.address, target.address);
  node.hear(target, [{ kind: MessageKind.ACK, sequence: ping!.message.sequence }]);
  const ack = {
    channel: "packet",
    address: asker.address,
    message: { kind: MessageKind.ACK, sequence: 5 },
  };
  assert.deepEqual(node.sent(), [ack]);
  node.hear(target, [{ kind: MessageKind.ACK, sequence: ping!.message.sequence }]);
  assert.deepEqual(node.sent(), [], "passed on once");
});

test("probe answers: a helper without an answer sends a nack, and still passes a late ack on", () => {
  const node = new TestNode(0, QUIET);
  const asker = nodeNumber(1);
  const target = nodeNumber(2);
  const request = {
    kind: MessageKind.PING_REQUEST,
    sequence: 5,
    target: target.nodeId,
    targetAddress: target.address,
  };
  node.hear(asker, [request]);
  const [ping] = node.sentOf(MessageKind.PING);
  node.pass(159);
  assert.deepEqual(node.sent(), []);
  node.pass(2);
  assert.deepEqual(
    node.sentOf(MessageKind.NACK).map(({ message }) => message.sequence),
    [5],
  );
  node.hear(target, [{ kind: MessageKind.ACK, sequence: ping!.message.sequence }]);
  assert.deepEqual(
    node.sentOf(MessageKind.ACK).map(({ message }) => message.sequence),
    [5],
  );
  node.hear(asker, [{ ...request, sequence: 6 }]);
  const [second] = node.sentOf(MessageKind.PING);
  node.pass(600);
  node.sent();
  node.hear(target, [{ kind: MessageKind.ACK, sequence: second!.message.sequence }]);
  assert.deepEqual(node.sent(), [], "the errand is over");
});

test("probe answers: errands are limited; above the limit the answer is a nack at once", () => {
  const node = new TestNode(0, QUIET);
  const { nodeId: target, address: targetAddress } = nodeNumber(2);
  for (let sequence = 0; sequence < 300; sequence++) {
    node.hear(nodeNumber(1), [{ kind: MessageKind.PING_REQUEST, sequence, target, targetAddress }]);
  }
  const sent = node.sent();
  const count = (kind: number) => sent.filter(({ message }) => message.kind === kind).length;
  assert.equal(count(MessageKind.PING), 256);
  assert.equal(count(MessageKind.NACK), 44);
});
