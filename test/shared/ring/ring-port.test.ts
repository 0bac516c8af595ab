/**
 * What callers of a ring port rely on, one promise per test. Two or three ports share this thread.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { RING_FULL } from "../../../src/shared/ring/ring-endpoint.ts";
import {
  createRing,
  FIRST_FLAG,
  LAST_FLAG,
  PART_FLAG,
} from "../../../src/shared/ring/ring-layout.ts";
import { RingPort } from "../../../src/shared/ring/ring-port.ts";
import { SpscProducer } from "../../../src/shared/ring/spsc-producer.ts";

const TYPE = 5;

interface Received {
  readonly source: number;
  readonly text: string;
}

class TestPort {
  readonly port: RingPort;
  readonly received: Received[] = [];
  readonly bells: number[] = [];
  reliefCount = 0;

  constructor(
    threadIndex: number,
    inbound: readonly SharedArrayBuffer[],
    outbound: readonly SharedArrayBuffer[],
    queueLimitBytes = 1_000_000,
  ) {
    const ringBell = (target: number): void => {
      this.bells.push(target);
    };
    this.port = new RingPort({ threadIndex, inbound, outbound, ringBell, queueLimitBytes });
    this.port.onRelief = () => {
      this.reliefCount += 1;
    };
    this.port.setHandler(TYPE, (bytes, offset, length, source) => {
      const text = Buffer.from(bytes.subarray(offset, offset + length)).toString("latin1");
      this.received.push({ source, text });
    });
    this.port.unpark();
  }

  get texts(): string[] {
    return this.received.map(({ text }) => text);
  }

  /** False when the ring was full. */
  claim(target: number, text: string): boolean {
    const offset = this.port.tryClaim(target, TYPE, text.length);
    if (offset === RING_FULL) return false;
    this.port.claimBytes.set(Buffer.from(text), offset);
    this.port.commit();
    return true;
  }

  enqueue(target: number, text: string): void {
    this.port.enqueue(target, TYPE, Buffer.from(text), 0, text.length);
  }
}

interface Rings {
  readonly loopback: SharedArrayBuffer;
  readonly inbound: SharedArrayBuffer;
  readonly outbound: SharedArrayBuffer;
}

/** What a thread has that knows one other. */
function createRings(capacity: number): Rings {
  const ring = (): SharedArrayBuffer => createRing(capacity);
  return { loopback: ring(), inbound: ring(), outbound: ring() };
}

function firstOfPair({ loopback, inbound, outbound }: Rings, queueLimitBytes?: number): TestPort {
  return new TestPort(0, [loopback, inbound], [loopback, outbound], queueLimitBytes);
}

/** The other end of the first's rings. */
function secondOfPair({ inbound, outbound }: Rings): TestPort {
  const loopback = createRing(1024);
  return new TestPort(1, [outbound, loopback], [inbound, loopback]);
}

function pair(capacity = 1024): [TestPort, TestPort] {
  const rings = createRings(capacity);
  return [firstOfPair(rings), secondOfPair(rings)];
}

test("ring port: a record reaches its target and names its source", () => {
  const [one, other] = pair();
  assert.ok(one.claim(1, "hello"));
  assert.equal(other.port.drain(10), 1);
  assert.deepEqual(other.received, [{ source: 0, text: "hello" }]);
});

test("ring port: a record to oneself waits for the next drain", () => {
  const [one] = pair();
  one.claim(0, "self");
  one.enqueue(0, "again");
  assert.deepEqual(one.texts, []);
  one.port.drain(10);
  assert.deepEqual(one.received, [
    { source: 0, text: "self" },
    { source: 0, text: "again" },
  ]);
});

test("ring port: a claim does not overtake what is queued", () => {
  const [one, other] = pair(128);
  let sent = 0;
  while (one.claim(1, String(sent))) sent += 1;
  one.enqueue(1, "queued");
  other.port.drain(2);
  assert.equal(one.claim(1, "late"), false, "there is room, but the queue comes first");
  one.port.flush();
  assert.equal(one.port.queuedBytes(1), 0);
  assert.ok(one.claim(1, "late"));
  other.port.drain(100);
  assert.deepEqual(other.texts.slice(-2), ["queued", "late"]);
});

test("ring port: a message of many rings' size arrives whole, between its neighbours", () => {
  const [one, other] = pair(256);
  const large = Array.from({ length: 10_000 }, (_, index) => String(index % 10)).join("");
  one.enqueue(1, "before");
  one.enqueue(1, large);
  one.enqueue(1, "after");
  for (let cycle = 0; cycle < 200; cycle += 1) {
    one.port.flush();
    other.port.drain(3);
  }
  assert.deepEqual(other.texts, ["before", large, "after"]);
});

test("ring port: queued bytes are the port's own copy", () => {
  const [one, other] = pair(128);
  const bytes = Buffer.from("x".repeat(500));
  one.port.enqueue(1, TYPE, bytes, 0, bytes.length);
  bytes.fill(0);
  for (let cycle = 0; cycle < 20; cycle += 1) {
    other.port.drain(10);
    one.port.flush();
  }
  assert.deepEqual(other.texts, ["x".repeat(500)]);
});

test("ring port: drain takes at most `limit` records from each source", () => {
  const [one, other] = pair();
  for (const text of ["a", "b", "c"]) {
    one.claim(1, text);
    other.claim(1, text.toUpperCase());
  }
  assert.equal(other.port.drain(2), 4);
  assert.deepEqual(other.texts, ["a", "b", "A", "B"]);
});

test("ring port: flush rings a parked target once per batch, an awake one never", () => {
  const [one, other] = pair();
  one.claim(1, "a");
  one.port.flush();
  assert.deepEqual(one.bells, [], "awake");
  other.port.drain(10);
  assert.equal(other.port.tryPark(), true);
  one.claim(1, "b");
  one.claim(1, "c");
  assert.deepEqual(one.bells, [], "not before flush");
  one.port.flush();
  one.claim(1, "d");
  one.port.flush();
  assert.deepEqual(one.bells, [1]);
});

test("ring port: a target that has not run yet is woken by its first record", () => {
  const one = firstOfPair(createRings(256));
  one.claim(1, "early");
  one.port.flush();
  assert.deepEqual(one.bells, [1]);
});

test("ring port: tryPark refuses while a record waits or a bell is owed", () => {
  const [one, other] = pair();
  one.claim(1, "a");
  assert.equal(one.port.tryPark(), false, "committed, and flush not called");
  one.port.flush();
  assert.equal(one.port.tryPark(), true);
  assert.equal(other.port.tryPark(), false, "a record waits");
  other.port.drain(10);
  assert.equal(other.port.tryPark(), true);
});

test("ring port: a sender that sleeps on a full ring is woken by room", () => {
  const [one, other] = pair(128);
  while (one.claim(1, "fill"));
  one.enqueue(1, "queued");
  one.port.flush();
  assert.equal(one.port.tryPark(), true);
  other.port.drain(1);
  assert.deepEqual(other.bells, []);
  other.port.flush();
  assert.deepEqual(other.bells, [0]);
  one.port.unpark();
  one.port.flush();
  assert.equal(one.port.queuedBytes(1), 0);
});

test("ring port: a record to oneself while parked rings one's own bell", () => {
  const [one] = pair();
  one.port.tryPark();
  one.claim(0, "note to self");
  one.port.flush();
  assert.deepEqual(one.bells, [0]);
});

test("ring port: congested above one ring's bytes, relieved at half of them, once", () => {
  const [one, other] = pair(1024);
  const text = "y".repeat(120);
  while (one.port.queuedBytes(1) <= 1024) {
    assert.equal(one.port.isCongested, false);
    one.enqueue(1, text);
  }
  assert.equal(one.port.isCongested, true);
  while (one.reliefCount === 0) {
    assert.ok(one.port.queuedBytes(1) > 512);
    assert.equal(one.port.isCongested, true);
    other.port.drain(1);
    one.port.flush();
  }
  assert.ok(one.port.queuedBytes(1) <= 512);
  assert.equal(one.port.isCongested, false);
  one.port.flush();
  assert.equal(one.reliefCount, 1);
});

test("ring port: empty messages count in the queue too", () => {
  const [one] = pair(128);
  for (let sent = 0; sent < 1000; sent += 1) one.enqueue(1, "");
  assert.ok(one.port.isCongested);
});

test("ring port: a queue beyond its limit is an assertion", () => {
  const one = firstOfPair(createRings(128), 1000);
  assert.throws(() => {
    for (let sent = 0; sent < 100; sent += 1) one.enqueue(1, "0123456789".repeat(3));
  }, /ignores congestion/);
});

test("ring port: for a replaced peer, queue, half a message and congestion are gone", () => {
  const [one, other] = pair(256);
  other.enqueue(0, "z".repeat(2000));
  one.enqueue(1, "z".repeat(2000));
  one.port.drain(1);
  assert.ok(one.port.isCongested);
  const fresh = createRings(256);
  one.port.replacePeer(1, fresh.inbound, fresh.outbound);
  assert.equal(one.port.queuedBytes(1), 0);
  assert.equal(one.port.isCongested, false);
  assert.equal(one.reliefCount, 1);
  const restarted = secondOfPair(fresh);
  restarted.claim(0, "I am back");
  one.claim(1, "welcome");
  one.port.drain(10);
  restarted.port.drain(10);
  assert.deepEqual([one.texts, restarted.texts], [["I am back"], ["welcome"]]);
});

test("ring port: a parked thread is woken by a peer that was replaced meanwhile", () => {
  const [one] = pair(256);
  const fresh = createRings(256);
  assert.equal(one.port.tryPark(), true);
  const restarted = secondOfPair(fresh);
  restarted.claim(0, "before the replacement");
  restarted.port.flush();
  one.port.replacePeer(1, fresh.inbound, fresh.outbound);
  assert.deepEqual(restarted.bells, [0]);
});

test("ring port: an aborted claim sends nothing, and rings no bell", () => {
  const [one, other] = pair();
  other.port.tryPark();
  one.port.tryClaim(1, TYPE, 100);
  one.port.abort();
  one.port.flush();
  assert.deepEqual(one.bells, []);
  assert.equal(other.port.drain(10), 0);
});

test("ring port: misuse is an assertion", () => {
  const [one, other] = pair();
  const { port } = one;
  const bytes = new Uint8Array(4);
  assert.throws(() => port.commit(), /without a claim/);
  assert.throws(() => port.abort(), /without a claim/);
  assert.throws(() => port.tryClaim(2, TYPE, 1), /no such thread/);
  assert.throws(() => port.tryClaim(1, 0, 1), /type out of range/);
  assert.throws(() => port.tryClaim(1, 256, 1), /type out of range/);
  assert.throws(() => port.tryClaim(1, TYPE, port.maxClaimSize + 1), /size out of range/);
  assert.throws(() => port.enqueue(1, TYPE, bytes, 3, 2), /bytes out of range/);
  assert.throws(() => port.enqueue(1, TYPE, bytes, 0, 5), /bytes out of range/);
  assert.throws(() => port.setHandler(0, () => {}), /type out of range/);
  assert.throws(() => port.replacePeer(0, createRing(1024), createRing(1024)), /itself/);
  port.tryClaim(1, TYPE, 1);
  assert.throws(() => port.tryClaim(1, TYPE, 1), /claim is open/);
  assert.throws(() => port.enqueue(1, TYPE, bytes, 0, 1), /claim is open/);
  assert.throws(() => port.drain(1), /claim is open/);
  assert.throws(() => port.tryPark(), /claim is open/);
  port.commit();
  other.port.setHandler(TYPE, () => other.port.drain(1));
  assert.throws(() => other.port.drain(1), /drain inside a handler/);
});

test("ring port: a record of a type nobody handles is an assertion", () => {
  const [one, other] = pair();
  one.port.enqueue(1, TYPE + 1, new Uint8Array(1), 0, 1);
  assert.throws(() => other.port.drain(1), /without a handler/);
});

test("ring port: a handler that leaves a claim open is an assertion", () => {
  const [one, other] = pair();
  other.port.setHandler(TYPE, () => {
    other.port.tryClaim(0, TYPE, 1);
  });
  one.claim(1, "x");
  assert.throws(() => other.port.drain(1), /left its claim open/);
});

/** Parts as no correct sender writes them: flags and the announced size of each record. */
const IMPOSSIBLE: readonly [RegExp, readonly [number, number][]][] = [
  [/part of no message/, [[PART_FLAG, 0]]],
  [/part of no message/, [[PART_FLAG | LAST_FLAG, 0]]],
  [
    /inside another message/,
    [
      [PART_FLAG | FIRST_FLAG, 100],
      [PART_FLAG | FIRST_FLAG, 100],
    ],
  ],
  [
    /between the parts/,
    [
      [PART_FLAG | FIRST_FLAG, 100],
      [0, 0],
    ],
  ],
  [/size impossible/, [[PART_FLAG | FIRST_FLAG, -1]]],
  [/size impossible/, [[PART_FLAG | FIRST_FLAG, 0x7fff_ffff]]],
  [/longer than announced/, [[PART_FLAG | FIRST_FLAG, 3]]],
  [/shorter than announced/, [[PART_FLAG | FIRST_FLAG | LAST_FLAG, 5]]],
];

test("ring port: parts in an impossible order or size are assertions", () => {
  for (const [expected, parts] of IMPOSSIBLE) {
    const rings = createRings(1024);
    const { port } = firstOfPair(rings);
    const producer = new SpscProducer(rings.inbound);
    for (const [flags, size] of parts) {
      const offset = producer.tryClaim(TYPE | flags, 8);
      producer.writeWord(offset, size);
      producer.commit();
    }
    assert.throws(() => port.drain(10), expected);
  }
});
