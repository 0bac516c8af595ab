/**
 * The public data-driven vectors, when they lie beside the project; the repository does not hold
 * them.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { parseVectorFile, valuesOf } from "../../helpers/raft-vector-file.ts";
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
