/** Reading YAML: variables in values, lines of keys. */

import assert from "node:assert/strict";
import test from "node:test";
import { expandVariables, parseYamlFile } from "../../../src/main/config/yaml-file.ts";

const ENVIRONMENT = { HOST: "h1", EMPTY: "", PORT: "1884", YES: "true", TRICK: "a: b # c" };

test("yaml: variables in values, with defaults and a way to write them literally", () => {
  const { tree } = parseYamlFile(
    [
      "a: ${HOST}.example.org",
      "b: ${NOT_SET:-fallback}",
      "c: ${EMPTY:-fallback}",
      "d: $${HOST}",
      "e: '${HOST} and ${PORT}'",
      "f: [ '${HOST}', $HOST ]",
    ].join("\n"),
    ENVIRONMENT,
  );
  assert.deepEqual(tree, {
    a: "h1.example.org",
    b: "fallback",
    c: "fallback",
    d: "${HOST}",
    e: "h1 and 1884",
    f: ["h1", "$HOST"],
  });
});

test("yaml: an unquoted variable has the type of its value, a quoted one is text", () => {
  const yaml = 'a: ${PORT}\nb: "${PORT}"\nc: ${YES}\nd: ${EMPTY:-}\ne: ${TRICK}';
  assert.deepEqual(parseYamlFile(yaml, ENVIRONMENT).tree, {
    a: 1884,
    b: "1884",
    c: true,
    d: null,
    e: "a: b # c",
  });
});

test("yaml: every variable without a value is named with its line", () => {
  const { tree, problems } = parseYamlFile("a: 1\nb: ${X1}\nc:\n  - ${X2}\n", {});
  assert.equal(tree, null);
  assert.deepEqual(
    problems.map(({ line, text }) => [line, text.split(";")[0]]),
    [
      [2, "variable X1 is not set"],
      [4, "variable X2 is not set"],
    ],
  );
});

test("yaml: a value from the environment is not expanded again", () => {
  assert.deepEqual(expandVariables("${A}", { A: "${B}", B: "x" }), { text: "${B}", missing: null });
});

test("yaml: lines of keys, list entries, and keys behind an alias", () => {
  const file = parseYamlFile(
    "base: &b\n  x: 1\nlist:\n  - one\n  - {two: 2,\n     three: 3}\ncopy: *b\n",
    {},
  );
  assert.equal(file.lineOf(["base", "x"]), 2);
  assert.equal(file.lineOf(["list", 0]), 4);
  assert.equal(file.lineOf(["list", 1, "three"]), 6);
  assert.equal(file.lineOf(["copy"]), 7);
  assert.equal(file.lineOf(["copy", "x"]), 2);
  assert.equal(file.lineOf(["nowhere"]), null);
  assert.equal(file.lineOf(["base", "x", "deeper"]), null);
});

test("yaml: broken syntax is a problem with a line, not an exception", () => {
  for (const yaml of [
    "a: [1, 2",
    "a: 'x",
    "\tb: 1",
    "a: *nowhere",
    "? [a]\n: *x",
    "a: {b: 1, b: 2}",
  ]) {
    const { tree, problems } = parseYamlFile(yaml, {});
    assert.equal(tree, null, yaml);
    assert.ok(problems.length > 0 && problems.every(({ line }) => line >= 1), yaml);
  }
});
