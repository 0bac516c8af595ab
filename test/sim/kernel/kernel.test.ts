import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventQueue } from "./event-queue.ts";
import { type DiskOperation, SimDisk } from "./sim-disk.ts";
import { NO_NODE, SimLoop } from "./sim-loop.ts";
import { type NetworkProfile, SimNetwork } from "./sim-network.ts";
import { SimRandom } from "./sim-random.ts";
import { cut, passes, TOPOLOGIES, type Topology } from "./topology.ts";
import { TraceHash } from "./trace-hash.ts";

const EVENT = 1;
const DELIVER = 2;
const FLUSHED = 3;

const PERFECT: NetworkProfile = {
  loss: 0,
  duplication: 0,
  slowShare: 0,
  minimumUs: 10,
  maximumUs: 10,
  slowMaxUs: 10,
  keepsOrder: false,
  congested: -1,
  congestionMaxUs: 0,
};

/** Collects what happens as "time:node:subject". */
function recorder(loop: SimLoop) {
  const seen: string[] = [];
  const world = {
    handleEvent: (_kind: number, node: number, subject: unknown) => {
      seen.push(`${loop.now}:${node}:${subject}`);
    },
  };
  return { seen, run: (untilUs: number) => loop.run(world, untilUs) };
}

test("event queue: leaves by time, equal times by order of pushing [model: stable sort]", () => {
  const queue = new EventQueue();
  const steps = fc.array(fc.option(fc.nat(20)), { maxLength: 3000 });
  fc.assert(
    fc.property(steps, (times) => {
      queue.clear();
      const model: { time: number; order: number }[] = [];
      for (const [order, time] of times.entries()) {
        if (time !== null) {
          queue.push(time, EVENT, 3, 4, order);
          model.push({ time, order });
          continue;
        }
        model.sort((left, right) => left.time - right.time || left.order - right.order);
        assert.equal(queue.nextTime, model[0]?.time ?? Infinity);
        const expected = model.shift();
        assert.equal(queue.pop(), expected !== undefined);
        if (expected === undefined) continue;
        assert.deepEqual([queue.time, queue.subject], [expected.time, expected.order]);
        assert.deepEqual([queue.kind, queue.node, queue.generation], [EVENT, 3, 4]);
      }
      assert.equal(queue.size, model.length);
    }),
    { numRuns: 50, seed: 3 },
  );
});

test("random: concerns of one seed are independent and repeat exactly", () => {
  const draw = (random: SimRandom) => Array.from({ length: 4 }, () => random.u32());
  assert.deepEqual(draw(SimRandom.of(7, "disk")), draw(SimRandom.of(7, "disk")));
  const streams = [SimRandom.of(7, "disk"), SimRandom.of(7, "net"), SimRandom.of(8, "disk")];
  assert.equal(new Set(streams.map((random) => draw(random).join())).size, 3);
  const random = SimRandom.of(1, "range");
  const values = new Set(Array.from({ length: 200 }, () => random.between(3, 5)));
  assert.deepEqual([...values].sort(), [3, 4, 5]);
});

test("trace hash: every number and its place count", () => {
  const hashOf = (...values: number[]) => {
    const trace = new TraceHash();
    for (const value of values) trace.mix(value);
    return trace.toString();
  };
  assert.match(hashOf(1), /^[0-9a-f]{16}$/);
  const different = [hashOf(), hashOf(1), hashOf(2), hashOf(1, 2), hashOf(2, 1), hashOf(2 ** 40)];
  assert.equal(new Set(different).size, different.length);
  assert.equal(hashOf(5, 6), hashOf(5, 6));
});

test("loop: stops at the limit and goes on from there", () => {
  const loop = new SimLoop(1);
  const { seen, run } = recorder(loop);
  loop.start(0);
  loop.after(10, EVENT, 0, "a");
  loop.after(20, EVENT, 0, "b");
  assert.ok(run(15));
  assert.equal(loop.now, 15);
  assert.ok(!run(30), "nothing is left");
  assert.deepEqual(seen, ["10:0:a", "20:0:b"]);
});

test("loop: what a process waited for is lost with it, packets are not", () => {
  const loop = new SimLoop(1);
  const { seen, run } = recorder(loop);
  loop.start(0);
  loop.after(10, EVENT, 0, "timer");
  loop.afterForAny(10, EVENT, 0, "packet");
  loop.afterForAny(1, EVENT, NO_NODE, "world");
  loop.stop(0);
  run(5);
  loop.start(0);
  run(20);
  assert.deepEqual(seen, ["1:-1:world", "10:0:packet"]);
});

test("loop: a node that is down gets nothing", () => {
  const loop = new SimLoop(1);
  const { seen, run } = recorder(loop);
  loop.afterForAny(10, EVENT, 0, "packet");
  run(20);
  assert.deepEqual(seen, []);
});

test("loop: a paused node gets all of it afterwards, in order", () => {
  const loop = new SimLoop(2);
  const { seen, run } = recorder(loop);
  loop.start(0);
  loop.start(1);
  loop.after(10, EVENT, 0, "a");
  loop.after(20, EVENT, 0, "b");
  loop.after(20, EVENT, 1, "other");
  loop.after(60, EVENT, 0, "c");
  loop.pause(0, 50);
  assert.ok(loop.isPaused(0));
  run(100);
  assert.deepEqual(seen, ["20:1:other", "50:0:a", "50:0:b", "60:0:c"]);
});

function networkOf(profile: NetworkProfile, nodeCount = 2) {
  const loop = new SimLoop(nodeCount);
  for (let node = 0; node < nodeCount; node += 1) loop.start(node);
  const random = SimRandom.of(1, "network");
  const network = new SimNetwork(loop, random, { nodeCount, deliverKind: DELIVER, profile });
  return { loop, network, ...recorder(loop) };
}

test("network: a perfect one delivers everything once, after its delay", () => {
  const { network, seen, run } = networkOf(PERFECT);
  network.send(0, 1, "a");
  network.send(1, 0, "b");
  run(100);
  assert.deepEqual(seen, ["10:1:a", "10:0:b"]);
});

test("network: loses and doubles about as often as its profile says", () => {
  const { network, seen, run } = networkOf({ ...PERFECT, loss: 0.25, duplication: 0.5 });
  for (let packet = 0; packet < 1000; packet += 1) network.send(0, 1, packet);
  run(100);
  const distinct = new Set(seen).size;
  assert.ok(Math.abs(distinct - 750) < 50, `${distinct} of 1000 arrived`);
  assert.ok(Math.abs(seen.length - distinct * 1.5) < 60, `${seen.length} arrivals`);
  assert.equal(network.lostCount, 1000 - distinct);
});

test("network: reorders, unless its links keep order", () => {
  const slow = { ...PERFECT, slowShare: 0.5, slowMaxUs: 5000 };
  for (const keepsOrder of [false, true]) {
    const { network, seen, run } = networkOf({ ...slow, keepsOrder });
    for (let packet = 0; packet < 100; packet += 1) network.send(0, 1, packet);
    run(10_000);
    const arrived = seen.map((line) => Number(line.split(":")[2]));
    assert.equal(arrived.length, 100);
    const isOrdered = arrived.every((packet, at) => packet === at);
    assert.equal(isOrdered, keepsOrder);
  }
});

test("network: what is sent to the congested node takes longer, what it sends does not", () => {
  const profile = { ...PERFECT, congested: 1, congestionMaxUs: 100 };
  const { network, seen, run } = networkOf(profile);
  network.send(1, 0, "out");
  for (let packet = 0; packet < 20; packet += 1) network.send(0, 1, packet);
  run(59);
  assert.deepEqual(seen, ["10:0:out"]);
  run(110);
  assert.equal(seen.length, 21);
});

test("network: a block holds in one direction, and only for packets sent during it", () => {
  const { network, seen, run } = networkOf(PERFECT);
  network.send(0, 1, "before");
  network.block(0, 1);
  network.send(0, 1, "during");
  network.send(1, 0, "back");
  network.heal();
  network.send(0, 1, "after");
  run(100);
  assert.deepEqual(seen, ["10:1:before", "10:0:back", "10:1:after"]);
});

/** Row: sender; column: receiver; "x" where packets pass. */
function matrixOf(topology: Topology, count: number): string[] {
  return Array.from({ length: count }, (_row, source) =>
    Array.from({ length: count }, (_column, target) =>
      source !== target && passes(topology, count, source, target) ? "x" : ".",
    ).join(""),
  );
}

test("topologies: each cuts what its name says, in five nodes", () => {
  const expected: Record<Topology, string[]> = {
    split: [".x...", "x....", "...xx", "..x.x", "..xx."],
    isolate: [".....", "..xxx", ".x.xx", ".xx.x", ".xxx."],
    deaf: [".xxxx", "..xxx", ".x.xx", ".xx.x", ".xxx."],
    mute: [".....", "x.xxx", "xx.xx", "xxx.x", "xxxx."],
    "one-way": [".x...", "x....", "xx.xx", "xxx.x", "xxxx."],
    link: ["..xxx", "x.xxx", "xx.xx", "xxx.x", "xxxx."],
    bridge: [".xxxx", "x.x..", "xx...", "x...x", "x..x."],
    "two-leaf": [".xxxx", "x....", "x....", "x....", "x...."],
    ring: [".x..x", "x.x..", ".x.x.", "..x.x", "x..x."],
  };
  for (const topology of TOPOLOGIES) assert.deepEqual(matrixOf(topology, 5), expected[topology]);
});

test("topologies: the named node is cut, whatever its number", () => {
  for (const special of [0, 1, 2]) {
    const { network } = networkOf(PERFECT, 3);
    cut(network, SimRandom.of(5, "cut"), "isolate", { nodes: [0, 1, 2], special });
    for (const [source, target] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const) {
      const touchesSpecial = source === special || target === special;
      assert.equal(network.isBlocked(source, target), touchesSpecial);
    }
  }
});

interface Note extends DiskOperation {
  readonly name: string;
}

function diskOf(tornWrite: number, seed = 1, flushLimit = Number.POSITIVE_INFINITY) {
  const loop = new SimLoop(1);
  loop.start(0);
  const written: string[] = [];
  const image = {
    write: (operation: Note, partCount: number) => {
      written.push(
        partCount < operation.partCount ? `${operation.name}/${partCount}` : operation.name,
      );
    },
  };
  const profile = { minimumUs: 10, maximumUs: 10, flushLimit, tornWrite };
  const options = { image, node: 0, flushedKind: FLUSHED, profile };
  const disk = new SimDisk<Note>(loop, SimRandom.of(seed, "disk"), options);
  return { loop, disk, written };
}

test("disk: what waits is flushed together, what comes meanwhile is flushed next", () => {
  const { loop, disk, written } = diskOf(0);
  const acknowledged: string[] = [];
  const world = {
    handleEvent: () => {
      acknowledged.push(`${loop.now}: ${disk.completeFlush().map(({ name }) => name)}`);
    },
  };
  for (const name of ["a", "b", "c"]) disk.submit({ name, partCount: 1 });
  assert.deepEqual([written, disk.pendingCount], [[], 3]);
  loop.run(world, 100);
  assert.deepEqual(acknowledged, ["10: a", "20: b,c"]);
  assert.deepEqual([written, disk.pendingCount], [["a", "b", "c"], 0]);
});

test("disk: a flush takes no more than its limit", () => {
  const { loop, disk, written } = diskOf(0, 1, 2);
  const flushed: string[] = [];
  const world = {
    handleEvent: () => {
      flushed.push(`${loop.now}: ${disk.completeFlush().map(({ name }) => name)}`);
    },
  };
  for (const name of ["a", "b", "c", "d"]) disk.submit({ name, partCount: 1 });
  loop.run(world, 100);
  assert.deepEqual(flushed, ["10: a", "20: b,c", "30: d"]);
  assert.deepEqual(written, ["a", "b", "c", "d"]);
});

test("disk: a crash keeps a prefix, and behind it at most one torn operation", () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 300; seed += 1) {
    const { disk, written } = diskOf(0.5, seed);
    for (const name of ["a", "b", "c"]) disk.submit({ name, partCount: 3 });
    disk.crash();
    assert.equal(disk.pendingCount, 0);
    outcomes.add(written.join(" "));
  }
  const legal = ["", "a", "a b", "a b c"];
  const torn = ["a", "b", "c"].flatMap((name, at) =>
    [1, 2].map((part) => [...["a", "b"].slice(0, at), `${name}/${part}`].join(" ")),
  );
  assert.deepEqual([...outcomes].sort(), [...legal, ...torn].sort());
});

test("disk: an atomic operation is never torn", () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const { disk, written } = diskOf(1, seed);
    disk.submit({ name: "a", partCount: 1 });
    disk.crash();
    assert.ok(["", "a"].includes(written.join(" ")));
  }
});
