import assert from "node:assert/strict";
import { test } from "node:test";
import { MemberStatus } from "../../../src/shared/swim/member.ts";
import { MessageKind, type Sync, type SyncRow } from "../../../src/shared/swim/swim-message.ts";
import { claim, EPOCH, nodeNumber, TestNode } from "./test-node.ts";

const { ALIVE, SUSPECT, DEAD, LEFT } = MemberStatus;
const SLOW_PROBES = { probeIntervalMs: 1_000_000, probeTimeoutMs: 200 };

function rowOf(number: number, status: MemberStatus, changes: Partial<SyncRow> = {}): SyncRow {
  const node = changes.node ?? nodeNumber(number);
  const { startEpoch, incarnation } = node;
  return { node, status, startEpoch, incarnation, statusAgeMs: 0, ...changes };
}

function syncOf(rows: SyncRow[], token = 0, isReplyWanted = false): Sync {
  return { kind: MessageKind.SYNC, isReplyWanted, token, rows };
}

test("synchronizer: joining sends the own list to each seed until it answers, less and less often", () => {
  const node = new TestNode(0, SLOW_PROBES);
  node.swim.join(["10.0.0.1:7946", "10.0.0.2:7946", nodeNumber(0).address], node.nowMs);
  node.collect();
  const first = node.sentOf(MessageKind.SYNC);
  assert.deepEqual(
    first.map(({ address }) => address),
    ["10.0.0.1:7946", "10.0.0.2:7946"],
  );
  assert.ok(first.every(({ channel }) => channel === "stream"));
  const { token, isReplyWanted, rows } = first[0]!.message as Sync;
  assert.ok(isReplyWanted);
  assert.deepEqual(rows, [rowOf(0, ALIVE)]);
  node.hear(nodeNumber(1), [syncOf([rowOf(1, ALIVE), rowOf(3, ALIVE)], token)], "stream");
  assert.deepEqual(node.events(), ["joined 1", "joined 3"]);
  assert.equal(node.swim.waitingSeeds, 1);
  const calls: number[] = [];
  const startMs = node.nowMs;
  while (node.nowMs - startMs < 60_000) {
    node.pass(100);
    const again = node
      .sentOf(MessageKind.SYNC)
      .filter(({ message }) => (message as Sync).token !== 0);
    for (const { address } of again) {
      assert.equal(address, "10.0.0.2:7946");
      calls.push(node.nowMs - startMs);
    }
  }
  const pauses = calls.slice(1).map((atMs, index) => atMs - calls[index]!);
  assert.ok(calls[0]! >= 1_000 && calls[0]! <= 1_200);
  assert.ok(pauses.at(-1)! >= 10_000 && pauses.at(-1)! <= 11_100, `${pauses}`);
});

test("synchronizer: a seed that never answers is given up, and may be named again", () => {
  const node = new TestNode(0, { ...SLOW_PROBES, joinGiveUpMs: 20_000 });
  node.swim.join(["nowhere:1"], node.nowMs);
  node.pass(40_000);
  assert.equal(node.swim.waitingSeeds, 0);
  node.sent();
  node.swim.join(["nowhere:1"], node.nowMs);
  node.collect();
  assert.equal(node.sentOf(MessageKind.SYNC).length, 1);
});

test("synchronizer: no more seeds than the limit at one time", () => {
  const node = new TestNode(0, { ...SLOW_PROBES, seedsMax: 2 });
  node.swim.join(["a:1", "b:1", "c:1"], node.nowMs);
  assert.equal(node.swim.waitingSeeds, 2);
});

test("synchronizer: a seed that turns out to be this node itself is done", () => {
  const node = new TestNode(0, SLOW_PROBES);
  node.swim.join(["localhost:7946"], node.nowMs);
  node.collect();
  const { token } = node.sentOf(MessageKind.SYNC)[0]!.message as Sync;
  node.hear(nodeNumber(0), [syncOf([rowOf(0, ALIVE)], token, true)], "stream");
  assert.equal(node.swim.waitingSeeds, 0);
  assert.deepEqual(node.sent(), []);
});

test("synchronizer: a wanted reply carries the whole list and the token; its sender is news", () => {
  const node = new TestNode(2, SLOW_PROBES);
  const gone = nodeNumber(2);
  node.hearClaims(gone, claim(LEFT, gone, gone));
  node.pass(700);
  node.sent();
  node.hear(nodeNumber(5), [syncOf([rowOf(5, ALIVE)], 99, true)], "stream");
  const [reply] = node.sentOf(MessageKind.SYNC);
  const { token, isReplyWanted, rows } = reply!.message as Sync;
  assert.deepEqual([reply!.address, token, isReplyWanted], [nodeNumber(5).address, 99, false]);
  assert.deepEqual(
    rows.map(({ node: { nodeId }, status }) => [nodeId.at(-1), status]),
    [
      ["0", ALIVE],
      ["1", ALIVE],
      ["2", LEFT],
      ["5", ALIVE],
    ],
  );
  assert.equal(rows[2]!.statusAgeMs, 700);
});

test("synchronizer: whom the other holds dead is only suspected here [memberlist mergeState]", () => {
  const node = new TestNode(9, SLOW_PROBES);
  node.hear(nodeNumber(1), [syncOf([rowOf(3, DEAD), rowOf(4, SUSPECT), rowOf(5, LEFT)])], "stream");
  assert.deepEqual(
    [3, 4, 5].map((number) => node.statusOf(number)),
    [SUSPECT, SUSPECT, LEFT],
  );
});

test("synchronizer: unknown suspects are taken in as suspects, unknown dead as tombstones", () => {
  const node = new TestNode(9, SLOW_PROBES);
  const rows = [rowOf(20, SUSPECT), rowOf(21, DEAD), rowOf(22, LEFT, { statusAgeMs: 86_400_000 })];
  node.hear(nodeNumber(1), [syncOf(rows)], "stream");
  assert.deepEqual(
    [20, 21, 22].map((number) => node.statusOf(number)),
    [SUSPECT, DEAD, undefined],
  );
  assert.deepEqual(node.events(), ["joined 20", "suspected 20"]);
  assert.equal(node.swim.healingSize, 0, "never met, never missed");
});

test("synchronizer: a tombstone keeps its age from member to member", () => {
  const node = new TestNode(1, { ...SLOW_PROBES, tombstoneMs: 60_000 });
  node.hear(nodeNumber(1), [syncOf([rowOf(9, LEFT, { statusAgeMs: 50_000 })])], "stream");
  assert.equal(node.statusOf(9), LEFT);
  node.pass(12_000);
  assert.equal(node.statusOf(9), undefined);
});

test("synchronizer: a list that holds this node for gone is refuted", () => {
  for (const status of [SUSPECT, DEAD, LEFT]) {
    const node = new TestNode(3, SLOW_PROBES);
    node.hear(nodeNumber(1), [syncOf([rowOf(0, status)])], "stream");
    assert.deepEqual(node.events(), ["self refuted"]);
    assert.equal(node.swim.self.incarnation, 1);
  }
});

test("synchronizer: equal digests end a comparison, different ones exchange the lists", () => {
  const node = new TestNode(2, SLOW_PROBES);
  const { digest } = node.swim;
  node.hear(nodeNumber(1), [{ kind: MessageKind.DIGEST, ...digest }], "stream");
  assert.deepEqual(node.sent(), []);
  for (const different of [{ liveCount: 9 }, { sumA: 1 }, { sumB: 1 }]) {
    node.hear(nodeNumber(1), [{ kind: MessageKind.DIGEST, ...digest, ...different }], "stream");
    const [reply] = node.sentOf(MessageKind.SYNC);
    assert.ok((reply!.message as Sync).isReplyWanted);
  }
});

test("synchronizer: compares with a random live member, the less often the larger the cluster", () => {
  const comparisons = (others: number) => {
    const node = new TestNode(others, SLOW_PROBES);
    node.pass(120_000);
    const sent = node.sentOf(MessageKind.DIGEST);
    assert.ok(
      sent.every(
        ({ channel, address }) => channel === "stream" && address !== nodeNumber(0).address,
      ),
    );
    return sent.length;
  };
  assert.equal(comparisons(0), 0);
  assert.equal(comparisons(9), 12);
  const large = comparisons(199);
  assert.ok(large >= 4 && large <= 5, `${large} at 200 members: every 30 s`);
});

test("synchronizer: a call of the healing list is refuted and answered with the whole list", () => {
  const node = new TestNode(3, SLOW_PROBES);
  const { nodeId } = nodeNumber(0);
  const heal = { kind: MessageKind.HEAL, expected: nodeId, startEpoch: EPOCH, incarnation: 0 };
  node.hear(nodeNumber(1), [heal]);
  assert.equal(node.swim.self.incarnation, 1);
  const [list] = node.sentOf(MessageKind.SYNC);
  assert.ok((list!.message as Sync).isReplyWanted);
  node.hear(nodeNumber(2), [heal]);
  assert.equal(node.sentOf(MessageKind.SYNC).length, 0, "one list per gossip round");
  node.pass(100);
  node.hear(nodeNumber(2), [heal]);
  assert.equal(node.sentOf(MessageKind.SYNC).length, 1);
});

test("synchronizer: a call for somebody who lived here before is answered by who lives here now", () => {
  const node = new TestNode(3, SLOW_PROBES);
  const expected = nodeNumber(77).nodeId;
  node.hear(nodeNumber(1), [{ kind: MessageKind.HEAL, expected, startEpoch: 1, incarnation: 0 }]);
  const sent = node.sent();
  assert.equal(sent.length, 1);
  const { message } = sent[0]!;
  assert.ok(message.kind === MessageKind.CLAIM && message.claim.status === ALIVE);
  assert.equal(node.swim.self.incarnation, 0);
});

test("synchronizer: who knows nobody and is probed asks the prober for its list", () => {
  const ping = { kind: MessageKind.PING, sequence: 1, target: nodeNumber(0).nodeId } as const;
  const node = new TestNode(0, SLOW_PROBES);
  node.hear(nodeNumber(1), [ping]);
  node.hear(nodeNumber(2), [ping]);
  const [list, ...more] = node.sentOf(MessageKind.SYNC);
  assert.deepEqual(more, [], "one list per gossip round");
  assert.equal(list!.address, nodeNumber(1).address);
  assert.ok(list!.channel === "stream" && (list!.message as Sync).isReplyWanted);
  node.hear(nodeNumber(1), [syncOf([rowOf(1, ALIVE), rowOf(2, ALIVE)])], "stream");
  node.pass(1_000);
  node.hear(nodeNumber(2), [ping]);
  assert.equal(node.sentOf(MessageKind.SYNC).length, 0, "it knows them now");
});

test("synchronizer: who knows nobody and is leaving asks for no list", () => {
  const node = new TestNode(0, SLOW_PROBES);
  node.swim.leave(node.nowMs);
  node.hear(nodeNumber(1), [{ kind: MessageKind.PING, sequence: 1, target: nodeNumber(0).nodeId }]);
  assert.equal(node.sentOf(MessageKind.SYNC).length, 0);
});

test("synchronizer: once members came or went, the lists are compared as soon as the news has settled", () => {
  const comparisonsIn = (node: TestNode, forMs: number) => {
    node.pass(forMs);
    return node.sentOf(MessageKind.DIGEST).length;
  };
  const node = new TestNode(4, { ...SLOW_PROBES, antiEntropyIntervalMs: 1_000_000 });
  comparisonsIn(node, 1_000_000);
  assert.equal(comparisonsIn(node, 5_000), 0, "peace");
  node.hearClaims(nodeNumber(1), { status: ALIVE, node: nodeNumber(7) });
  assert.equal(comparisonsIn(node, 999), 0, "gossip comes first");
  node.hearClaims(nodeNumber(1), claim(LEFT, nodeNumber(2), nodeNumber(2)));
  assert.equal(comparisonsIn(node, 1_001), 1, "more news does not put it off");
  assert.equal(comparisonsIn(node, 10_000), 0);
  node.hearClaims(nodeNumber(1), { status: ALIVE, node: nodeNumber(7, { incarnation: 1 }) });
  assert.equal(comparisonsIn(node, 10_000), 0, "nobody came or went");
});
