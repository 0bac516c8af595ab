/**
 * The public data-driven vectors, when they lie beside the project; the repository does not hold
 * them.
 */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { parseVectorFile, valuesOf } from "../../helpers/raft-vector-file.ts";
import { InteractionVectors } from "../../helpers/raft-vector-interaction.ts";
import { runVectors } from "../../helpers/raft-vectors.ts";

/** Compiled tests lie four folders below the project's root. */
const VECTORS = fileURLToPath(new URL("../../../../../shared/vectors/raft", import.meta.url));

for (const kind of ["quorum", "confchange", "interaction"]) {
  const folder = `${VECTORS}/${kind}`;
  const skip = existsSync(folder) ? false : "the vectors are not beside the project";
  test(`raft vectors: every case of ${kind} answers as expected`, { skip }, () => {
    const { files, passed, failures } = runVectors(folder);
    assert.ok(files > 0 && passed > 0, "the folder holds vectors");
    const [first] = failures;
    assert.equal(first?.actual, first?.expected, `${first?.file}:${first?.line}`);
  });
}

/** What the last of these directives is answered with. */
function lastAnswer(directives: readonly string[]): string {
  const vectors = new InteractionVectors();
  const cases = parseVectorFile(directives.map((line) => `${line}\n----\n\n`).join(""));
  return cases.map((testCase) => vectors.answer(testCase)).at(-1) ?? "";
}

test("raft vectors: groups with leases elect at once, and do not forget their leader", () => {
  const start = ["add-nodes 3 voters=(1,2,3) index=10 checkquorum=true read-only=lease-based"];
  const state = lastAnswer([...start, "campaign 1", "stabilize", "forget-leader 2", "raft-state"]);
  assert.deepEqual(state.split("\n"), [
    "1: StateLeader (Voter) Term:1 Lead:1",
    "2: StateFollower (Voter) Term:1 Lead:1",
    "3: StateFollower (Voter) Term:1 Lead:1",
  ]);
});

test("raft vectors: compaction shows what is left of the log", () => {
  const start = ["add-nodes 1 voters=(1) index=10", "campaign 1", "stabilize"];
  const propose = ["propose 1 one", "propose 1 two", "stabilize"];
  assert.equal(lastAnswer([...start, ...propose, "compact 1 12"]), '1/13 EntryNormal "two"');
});

test("raft vectors: files without cases are passed over", () => {
  const folder = mkdtempSync(join(tmpdir(), "vectors-"));
  writeFileSync(join(folder, "README.md"), "Vectors\n=======\n\nsee elsewhere\n");
  writeFileSync(join(folder, "one.txt"), "majority\n----\nno such thing\n");
  const { passed, failures } = runVectors(folder);
  rmSync(folder, { recursive: true });
  assert.equal(passed, 0);
  assert.deepEqual(
    failures.map(({ file, line }) => [file, line]),
    [[join(folder, "one.txt"), 1]],
  );
});

test("raft vector files: directives, arguments, input and expectations are told apart", () => {
  const text = [
    "# a comment",
    "",
    "add-nodes 3 voters=(1, 2,3) index=10",
    "----",
    "ok",
    "",
    "propose-conf-change 1 transition=explicit",
    "v2 l3",
    "----",
    "one",
    "two",
    "",
    "raft-log 1",
    "----",
    "----",
    "with",
    "",
    "blank lines",
    "----",
    "----",
  ].join("\n");
  const [add, change, log] = parseVectorFile(text);
  assert.deepEqual(valuesOf(add!, "voters"), ["1", "2", "3"]);
  assert.deepEqual(valuesOf(add!, "index"), ["10"]);
  assert.equal(add!.line, 3);
  assert.equal(change!.input, "v2 l3");
  assert.equal(change!.expected, "one\ntwo");
  assert.equal(log!.expected, "with\n\nblank lines");
});
