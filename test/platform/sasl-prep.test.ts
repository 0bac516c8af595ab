import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { saslPrep } from "../../src/platform/sasl-prep.ts";

/** The table of RFC 4013 §3 without its right-to-left row, and one row per rule. */
const CASES: readonly [name: string, text: string, prepared: string | null][] = [
  ["soft hyphen is removed", "I\u00adX", "IX"],
  ["case is kept", "user", "user"],
  ["upper case is kept", "USER", "USER"],
  ["feminine ordinal becomes a", "\u00aa", "a"],
  ["roman numeral becomes letters", "\u2168", "IX"],
  ["control character is prohibited", "\u0007", null],
  ["NUL is prohibited", "a\0", null],
  ["no-break space becomes a space", "a\u00a0b", "a b"],
  ["zero width joiner is removed", "a\u200db", "ab"],
  ["variation selector is removed", "a\ufe0fb", "ab"],
  ["private use is prohibited", "\ue000", null],
  ["direction override is prohibited", "a\u202eb", null],
  ["noncharacter is prohibited", "\ufdd0", null],
  ["lone surrogate is prohibited", "\ud800", null],
  ["replacement character is prohibited", "\ufffd", null],
  ["language tag is prohibited", "\u{e0041}", null],
  ["emoji stays", "🌳", "🌳"],
  ["composed and decomposed are one", "e\u0301", "\u00e9"],
];

for (const [name, text, prepared] of CASES) {
  test(`saslprep: ${name} [RFC 4013]`, () => {
    assert.equal(saslPrep(text), prepared);
  });
}

test("saslprep: preparing twice changes nothing more", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const once = saslPrep(text);
      if (once !== null) assert.equal(saslPrep(once), once);
    }),
  );
});
