import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseJepsenLog } from "./jepsen-log.ts";
import { judgeFolder } from "./judge-folder.ts";

const VECTORS = "../shared/vectors/linearizability";

const LOG = `INFO  jepsen.core - something else
INFO  jepsen.util - 0\t:invoke\t:write\t4
INFO  jepsen.util - 1\t:invoke\t:cas\t[4 2]
INFO  jepsen.util - 0\t:ok\t:write\t4
INFO  jepsen.util - 2\t:invoke\t:read\tnil
INFO  jepsen.util - 2\t:fail\t:read\t:timed-out
INFO  jepsen.util - 1\t:info\t:cas\t:timed-out
INFO  jepsen.util - 3\t:invoke\t:cas\t[9 1]
INFO  jepsen.util - 3\t:fail\t:cas\t[9 1]
INFO  jepsen.util - 4\t:invoke\t:read\tnil
INFO  jepsen.util - 4\t:ok\t:read\t2
INFO  jepsen.util - 5\t:invoke\t:write\t7
`;

test("jepsen log: outcomes that nobody knows stay open, reads that failed are left out", () => {
  assert.deepEqual(parseJepsenLog(LOG), [
    { key: 0, kind: "write", calledAt: 1, returnedAt: 3, value: 4 },
    {
      key: 0,
      kind: "swap",
      calledAt: 2,
      returnedAt: Number.POSITIVE_INFINITY,
      expected: 4,
      value: 2,
      isDone: null,
    },
    { key: 0, kind: "swap", calledAt: 7, returnedAt: 8, expected: 9, value: 1, isDone: false },
    { key: 0, kind: "read", calledAt: 9, returnedAt: 10, value: 2 },
    { key: 0, kind: "write", calledAt: 11, returnedAt: Number.POSITIVE_INFINITY, value: 7 },
  ]);
});

test("judge: reports agreement and difference by log", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "ratatosk-lin-"));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "a.log"), LOG);
  writeFileSync(join(folder, "b.log"), LOG);
  writeFileSync(join(folder, "expected.json"), JSON.stringify({ "a.log": true, "b.log": false }));
  assert.deepEqual(
    judgeFolder(folder).map(({ verdict, agrees }) => [verdict, agrees]),
    [
      ["linearizable", true],
      ["linearizable", false],
    ],
  );
});

test("judge: agrees with every published verdict", {
  skip: existsSync(VECTORS) ? false : `no ${VECTORS} beside the project`,
}, () => {
  const judged = judgeFolder(VECTORS);
  assert.ok(judged.length > 0, "there are logs");
  assert.deepEqual(
    judged.filter(({ agrees }) => !agrees),
    [],
  );
});
