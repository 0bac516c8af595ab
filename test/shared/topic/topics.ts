/**
 * Topics and filters for the tests of this folder: few letters and few levels, so that random
 * filters meet random topics often; `$`, empty levels and characters of two, three and four bytes
 * included.
 */

import fc from "fast-check";

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

const LEVELS = [
  "a",
  "b",
  "",
  "ab",
  "$a",
  "$",
  "é",
  "漢",
  "🐿",
  "\uFEFF",
  "twelve bytes",
  "thirteen byte",
];
/** 99 bytes: its text fills several slots of the symbol table. */
const LONG_LEVEL = "long level ".repeat(9);

const level = fc.constantFrom(...LEVELS, LONG_LEVEL, "a", "b", "a", "b");

function isNotEmpty(text: string): boolean {
  return text !== "";
}

export const anyTopic = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/"))
  .filter(isNotEmpty);

/** Valid filters without share prefix. */
export const anyFilter = fc
  .tuple(
    fc.array(
      fc.oneof({ weight: 2, arbitrary: level }, { weight: 1, arbitrary: fc.constant("+") }),
      {
        maxLength: 5,
      },
    ),
    fc.boolean(),
  )
  .map(([levels, endsWithHash]) => (endsWithHash ? [...levels, "#"] : levels).join("/"))
  .filter(isNotEmpty);
