import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AssertionError } from "../../../src/shared/base/assert.ts";
import { CausalContext } from "../../../src/shared/crdt/causal-context.ts";
import type { Delta } from "../../../src/shared/crdt/delta.ts";
import { OrMap } from "../../../src/shared/crdt/or-map.ts";
import { dotsOf } from "./crdt-arbitraries.ts";

const ALL = 1_000_000;
const nobody = () => false;

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textsOf(map: OrMap, key: string): string[] {
  return map.entries(key).map(({ value }) => new TextDecoder().decode(value));
}

let counter = 0;

/** Writes `text` a millisecond later than anything before; returns the delta. */
function put(map: OrMap, key: string, text: string, physicalMs = ++counter): Delta {
  const touched = map.put(key, bytesOf(text), { physicalMs, counter: 0 });
  return map.deltaOf(touched, ALL).delta;
}

function remove(map: OrMap, key: string): Delta {
  return map.deltaOf(map.remove(key), ALL).delta;
}

/** Everything a replica says: its state as one delta. */
function stateOf(map: OrMap): Delta {
  return map.deltaOf(map.summary().seen, ALL).delta;
}

/** Equal for equal states, to the last dot. */
function contentOf(map: OrMap): unknown {
  const entries = [...map.keys()].sort().map((key) => [key, map.entries(key)]);
  return { entries, seen: dotsOf(map.summary().seen), digest: map.digest };
}

function mergedFrom(deltas: readonly Delta[], replica = "observer"): OrMap {
  const map = new OrMap(replica);
  for (const delta of deltas) map.merge(delta);
  return map;
}

/** [replica, key, write | remove | hear from another] */
const histories = fc.array(
  fc.tuple(fc.nat(2), fc.nat(2), fc.constantFrom("put", "put", "remove", "hear"), fc.nat(2)),
  { maxLength: 25 },
);

type History = readonly (readonly [number, number, string, number])[];

/** Plays a history on three replicas; returns them and every delta that was made. */
function play(history: History): { maps: OrMap[]; deltas: Delta[] } {
  const maps = ["a", "b", "c"].map((replica) => new OrMap(replica));
  const deltas: Delta[] = [];
  history.forEach(([index, keyNumber, action, otherIndex], at) => {
    const map = maps[index]!;
    const key = `k${keyNumber}`;
    if (action === "put") deltas.push(put(map, key, `v${at}`, at));
    else if (action === "remove") deltas.push(remove(map, key));
    else map.merge(stateOf(maps[otherIndex]!));
  });
  return { maps, deltas };
}

test("or-map: merging is idempotent", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { maps, deltas } = play(history);
      for (const map of maps) {
        const before = contentOf(map);
        const { keys, touched } = map.merge(stateOf(map));
        assert.equal(keys.size, 0);
        assert.ok(touched.isEmpty);
        assert.deepEqual(contentOf(map), before);
      }
      const once = mergedFrom(deltas);
      assert.deepEqual(contentOf(mergedFrom([...deltas, ...deltas])), contentOf(once));
    }),
  );
});

test("or-map: merging is commutative: deltas in any order give one state", () => {
  fc.assert(
    fc.property(
      histories.chain((history) => {
        const { deltas } = play(history);
        return fc.tuple(
          fc.constant(deltas),
          fc.shuffledSubarray(deltas, { minLength: deltas.length }),
        );
      }),
      ([deltas, shuffled]) => {
        assert.deepEqual(contentOf(mergedFrom(deltas)), contentOf(mergedFrom(shuffled)));
      },
    ),
  );
});

test("or-map: merging is associative: joined first or merged one by one", () => {
  fc.assert(
    fc.property(histories, fc.nat(25), (history, cut) => {
      const { deltas } = play(history);
      const left = stateOf(mergedFrom(deltas.slice(0, cut)));
      const right = stateOf(mergedFrom(deltas.slice(cut)));
      assert.deepEqual(contentOf(mergedFrom([left, right])), contentOf(mergedFrom(deltas)));
    }),
  );
});

test("or-map: replicas that exchange what the other does not know are equal", () => {
  fc.assert(
    fc.property(histories, fc.integer({ min: 1, max: 4 }), (history, entriesMax) => {
      const { maps } = play(history);
      // Two rounds of everybody with everybody, in parts.
      for (const source of [...maps, ...maps]) {
        for (const target of maps) {
          let dots: CausalContext | null = source.unknownTo(target.summary(), nobody);
          while (dots !== null) {
            const { delta, rest }: { delta: Delta; rest: CausalContext | null } = source.deltaOf(
              dots,
              entriesMax,
            );
            assert.ok(delta.entries.length <= entriesMax);
            target.merge(delta);
            dots = rest;
          }
          assert.equal(target.lacks(source.summary()), false);
          assert.ok(source.unknownTo(target.summary(), nobody).isEmpty);
        }
      }
      const [first, ...others] = maps.map(contentOf);
      for (const other of others) assert.deepEqual(other, first);
    }),
  );
});

test("or-map: lacks is true exactly when merging the other's state changes a value", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { maps } = play(history);
      for (const source of maps) {
        for (const target of maps) {
          const lacks = target.lacks(source.summary());
          const { digest } = target;
          const copy = mergedFrom([stateOf(target)], "copy");
          copy.merge(stateOf(source));
          assert.equal(JSON.stringify(copy.digest) !== JSON.stringify(digest), lacks);
        }
      }
    }),
  );
});

test("or-map: touched dots are all that a follower needs to stay equal", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { deltas } = play(history);
      const middle = new OrMap("middle");
      const follower = new OrMap("follower");
      for (const delta of deltas) {
        const { touched } = middle.merge(delta);
        follower.merge(middle.deltaOf(touched, ALL).delta);
      }
      assert.deepEqual(contentOf(follower), contentOf(middle));
    }),
  );
});

test("or-map: concurrent writes stand side by side until the next write", () => {
  const [a, b] = [new OrMap("a"), new OrMap("b")];
  const fromA = put(a, "k", "one", 10);
  const fromB = put(b, "k", "two", 20);
  a.merge(fromB);
  b.merge(fromA);
  assert.deepEqual(textsOf(a, "k"), ["two", "one"], "the latest first");
  assert.deepEqual(textsOf(b, "k"), ["two", "one"]);
  assert.equal(new TextDecoder().decode(a.get("k")!), "two");
  b.merge(put(a, "k", "three", 30));
  assert.deepEqual(textsOf(b, "k"), ["three"]);
});

test("or-map: equal stamps are ordered the same everywhere", () => {
  const [a, b] = [new OrMap("a"), new OrMap("b")];
  const fromA = put(a, "k", "from a", 10);
  const fromB = put(b, "k", "from b", 10);
  a.merge(fromB);
  b.merge(fromA);
  assert.deepEqual(textsOf(a, "k"), textsOf(b, "k"));
});

test("or-map: a write wins over a concurrent removal, a seen write does not", () => {
  const [a, b] = [new OrMap("a"), new OrMap("b")];
  b.merge(put(a, "k", "old"));
  const removal = remove(b, "k");
  const write = put(a, "k", "new");
  b.merge(write);
  a.merge(removal);
  assert.deepEqual([textsOf(a, "k"), textsOf(b, "k")], [["new"], ["new"]]);
  a.merge(remove(b, "k"));
  assert.equal(a.get("k"), null);
  assert.equal(a.size, 0);
});

test("or-map: a removal that overtakes its write is not undone by it", () => {
  const [a, b, c] = [new OrMap("a"), new OrMap("b"), new OrMap("c")];
  const write = put(a, "k", "v");
  b.merge(write);
  c.merge(remove(b, "k"));
  const { keys } = c.merge(write);
  assert.equal(keys.size, 0);
  assert.equal(c.get("k"), null);
});

test("or-map: a delta that waited names overwritten values as dead, without carrying them", () => {
  const a = new OrMap("a");
  const waiting = new CausalContext();
  for (let i = 0; i < 100; i++) {
    waiting.addAll(a.put("k", bytesOf(`v${i}`), { physicalMs: i, counter: 0 }));
  }
  const { delta } = a.deltaOf(waiting, ALL);
  assert.equal(delta.entries.length, 1);
  assert.equal(delta.context.runCount, 1);
});

test("or-map: adopting moves the values of an ended life, and lets it be forgotten", () => {
  const [a, b, c] = [new OrMap("a"), new OrMap("b"), new OrMap("c")];
  b.merge(put(a, "k1", "x", 7));
  b.merge(put(a, "k2", "y", 8));
  c.merge(stateOf(b));
  assert.equal(b.forget("a"), false, "it has values");
  const delta = b.deltaOf(b.adopt("a"), ALL).delta;
  c.merge(delta);
  for (const map of [b, c]) {
    assert.deepEqual([textsOf(map, "k1"), textsOf(map, "k2")], [["x"], ["y"]]);
    assert.deepEqual(map.entriesBy("a"), []);
    assert.equal(map.entries("k1")[0]?.stamp.physicalMs, 7);
    assert.ok(map.forget("a"));
    assert.deepEqual([...map.replicas()], ["b"]);
  }
  assert.ok(b.adopt("b").isEmpty && b.adopt("nobody").isEmpty);
  assert.equal(b.forget("b"), false, "its own life goes on");
});

test("or-map: adopting leaves the values of others that stand beside, and their stamps", () => {
  const [a, b, c] = [new OrMap("a"), new OrMap("b"), new OrMap("c")];
  const fromA = put(a, "k", "of the ended life", 30);
  const fromC = put(c, "k", "concurrent", 40);
  const fromB = put(b, "k", "the cleaner's own", 20);
  for (const delta of [fromA, fromC]) b.merge(delta);
  c.merge(fromA);
  c.merge(fromB);
  c.merge(b.deltaOf(b.adopt("a"), ALL).delta);
  const texts = ["concurrent", "of the ended life", "the cleaner's own"];
  assert.deepEqual([textsOf(b, "k"), textsOf(c, "k")], [texts, texts]);
  assert.deepEqual(b.entriesBy("a"), []);
});

test("or-map: what one part of a delta has no room for stands in the next ones, and all in all", () => {
  const limits = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 400 }));
  fc.assert(
    fc.property(histories, limits, (history, [entriesMax, bytesMax]) => {
      for (const map of play(history).maps) {
        const copy = new OrMap("copy");
        let left: CausalContext | null = map.summary().seen;
        while (left !== null) {
          const { delta, rest } = map.deltaOf(left, entriesMax, bytesMax);
          const sizes = delta.entries.map(({ key, value }) => key.length + value.length + 32);
          const bytes = sizes.reduce((sum, size) => sum + size, 0);
          assert.ok(sizes.length <= entriesMax && (bytes <= bytesMax || sizes.length === 1));
          assert.ok(delta.entries.length > 0 || rest === null, "each part gets somewhere");
          copy.merge(delta);
          left = rest;
        }
        assert.deepEqual(contentOf(copy), contentOf(map));
      }
    }),
  );
});

test("or-map: of retired replicas without values nothing is told any more", () => {
  const [a, b] = [new OrMap("a"), new OrMap("b")];
  b.merge(put(a, "k", "v"));
  b.merge(remove(a, "k"));
  put(b, "other", "v");
  const newcomer = new OrMap("n").summary();
  assert.deepEqual([...b.unknownTo(newcomer, nobody).replicas()].sort(), ["a", "b"]);
  assert.deepEqual([...b.unknownTo(newcomer, (replica) => replica === "a").replicas()], ["b"]);
});

test("or-map: sequence numbers go on above what others have seen of this life", () => {
  const a = new OrMap("a");
  const context = new CausalContext();
  context.addRun("a", 1, 41);
  a.merge({ entries: [], context });
  assert.deepEqual(dotsOf(put(a, "k", "v").context), new Set(["a:42"]));
});

test("or-map: keys that would arrive changed or not at all, and values too large, are refused", () => {
  const stamp = { physicalMs: 1, counter: 0 };
  const map = new OrMap("a");
  assert.throws(() => map.put("k", new Uint8Array(65_537), stamp), AssertionError);
  for (const key of ["half \ud83d", "nul \u0000", "k".repeat(1_025), "é".repeat(513)]) {
    assert.throws(() => map.put(key, bytesOf("v"), stamp), AssertionError);
  }
  map.put("é".repeat(512), bytesOf("v"), stamp);
  map.put("whole \u{1f600}", bytesOf("v"), stamp);
  assert.equal(map.size, 2);
});
