/**
 * The choice of one member per message: fair, by load, online before offline, sticky when ordered.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ShareGroup,
  type ShareMember,
  type ShareStrategy,
} from "../../../src/workers/dist/share-group.ts";
import { QOS_0 } from "./dist-workers.ts";

const STRATEGIES: readonly ShareStrategy[] = ["least_inflight", "round_robin", "random"];

interface Member extends ShareMember {
  readonly isOnline: boolean;
}

function member(index: number, fields: Partial<Member> = {}): Member {
  return {
    clientId: `member-${index}`,
    thread: 1,
    isInbox: false,
    incarnation: 0,
    isStale: false,
    isOnline: true,
    options: QOS_0,
    loadWord: index,
    slot: index,
    generation: 1,
    subscription: null,
    ...fields,
  };
}

function groupOf(members: readonly Member[], isOrdered = false): ShareGroup {
  const group = new ShareGroup("g", isOrdered, "a/b");
  for (const one of members) group.add(one, one.isOnline);
  return group;
}

function sequence(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function loadsFor(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * 4));
}

/** Random numbers that are the same on every run. */
function randomSource(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function assertFair(counts: readonly number[], picks: number): void {
  const fair = picks / counts.length;
  for (const count of counts) {
    assert.ok(Math.abs(count - fair) <= fair / 10, `${count} picks where ${fair} are fair`);
  }
}

for (const strategy of STRATEGIES) {
  test(`share group: ${strategy} is fair to 20 idle members within 10 %`, () => {
    const group = groupOf(sequence(20).map((index) => member(index)));
    const loads = loadsFor(20);
    const random = randomSource();
    const counts = new Array<number>(20).fill(0);
    const picks = 40_000;
    for (let round = 0; round < picks; round += 1) {
      counts[group.pick(strategy, loads, "publisher", 0, random())!.loadWord]! += 1;
    }
    assertFair(counts, picks);
  });
}

test("share group: least in flight is fair to 20 members that work at one pace", () => {
  const group = groupOf(sequence(20).map((index) => member(index)));
  const loads = loadsFor(20);
  const random = randomSource();
  const counts = new Array<number>(20).fill(0);
  const underWay: number[] = [];
  const picks = 40_000;
  for (let round = 0; round < picks; round += 1) {
    const { loadWord } = group.pick("least_inflight", loads, "publisher", 0, 0)!;
    counts[loadWord]! += 1;
    Atomics.add(loads, loadWord, 1);
    underWay.push(loadWord);
    // About a hundred are under way; which of them ends next is chance.
    if (underWay.length > 100) {
      const [done] = underWay.splice(Math.floor(random() * underWay.length), 1);
      Atomics.sub(loads, done!, 1);
    }
  }
  assertFair(counts, picks);
});

/** Members 0..4 finish nothing in one of four stretches of 100 picks, all others at once. */
function pickWithPauses(group: ShareGroup, loads: Int32Array, picks: number): number[] {
  const counts = new Array<number>(20).fill(0);
  const held: number[] = [];
  for (let round = 0; round < picks; round += 1) {
    const isPause = Math.floor(round / 100) % 4 === 0;
    if (!isPause) for (const word of held.splice(0)) Atomics.sub(loads, word, 1);
    const { loadWord } = group.pick("least_inflight", loads, "publisher", 0, 0)!;
    counts[loadWord]! += 1;
    if (!isPause || loadWord >= 5) continue;
    Atomics.add(loads, loadWord, 1);
    held.push(loadWord);
  }
  return counts;
}

test("share group: least in flight evens out what members missed while their worker paused", () => {
  const group = groupOf(sequence(20).map((index) => member(index)));
  const picks = 10_000;
  assertFair(pickWithPauses(group, loadsFor(20), picks), picks);
});

test("share group: a newcomer and one that was slow for long get little more than their share", () => {
  const group = groupOf(sequence(10).map((index) => member(index)));
  const loads = loadsFor(11);
  Atomics.store(loads, 3, 1);
  const counts = new Array<number>(11).fill(0);
  const pick = (): void => {
    counts[group.pick("least_inflight", loads, "publisher", 0, 0)!.loadWord]! += 1;
  };
  for (let round = 0; round < 10_000; round += 1) pick();
  assert.equal(counts[3], 0);
  Atomics.store(loads, 3, 0);
  group.add(member(10), true);
  counts.fill(0);
  for (let round = 0; round < 1100; round += 1) pick();
  assert.ok(counts[3]! <= 100 + 40, `${counts[3]} to the one that was slow`);
  assert.ok(counts[10]! <= 110, `${counts[10]} to the newcomer`);
});

test("share group: QoS 0 messages that a publisher sends at once go on in runs of 16", () => {
  const group = groupOf(sequence(4).map((index) => member(index)));
  const loads = loadsFor(4);
  const pick = (publisher: string, nowMs: number) =>
    group.pick("least_inflight", loads, publisher, nowMs, 0)!.loadWord;
  const picked = sequence(64).map(() => pick("one", 5));
  for (let run = 0; run < 4; run += 1) {
    assert.equal(new Set(picked.slice(run * 16, run * 16 + 16)).size, 1);
  }
  assert.equal(new Set(picked).size, 4);
  // Another publisher, and another moment: each begins with another member.
  const others = [pick("one", 5), pick("two", 5), pick("one", 5), pick("one", 6)];
  assert.equal(new Set(others).size, 4);
});

test("share group: a run taken in pieces goes where single picks would have gone", () => {
  const members = sequence(5).map((index) => member(index));
  const [single, pieces] = [groupOf(members), groupOf(members)];
  const loads = loadsFor(5);
  const picked = sequence(96).map(
    () => single.pick("least_inflight", loads, "one", 5, 0)!.loadWord,
  );
  const taken: number[] = [];
  for (let size = 1; taken.length < picked.length; size += 1) {
    const { loadWord } = pieces.runMember("least_inflight", loads, "one", 5)!;
    const count = Math.min(size, pieces.runLeft, picked.length - taken.length);
    pieces.takeRun(count);
    for (let index = 0; index < count; index += 1) taken.push(loadWord);
  }
  assert.deepEqual(taken, picked);
  const next = single.pick("least_inflight", loads, "two", 6, 0)!.loadWord;
  assert.equal(pieces.pick("least_inflight", loads, "two", 6, 0)!.loadWord, next);
});

test("share group: runs are for least in flight, unordered, with somebody online", () => {
  const loads = loadsFor(2);
  const group = groupOf([member(0), member(1)]);
  assert.equal(group.runMember("round_robin", loads, "publisher", 5), null);
  assert.equal(group.runMember("random", loads, "publisher", 5), null);
  assert.notEqual(group.runMember("least_inflight", loads, "publisher", 5), null);
  const ordered = groupOf([member(0), member(1)], true);
  assert.equal(ordered.runMember("least_inflight", loads, "publisher", 5), null);
  const away = groupOf([member(0, { isOnline: false, isInbox: true })]);
  assert.equal(away.runMember("least_inflight", loads, "publisher", 5), null);
});

test("share group: a run ends as soon as its member has something in flight", () => {
  const group = groupOf(sequence(4).map((index) => member(index)));
  const loads = loadsFor(4);
  const picked = sequence(4).map(() => {
    const { loadWord } = group.pick("least_inflight", loads, "publisher", 5, 0)!;
    Atomics.add(loads, loadWord, 1);
    return loadWord;
  });
  assert.equal(new Set(picked).size, 4);
});

test("share group: a run ends with the membership of its member", () => {
  const group = groupOf([member(0), member(1)]);
  const pick = () => group.pick("least_inflight", loadsFor(2), "publisher", 5, 0)!;
  const first = pick().clientId;
  group.remove(first, 1, false);
  assert.notEqual(pick().clientId, first);
});

test("share group: least in flight passes by a member that does not finish", () => {
  const group = groupOf(sequence(20).map((index) => member(index)));
  const loads = loadsFor(20);
  Atomics.store(loads, 7, 50);
  for (let round = 0; round < 1000; round += 1) {
    assert.notEqual(group.pick("least_inflight", loads, "publisher", 0, 0)?.loadWord, 7);
  }
});

test("share group: least in flight finds the idle member of a small group", () => {
  const group = groupOf(sequence(8).map((index) => member(index)));
  const loads = loadsFor(8).fill(3);
  for (const idle of [0, 3, 7, 5]) {
    Atomics.store(loads, idle, 0);
    for (let round = 0; round < 20; round += 1) {
      assert.equal(group.pick("least_inflight", loads, "publisher", 0, 0)?.loadWord, idle);
    }
    Atomics.store(loads, idle, 3);
  }
});

for (const strategy of STRATEGIES) {
  test(`share group: ${strategy} passes by stored sessions while anybody is online`, () => {
    const offline = { isOnline: false, isInbox: true };
    const members = sequence(10).map((index) => member(index, index % 5 === 0 ? {} : offline));
    const group = groupOf(members);
    const random = randomSource();
    const picked = new Set<number>();
    for (let round = 0; round < 100; round += 1) {
      picked.add(group.pick(strategy, loadsFor(10), "publisher", 0, random())!.loadWord);
    }
    assert.deepEqual([...picked].sort(), [0, 5]);
  });

  test(`share group: ${strategy} spreads over stored sessions when nobody is online`, () => {
    const members = sequence(10).map((index) => member(index, { isOnline: false, isInbox: true }));
    const group = groupOf(members);
    const random = randomSource();
    const picked = new Set<number>();
    for (let round = 0; round < 200; round += 1) {
      picked.add(group.pick(strategy, loadsFor(10), "publisher", 0, random())!.loadWord);
    }
    assert.equal(picked.size, 10);
  });
}

test("share group: a member that comes online is preferred at once, and counted once", () => {
  const group = groupOf([0, 1].map((index) => member(index, { isOnline: false, isInbox: true })));
  group.setOnline("member-1", true);
  assert.equal(group.size, 2);
  assert.equal(group.pick("round_robin", loadsFor(2), "p", 0, 0)?.loadWord, 1);
  assert.equal(group.pick("round_robin", loadsFor(2), "p", 0, 0)?.loadWord, 1);
  group.setOnline("member-1", false);
  const both = [0, 1].map(() => group.pick("round_robin", loadsFor(2), "p", 0, 0)?.loadWord);
  assert.deepEqual(both.sort(), [0, 1]);
});

/** Counts the loads that a pick reads. */
function loadsRead(group: ShareGroup, strategy: ShareStrategy, loads: Int32Array): number {
  const original = Atomics.load;
  let reads = 0;
  Atomics.load = ((array: Int32Array, index: number) => {
    reads += 1;
    return original(array, index);
  }) as typeof Atomics.load;
  try {
    group.pick(strategy, loads, "publisher", 0, 0.5);
  } finally {
    Atomics.load = original;
  }
  return reads;
}

test("share group: the cost of a pick does not grow with the group, nor with who is offline", () => {
  const loads = loadsFor(10_001).fill(1);
  const offline = sequence(10_000).map((index) =>
    member(index, { isOnline: false, isInbox: true }),
  );
  const online = sequence(10_000).map((index) => member(index));
  for (const members of [offline, online, [...offline, member(10_000)]]) {
    const group = groupOf(members);
    for (const strategy of STRATEGIES) {
      for (let round = 0; round < 20; round += 1) {
        assert.ok(loadsRead(group, strategy, loads) <= 8);
      }
    }
  }
});

test("share group: an ordered group keeps each publisher with one member, on every worker alike", () => {
  const members = sequence(20).map((index) => member(index));
  const here = groupOf(members, true);
  const there = groupOf(members.toReversed(), true);
  const loads = loadsFor(20);
  for (let publisher = 0; publisher < 200; publisher += 1) {
    const name = `publisher ${publisher}`;
    const chosen = here.pick("round_robin", loads, name, 0, 0)?.clientId;
    Atomics.add(loads, publisher % 20, 1);
    assert.equal(here.pick("round_robin", loads, name, 0, 0.9)?.clientId, chosen);
    assert.equal(there.pick("random", loads, name, 0, 0.3)?.clientId, chosen);
  }
});

test("share group: an ordered group spreads publishers over its members", () => {
  const group = groupOf(
    sequence(20).map((index) => member(index)),
    true,
  );
  const counts = new Array<number>(20).fill(0);
  for (let publisher = 0; publisher < 20_000; publisher += 1) {
    counts[group.pick("random", loadsFor(20), `publisher-${publisher}`, 0, 0)!.loadWord]! += 1;
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, `${count} of 1000`);
});

test("share group: when a member leaves an ordered group only its publishers move", () => {
  const group = groupOf(
    sequence(20).map((index) => member(index)),
    true,
  );
  const loads = loadsFor(21);
  const chosen = (): (string | undefined)[] =>
    sequence(2000).map((index) => group.pick("random", loads, `p${index}`, 0, 0)?.clientId);
  const before = chosen();
  group.remove("member-4", 1, false);
  const without = chosen();
  before.forEach((clientId, index) => {
    if (clientId === "member-4") assert.notEqual(without[index], "member-4");
    else assert.equal(without[index], clientId);
  });
  group.add(member(20), true);
  const moved = chosen().filter((clientId, index) => clientId !== without[index]);
  assert.ok(moved.every((clientId) => clientId === "member-20"));
  assert.ok(moved.length > 50 && moved.length < 150, `${moved.length} of 2000 moved to one of 20`);
});

test("share group: an ordered group leaves stored sessions alone while anybody is online", () => {
  const group = groupOf([member(0, { isOnline: false, isInbox: true }), member(1)], true);
  for (let publisher = 0; publisher < 50; publisher += 1) {
    assert.equal(group.pick("random", loadsFor(2), `p${publisher}`, 0, 0)?.loadWord, 1);
  }
  group.remove("member-1", 1, false);
  assert.equal(group.pick("random", loadsFor(2), "p1", 0, 0)?.loadWord, 0);
});

test("share group: one client may be a member on two workers, transient and stored", () => {
  const group = groupOf([]);
  const same = { clientId: "c" };
  group.add(member(0, same), true);
  group.add(member(1, { ...same, thread: 2 }), true);
  group.add(member(2, { ...same, isInbox: true }), true);
  assert.equal(group.size, 3);
  assert.ok(group.remove("c", 1, false));
  assert.ok(!group.remove("c", 1, false));
  assert.deepEqual(
    [...group.members()].map(({ loadWord }) => loadWord),
    [1, 2],
  );
});

test("share group: nobody is chosen from a group without members", () => {
  const group = groupOf([member(0)]);
  group.remove("member-0", 1, false);
  for (const strategy of STRATEGIES) {
    assert.equal(group.pick(strategy, loadsFor(1), "p", 0, 0.99), null);
  }
});

test("share group: shows the filter as subscribed", () => {
  assert.equal(new ShareGroup("g", false, "a/#").shareFilter, "$share/g/a/#");
  assert.equal(new ShareGroup("g", true, "a/#").shareFilter, "$oshare/g/a/#");
});

test("share group: any history of members leaves exactly those that a map of them has", () => {
  const change = fc.record({
    index: fc.nat(6),
    thread: fc.integer({ min: 1, max: 3 }),
    isInbox: fc.boolean(),
    isOnline: fc.boolean(),
    isAdded: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), fc.boolean(), (changes, isOrdered) => {
      const group = groupOf([], isOrdered);
      const model = new Map<string, Member>();
      for (const { index, thread, isInbox, isOnline, isAdded } of changes) {
        const one = member(index, { thread, isInbox, isOnline });
        // A stored session is one, whoever has its route.
        const key = `${index} ${isInbox ? "" : thread}`;
        if (isAdded) group.add(one, isOnline);
        else assert.equal(group.remove(one.clientId, thread, isInbox), model.has(key));
        if (isAdded) model.set(key, one);
        else model.delete(key);
        assert.equal(group.size, model.size);
        const anyOnline = [...model.values()].some((known) => known.isOnline);
        const picked = group.pick("round_robin", loadsFor(8), "p", 0, 0);
        if (model.size === 0) assert.equal(picked, null);
        else assert.equal([...model.values()].find((one) => one === picked)?.isOnline, anyOnline);
      }
      assert.deepEqual(new Set(group.members()), new Set(model.values()));
    }),
  );
});
