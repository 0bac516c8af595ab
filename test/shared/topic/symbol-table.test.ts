/** Symbols: one per distinct level, counted, with texts of every length. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FIXED_HASH_KEY, hashLevel } from "../../../src/shared/topic/level-hash.ts";
import { NO_SYMBOL, SymbolTable } from "../../../src/shared/topic/symbol-table.ts";
import { utf8 } from "./topics.ts";

function textOf(symbols: SymbolTable, symbol: number): Uint8Array {
  const length = symbols.lengthOf(symbol);
  // A frame of 0xaa around the text shows a byte written too far.
  const target = new Uint8Array(length + 2).fill(0xaa);
  symbols.copyTo(symbol, target, 1);
  assert.equal(target[0], 0xaa);
  assert.equal(target[length + 1], 0xaa);
  return target.slice(1, length + 1);
}

function acquire(symbols: SymbolTable, text: string): number {
  const bytes = utf8(`<${text}>`);
  return symbols.acquire(bytes, 1, bytes.length - 2);
}

function find(symbols: SymbolTable, text: string): number {
  const bytes = utf8(`<${text}>`);
  return symbols.find(bytes, 1, bytes.length - 2);
}

test("symbol table: equal bytes, equal symbol; the empty level has one too", () => {
  const symbols = new SymbolTable(FIXED_HASH_KEY);
  const site = acquire(symbols, "site");
  const empty = acquire(symbols, "");
  assert.notEqual(site, empty);
  assert.equal(acquire(symbols, "site"), site);
  assert.equal(find(symbols, ""), empty);
  assert.equal(find(symbols, "sites"), NO_SYMBOL);
  assert.equal(symbols.count, 2);
});

test("symbol table: levels that differ in zero bytes at the end are different", () => {
  const symbols = new SymbolTable(FIXED_HASH_KEY);
  const ids = ["", "\0", "\0\0", "\0\0\0\0", "a", "a\0"].map((text) => acquire(symbols, text));
  assert.equal(new Set(ids).size, ids.length);
});

test("symbol table: text of any length comes back, across the pieces it is stored in", () => {
  const symbols = new SymbolTable(FIXED_HASH_KEY);
  const lengths = [...Array(140).keys(), 1000, 4096, 65_535];
  const ids = lengths.map((length) => acquire(symbols, "x".repeat(length)));
  lengths.forEach((length, index) => {
    const id = ids[index] ?? NO_SYMBOL;
    assert.equal(find(symbols, "x".repeat(length)), id);
    assert.deepEqual(textOf(symbols, id), utf8("x".repeat(length)));
  });
});

test("symbol table: two long levels that differ in one byte anywhere are different", () => {
  const symbols = new SymbolTable(FIXED_HASH_KEY);
  const base = "0123456789".repeat(8);
  const original = acquire(symbols, base);
  for (let at = 0; at < base.length; at++) {
    const other = `${base.slice(0, at)}?${base.slice(at + 1)}`;
    assert.equal(find(symbols, other), NO_SYMBOL);
    assert.notEqual(acquire(symbols, other), original);
  }
});

test("symbol table: levels with the same hash are told apart by their text", () => {
  const { word0, word1 } = FIXED_HASH_KEY;
  const textByHash = new Map<number, string>();
  const pairs: (readonly [string, string])[] = [];
  // Two of 200,000 texts share one of 2^32 hashes with near certainty: 4.7 pairs are expected.
  for (let n = 0; n < 200_000; n++) {
    const bytes = utf8(`level ${n}`);
    const hash = hashLevel(bytes, 0, bytes.length, word0, word1);
    const twin = textByHash.get(hash);
    if (twin !== undefined) pairs.push([twin, `level ${n}`]);
    textByHash.set(hash, `level ${n}`);
  }
  assert.ok(pairs.length > 0);
  for (const [one, other] of pairs) {
    const symbols = new SymbolTable(FIXED_HASH_KEY);
    const symbol = acquire(symbols, one);
    assert.equal(find(symbols, other), NO_SYMBOL);
    assert.notEqual(acquire(symbols, other), symbol);
    symbols.release(symbol);
    assert.equal(find(symbols, one), NO_SYMBOL);
    assert.notEqual(find(symbols, other), NO_SYMBOL);
  }
});

test("symbol table: lives as long as its last user, and leaves nothing", () => {
  const symbols = new SymbolTable(FIXED_HASH_KEY);
  const text = "a level of more than twelve bytes, over several pieces";
  const symbol = acquire(symbols, text);
  acquire(symbols, text);
  symbols.release(symbol);
  assert.equal(find(symbols, text), symbol);
  symbols.release(symbol);
  assert.equal(find(symbols, text), NO_SYMBOL);
  assert.equal(symbols.count, 0);
  assert.equal(symbols.slotCount, 0);
});

test("symbol table: knows the first byte", () => {
  const symbols = new SymbolTable(FIXED_HASH_KEY);
  assert.equal(symbols.firstByteOf(acquire(symbols, "$SYS")), 0x24);
  assert.equal(symbols.firstByteOf(acquire(symbols, "")), 0);
  assert.equal(symbols.firstByteOf(acquire(symbols, "🐿")), 0xf0);
});

test("symbol table: behaves like a counting map", () => {
  const step = fc.record({
    text: fc.oneof(
      fc.constantFrom("a", "b", "", "ab"),
      fc.string({ maxLength: 60, unit: "binary" }),
    ),
    release: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const symbols = new SymbolTable(FIXED_HASH_KEY);
      const model = new Map<string, number>();
      for (const { text, release } of steps) {
        const users = model.get(text) ?? 0;
        if (release && users > 0) symbols.release(find(symbols, text));
        else acquire(symbols, text);
        model.set(text, release && users > 0 ? users - 1 : users + 1);
      }
      for (const [text, users] of model) {
        const symbol = find(symbols, text);
        assert.equal(symbol !== NO_SYMBOL, users > 0);
        if (users > 0) assert.deepEqual(textOf(symbols, symbol), utf8(text));
        for (let user = 0; user < users; user++) symbols.release(symbol);
      }
      assert.equal(symbols.slotCount, 0);
    }),
  );
});
