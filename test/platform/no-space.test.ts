import assert from "node:assert/strict";
import { constants } from "node:os";
import test from "node:test";
import { isNoSpace } from "../../src/platform/no-space.ts";

function failure(code: unknown): Error {
  return Object.assign(new Error("write"), { code });
}

test("no space: a full disk and a quota, named by Node or numbered by native modules, and nothing else", () => {
  const { ENOSPC, EDQUOT, EIO, EFBIG } = constants.errno;
  for (const code of ["ENOSPC", "EDQUOT", ENOSPC, EDQUOT]) assert.ok(isNoSpace(failure(code)));
  for (const code of ["EIO", "EFBIG", EIO, EFBIG, undefined, null, "28"]) {
    assert.ok(!isNoSpace(failure(code)), String(code));
  }
  assert.ok(!isNoSpace("ENOSPC"));
  assert.ok(!isNoSpace(null));
});
