/**
 * Which statements of MQTT 5.0 that bind a server are cited in the source, on the line that obeys
 * them.
 */

import assert from "node:assert/strict";
import test from "node:test";
import { NORMATIVE_STATEMENTS } from "./conformance/normative-statements.ts";
import { readSources, type SourceFile } from "./tidy/source-file.ts";

const BINDING = Object.entries(NORMATIVE_STATEMENTS)
  .filter(([, bound]) => bound !== "C")
  .map(([id]) => id);

/**
 * `[MQTT-3.3.1-4]`, `[!MQTT-3.3.1-4]` for a deliberate difference, `[MQTT-3.3.1-5..7]` for
 * neighbours.
 */
const CITATION = /\[!?MQTT-(\d+(?:\.\d+)*)-(\d+)(?:\.\.(\d+))?\]/g;

interface Citation {
  readonly id: string;
  readonly place: string;
}

function citationsOf(file: SourceFile): Citation[] {
  return file.text.split("\n").flatMap((line, index) =>
    [...line.matchAll(CITATION)].flatMap((match) => {
      const [, section = "", first = "", last = first] = match;
      const place = `${file.path}:${index + 1}`;
      const count = Math.max(1, Number(last) - Number(first) + 1);
      return Array.from({ length: count }, (_, offset) => {
        return { id: `${section}-${Number(first) + offset}`, place };
      });
    }),
  );
}

const CITED = readSources("src").flatMap(citationsOf);

test("conformance: every cited statement exists", () => {
  const unknown = CITED.filter(({ id }) => !Object.hasOwn(NORMATIVE_STATEMENTS, id));
  assert.deepEqual(
    unknown.map(({ id, place }) => `${place}: [MQTT-${id}]`),
    [],
  );
});

test("conformance: every statement that binds a server is cited where src obeys it", (t) => {
  const cited = new Set(CITED.map(({ id }) => id));
  const missing = BINDING.filter((id) => !cited.has(id));
  const total = BINDING.length;
  t.diagnostic(`${total - missing.length} of ${total} are cited`);
  assert.deepEqual(missing, []);
});

test("conformance: citations are read in all their forms", () => {
  const text = "// [MQTT-3.3.1-5..7]\n// [!MQTT-1.5.4-1] and [MQTT-6.0.0-1]\n// MQTT5 §3.1";
  assert.deepEqual(
    citationsOf({ path: "a.ts", text }).map(({ id, place }) => `${id} ${place}`),
    ["3.3.1-5 a.ts:1", "3.3.1-6 a.ts:1", "3.3.1-7 a.ts:1", "1.5.4-1 a.ts:2", "6.0.0-1 a.ts:2"],
  );
});
