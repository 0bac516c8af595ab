/**
 * The blueprint of the Raft core lists 83 ways to get it wrong. Each is cited in the source that
 * avoids it, as "raft pitfall 12" or "raft pitfalls 1, 2", and is the name of a test or a mutant.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { readSources, type SourceFile } from "../../tidy/source-file.ts";
import { MUTANTS } from "./all-mutants.ts";

const PITFALL_COUNT = 83;

/** Comments break lines, and break them anywhere. */
const LINE_BREAK = /\s*\n\s*(?:\*|\/\/)?\s*/g;
const CITATION = /\bpitfalls? (\d+(?:(?:, | and )\d+)*)/g;
const TEST_NAME = /\btest\(\s*(["`])(.*?)\1/gs;

function cited(text: string): number[] {
  const joined = text.replace(LINE_BREAK, " ");
  return [...joined.matchAll(CITATION)].flatMap(([, list = ""]) =>
    list.split(/, | and /).map(Number),
  );
}

function testNames({ text }: SourceFile): string[] {
  return [...text.matchAll(TEST_NAME)].map(([, , name = ""]) => name);
}

const IN_SOURCE = new Set(readSources("src").flatMap(({ text }) => cited(text)));
const IN_TESTS = new Set(readSources("test").flatMap(testNames).flatMap(cited));
const IN_MUTANTS = new Set(MUTANTS.map(({ pitfall }) => pitfall));
const ALL = Array.from({ length: PITFALL_COUNT }, (_none, at) => at + 1);

test("raft pitfalls: the source that avoids one says so", () => {
  assert.deepEqual(
    ALL.filter((pitfall) => !IN_SOURCE.has(pitfall)),
    [],
  );
});

test("raft pitfalls: each has a test or a mutant", () => {
  assert.deepEqual(
    ALL.filter((pitfall) => !IN_TESTS.has(pitfall) && !IN_MUTANTS.has(pitfall)),
    [],
  );
});

test("raft pitfalls: no citation leads nowhere", () => {
  const named = [...IN_SOURCE, ...IN_TESTS, ...IN_MUTANTS].filter((pitfall) => pitfall !== 0);
  assert.deepEqual(
    named.filter((pitfall) => !ALL.includes(pitfall)),
    [],
  );
});

test("raft pitfalls: citations are read in all their forms", () => {
  assert.deepEqual(cited("(raft pitfalls 3, 10) and (raft\n * pitfall 12)."), [3, 10, 12]);
  assert.deepEqual(cited("// see raft pitfalls\n  // 71 and 76"), [71, 76]);
  const text = 'test(\n  "a thing: it works [raft pitfall 5]",\n  () => {});';
  assert.deepEqual(testNames({ path: "", text }).flatMap(cited), [5]);
});
