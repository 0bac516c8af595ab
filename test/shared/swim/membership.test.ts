import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MemberStatus } from "../../../src/shared/swim/member.ts";
import { MessageKind } from "../../../src/shared/swim/swim-message.ts";
import { alive, claim, EPOCH, nodeNumber, type Sent, TestNode } from "./test-node.ts";

const { ALIVE, SUSPECT, DEAD, LEFT } = MemberStatus;
const SELF = nodeNumber(0);

/** Statuses and subjects of the claims among `sent`. */
function claimsIn(sent: Sent[]): string[] {
  const told = new Set<string>();
  for (const { message } of sent) {
    if (message.kind !== MessageKind.CLAIM) continue;
    const { claim: each } = message;
    const id = each.status === ALIVE ? each.node.nodeId : each.nodeId;
    const version = each.status === ALIVE ? each.node : each;
    told.add(`${each.status} of ${Number.parseInt(id.slice(-4), 16)} at ${version.incarnation}`);
  }
  return [...told];
}

test("membership: a newcomer is taken in and told on; hearing it again is no news", () => {
  const node = new TestNode(3, { probeIntervalMs: 1_000_000 });
  node.hearClaims(nodeNumber(1), alive(nodeNumber(7)));
  assert.deepEqual(node.events(), ["joined 7"]);
  node.pass(100);
  assert.deepEqual(claimsIn(node.sent()), ["0 of 7 at 0"]);
  node.pass(3_000);
  node.sent();
  node.hearClaims(nodeNumber(2), alive(nodeNumber(7)));
  node.pass(100);
  assert.deepEqual(node.events(), []);
  assert.deepEqual(claimsIn(node.sent()), []);
});

test("membership: suspicion, confirmation and refutation [SWIM §4.2]", () => {
  const node = new TestNode(20);
  const victim = nodeNumber(5);
  node.hearClaims(nodeNumber(1), claim(SUSPECT, victim, nodeNumber(1)));
  assert.deepEqual(node.events(), ["suspected 5"]);
  assert.equal(node.statusOf(5), SUSPECT);
  node.hearClaims(nodeNumber(2), claim(SUSPECT, victim, nodeNumber(2)));
  assert.deepEqual(node.events(), [], "a confirmation is told on, but is no event");
  node.hearClaims(nodeNumber(3), alive(victim));
  assert.equal(node.statusOf(5), SUSPECT, "alive at the same incarnation refutes nothing");
  node.hearClaims(nodeNumber(3), alive({ ...victim, incarnation: 1 }));
  assert.equal(node.statusOf(5), ALIVE);
  assert.deepEqual(node.events(), ["refuted 5"]);
  node.hearClaims(nodeNumber(3), claim(SUSPECT, victim, nodeNumber(3)));
  assert.equal(node.statusOf(5), ALIVE, "an old accusation");
});

test("membership: a suspicion that nobody refutes ends in death, sooner with accusers", () => {
  const timeToDeath = (accusers: number) => {
    const node = new TestNode(20, { probeIntervalMs: 1_000_000, antiEntropyIntervalMs: 1e9 });
    for (let i = 1; i <= accusers; i++) {
      node.hearClaims(nodeNumber(i), claim(SUSPECT, nodeNumber(9), nodeNumber(i)));
    }
    const startMs = node.nowMs;
    while (node.statusOf(9) === SUSPECT) node.pass(10_000);
    const events = node.events().filter((event) => event.endsWith(" 9"));
    assert.deepEqual(events, ["suspected 9", "dead 9"]);
    return node.nowMs - startMs;
  };
  const [alone, two, three] = [timeToDeath(1), timeToDeath(2), timeToDeath(3)];
  assert.ok(alone > two && two > three, `${alone} ${two} ${three}`);
});

test("membership: in a pair the other one is missed for half a minute before it is given up", () => {
  const node = new TestNode(1);
  node.pass(29_000);
  assert.deepEqual(node.events(), ["suspected 1"]);
  node.pass(4_000);
  assert.deepEqual(node.events(), ["dead 1"]);
});

test("membership: a claim about this node is answered with a higher incarnation [SWIM §4.2]", () => {
  for (const status of [SUSPECT, DEAD, LEFT] as const) {
    const node = new TestNode(3);
    const lie = claim(status, { ...SELF, incarnation: 4 }, nodeNumber(1));
    node.hearClaims(nodeNumber(1), lie);
    assert.equal(node.swim.self.incarnation, 5);
    assert.equal(node.statusOf(0), ALIVE);
    assert.equal(node.swim.awarenessScore, 1, "it must have been slow");
    assert.deepEqual(node.events(), ["self refuted"]);
    node.pass(100);
    assert.deepEqual(claimsIn(node.sent()), ["0 of 0 at 5"]);
    node.hearClaims(nodeNumber(1), lie);
    assert.deepEqual(node.events(), [], "refuted already");
  }
});

test("membership: an accuser is answered by stream too, others by gossip alone", () => {
  const node = new TestNode(3);
  node.hearClaims(nodeNumber(2), claim(SUSPECT, SELF, nodeNumber(1)));
  const streams = node.sent().filter(({ channel }) => channel === "stream");
  assert.deepEqual(streams, [
    {
      channel: "stream",
      address: nodeNumber(1).address,
      message: { kind: MessageKind.CLAIM, claim: alive({ ...SELF, incarnation: 1 }) },
    },
  ]);
  node.hearClaims(nodeNumber(2), claim(SUSPECT, { ...SELF, incarnation: 1 }, nodeNumber(77)));
  assert.deepEqual(
    node.sent().filter(({ channel }) => channel === "stream"),
    [],
    "a stranger",
  );
  assert.equal(node.swim.self.incarnation, 2);
});

test("membership: an accuser who missed the refutation is reminded, a mere messenger is not", () => {
  const node = new TestNode(3);
  const accusation = claim(SUSPECT, SELF, nodeNumber(1));
  node.hearClaims(nodeNumber(1), accusation);
  node.pass(3_000);
  node.sent();
  node.hearClaims(nodeNumber(2), accusation);
  assert.deepEqual(node.sent(), []);
  node.hearClaims(nodeNumber(1), accusation);
  const told = { kind: MessageKind.CLAIM, claim: alive({ ...SELF, incarnation: 1 }) };
  assert.deepEqual(node.sent(), [
    { channel: "packet", address: nodeNumber(1).address, message: told },
  ]);
  assert.equal(node.swim.self.incarnation, 1);
});

test("membership: reminded on the channel on which the accuser asked", () => {
  const node = new TestNode(3);
  const accusation = claim(SUSPECT, SELF, nodeNumber(1));
  node.hearClaims(nodeNumber(1), accusation);
  node.sent();
  node.hear(nodeNumber(1), [{ kind: MessageKind.CLAIM, claim: accusation }], "stream");
  assert.deepEqual(
    node.sent().map(({ channel, address }) => [channel, address]),
    [["stream", nodeNumber(1).address]],
  );
});

test("membership: nobody is buried without a last call, which may still be answered", () => {
  for (const isAnswered of [false, true]) {
    const node = new TestNode(20, { probeIntervalMs: 500, probeTimeoutMs: 200 });
    const suspect = nodeNumber(9);
    for (const accuser of [1, 2, 3]) {
      node.hearClaims(nodeNumber(accuser), claim(SUSPECT, suspect, nodeNumber(accuser)));
    }
    const callsOf = (sent: Sent[]) => {
      return sent.filter(({ channel, address, message }) => {
        const isClaim = message.kind === MessageKind.CLAIM && message.claim.status === SUSPECT;
        return channel === "stream" && address === suspect.address && isClaim;
      });
    };
    // The shortest suspicion of 21 members lasts 2,644 ms, the answer to the call has 1,000.
    node.pass(1_640);
    assert.deepEqual(callsOf(node.sent()), []);
    node.pass(10);
    const [call, ...more] = callsOf(node.sent());
    assert.deepEqual(more, []);
    assert.deepEqual(call!.message, {
      kind: MessageKind.CLAIM,
      claim: claim(SUSPECT, suspect, SELF),
    });
    node.pass(980);
    assert.equal(node.statusOf(9), SUSPECT);
    const reply = { kind: MessageKind.CLAIM, claim: alive({ ...suspect, incarnation: 1 }) };
    if (isAnswered) node.hear(suspect, [reply], "stream");
    node.pass(20);
    assert.equal(node.statusOf(9), isAnswered ? ALIVE : DEAD);
  }
});

test("membership: claims about an earlier life of this node are ignored", () => {
  const node = new TestNode(3);
  const earlier = { ...SELF, startEpoch: EPOCH - 1, incarnation: 99 };
  node.hearClaims(nodeNumber(1), claim(DEAD, earlier, nodeNumber(1)), alive(earlier));
  assert.deepEqual(node.events(), []);
  assert.equal(node.swim.self.incarnation, 0);
});

test("membership: a member that left is gone without being missed, and stays gone for a day", () => {
  const node = new TestNode(4);
  const gone = nodeNumber(2);
  node.hearClaims(gone, claim(LEFT, gone, gone));
  assert.deepEqual(node.events(), ["left 2"]);
  assert.equal(node.swim.healingSize, 0);
  node.hearClaims(nodeNumber(1), alive(gone), claim(DEAD, gone, nodeNumber(1)));
  assert.equal(node.statusOf(2), LEFT, "old gossip");
  node.hearClaims(nodeNumber(1), alive({ ...gone, startEpoch: EPOCH + 5 }));
  assert.deepEqual(node.events(), ["joined 2"], "a new life");
});

test("membership: an accusation newer than a tombstone says that its member came back", () => {
  const node = new TestNode(4);
  const gone = nodeNumber(2);
  node.hearClaims(nodeNumber(1), claim(DEAD, gone, nodeNumber(1)));
  assert.equal(node.swim.healingSize, 1);
  node.hearClaims(nodeNumber(1), claim(SUSPECT, { ...gone, incarnation: 1 }, nodeNumber(1)));
  assert.deepEqual(node.events(), ["dead 2", "joined 2", "suspected 2"]);
  assert.equal(node.swim.healingSize, 0);
});

test("membership: a tombstone outlives all gossip, then it is forgotten", () => {
  const node = new TestNode(0, { tombstoneMs: 60_000 });
  const gone = nodeNumber(2);
  node.hearClaims(gone, alive(gone), claim(LEFT, gone, gone));
  node.pass(59_000);
  assert.equal(node.statusOf(2), LEFT);
  node.pass(3_000);
  assert.equal(node.statusOf(2), undefined);
});

test("membership: a new life of a member that nobody missed is a restart", () => {
  const node = new TestNode(3);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(2, { startEpoch: EPOCH + 1 })));
  assert.deepEqual(node.events(), ["restarted 2"]);
});

test("membership: other metadata or another address is an update, a mere incarnation is nothing", () => {
  const node = new TestNode(3);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(2, { incarnation: 1 })));
  assert.deepEqual(node.events(), []);
  const metadata = Uint8Array.of(1);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(2, { incarnation: 2, metadata })));
  assert.deepEqual(node.events(), ["updated 2"]);
  const moved = { incarnation: 3, metadata, address: "10.9.9.9:1" };
  node.hearClaims(nodeNumber(1), alive(nodeNumber(2, moved)));
  assert.deepEqual(node.events(), ["updated 2"]);
  const changed = { ...moved, incarnation: 4, metadata: Uint8Array.of(2) };
  node.hearClaims(nodeNumber(1), alive(nodeNumber(2, changed)));
  assert.deepEqual(node.events(), ["updated 2"]);
});

test("membership: a process on a known address replaces the ghost that had it", () => {
  const node = new TestNode(4);
  const { address } = nodeNumber(2);
  const successor = nodeNumber(9, { address, startEpoch: EPOCH + 1 });
  node.hearClaims(nodeNumber(1), alive(successor));
  assert.deepEqual(node.events(), ["joined 9", "replaced 2"]);
  assert.equal(node.statusOf(2), LEFT);
  assert.equal(node.swim.healingSize, 0, "nobody waits for a ghost");
  node.pass(200);
  assert.deepEqual(claimsIn(node.sent()).sort(), ["0 of 9 at 0", "3 of 2 at 0"]);
});

test("membership: old gossip about a ghost does not replace its successor", () => {
  const node = new TestNode(4);
  const { address } = nodeNumber(2);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(9, { address, startEpoch: EPOCH - 1 })));
  assert.deepEqual(node.events(), []);
  assert.equal(node.statusOf(9), LEFT);
  assert.equal(node.statusOf(2), ALIVE);
});

test("membership: an address configured twice leaves both to the probes", () => {
  const node = new TestNode(4);
  const { address } = nodeNumber(2);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(9, { address, startEpoch: EPOCH + 1 })));
  node.hearClaims(nodeNumber(2), alive(nodeNumber(2, { incarnation: 1 })));
  assert.deepEqual([node.statusOf(2), node.statusOf(9)], [ALIVE, ALIVE]);
  assert.deepEqual(node.events(), ["joined 9", "replaced 2", "joined 2"]);
  // Nobody can replace this node itself but a life of its own.
  node.hearClaims(
    nodeNumber(1),
    alive(
      nodeNumber(8, { ...SELF, ...nodeNumber(8), address: SELF.address, startEpoch: EPOCH + 1 }),
    ),
  );
  assert.equal(node.statusOf(0), ALIVE);
});

test("membership: a newer life of this node's id silences this one", () => {
  const cases = [
    alive(nodeNumber(0, { startEpoch: EPOCH + 1 })),
    claim(SUSPECT, nodeNumber(0, { startEpoch: EPOCH + 1 }), nodeNumber(1)),
    alive(nodeNumber(0, { address: "9.9.9.9:1" })),
  ];
  for (const news of cases) {
    const node = new TestNode(3);
    node.hearClaims(nodeNumber(1), news, news);
    assert.deepEqual(node.events(), ["self displaced"]);
    assert.equal(node.swim.nextDeadlineMs, Number.POSITIVE_INFINITY);
    node.sent();
    node.hear(nodeNumber(1), [{ kind: MessageKind.PING, sequence: 1, target: SELF.nodeId }]);
    assert.deepEqual(node.sent(), []);
  }
});

test("membership: of two processes with one id and epoch, the one with the lower address ends", () => {
  const node = new TestNode(3);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(0, { address: "0.0.0.0:1", incarnation: 3 })));
  assert.deepEqual(node.events(), ["self refuted"]);
  assert.equal(node.swim.self.incarnation, 4);
});

test("membership: this node's own words coming back in a version it never used are topped", () => {
  const node = new TestNode(3);
  node.hearClaims(nodeNumber(1), alive(nodeNumber(0, { incarnation: 2 })));
  assert.equal(node.swim.self.incarnation, 3);
});

test("membership: no more members than there is room for, tombstones giving way first", () => {
  const node = new TestNode(2, { membersMax: 4 });
  const gone = nodeNumber(3);
  node.hearClaims(gone, alive(gone), claim(LEFT, gone, gone));
  node.hearClaims(nodeNumber(1), alive(nodeNumber(4)), alive(nodeNumber(5)));
  assert.equal(node.statusOf(3), undefined);
  assert.equal(node.statusOf(4), ALIVE);
  assert.equal(node.statusOf(5), undefined);
  assert.equal(node.swim.ignoredForRoom, 1);
});

test("membership: new metadata is told under a higher incarnation", () => {
  const node = new TestNode(3);
  node.swim.setMetadata(Uint8Array.of(7), node.nowMs);
  assert.equal(node.swim.self.incarnation, 1);
  node.pass(200);
  assert.deepEqual(claimsIn(node.sent()), ["0 of 0 at 1"]);
});

test("membership: whatever is claimed in whatever order, nodes that heard it all agree", () => {
  const statuses = fc.constantFrom(ALIVE, SUSPECT, DEAD, LEFT);
  const heard = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(3), statuses), {
    minLength: 1,
    maxLength: 10,
  });
  const both = heard.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  );
  fc.assert(
    fc.property(both, (orders) => {
      const views = orders.map((order) => {
        const node = new TestNode(3);
        for (const [number, incarnation, status] of order) {
          const subject = nodeNumber(number, { incarnation });
          const said = status === ALIVE ? alive(subject) : claim(status, subject, nodeNumber(8));
          node.hearClaims(nodeNumber(8), said);
        }
        return [1, 2, 3].map((number) => {
          const { status, incarnation } = node.swim.member(nodeNumber(number).nodeId)!;
          return { status, incarnation };
        });
      });
      assert.deepEqual(views[0], views[1]);
    }),
  );
});
