import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AuthFileError,
  readAuthFile,
  significantLines,
} from "../../../src/workers/auth/auth-file.ts";
import { splitTenantUser } from "../../../src/workers/auth/tenant-user.ts";
import { TimeLimitError, withTimeLimit } from "../../../src/workers/auth/time-limit.ts";
import { tempFile } from "./auth-fixtures.ts";

test("auth file: errors name file, line, problem and remedy", () => {
  const error = new AuthFileError("/etc/users", 7, "no colon", "write NAME:HASH");
  assert.equal(error.message, "/etc/users:7: no colon; write NAME:HASH");
  assert.equal(new AuthFileError("f", 0, "empty", "fill it").message, "f: empty; fill it");
});

test("auth file: a file that is missing or no text is an error with a remedy", (t) => {
  assert.throws(
    () => readAuthFile("/nonexistent/users", "password file"),
    /ENOENT.*make the password file/,
  );
  const binary = tempFile(t, Uint8Array.of(0x61, 0xff));
  assert.throws(() => readAuthFile(binary, "password file"), /not UTF-8; save the password file/);
});

test("auth file: comments and empty lines are skipped, and the others keep their number", (t) => {
  const text = readAuthFile(tempFile(t, "\ufeffa\r\n\n # c\n\tb # no comment \n"), "file");
  assert.deepEqual(significantLines(text), [
    { text: "a", number: 1 },
    { text: "b # no comment", number: 4 },
  ]);
});

test("tenant user: the part before the first slash is the tenant, if there is one", () => {
  assert.deepEqual(splitTenantUser("bob", "home"), { tenantId: "home", userId: "bob" });
  assert.deepEqual(splitTenantUser("acme/bob", "home"), { tenantId: "acme", userId: "bob" });
  assert.deepEqual(splitTenantUser("acme/a/b", "home"), { tenantId: "acme", userId: "a/b" });
  for (const name of [
    "",
    "/",
    "/bob",
    "acme/",
    "a b/c",
    "+/c",
    "#/c",
    "../c",
    `${"t".repeat(65)}/c`,
  ]) {
    assert.equal(splitTenantUser(name, "home"), null, name);
  }
});

test("time limit: an answer in time passes, and its timer is gone", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  assert.equal(await withTimeLimit(Promise.resolve(7), 10), 7);
  await assert.rejects(withTimeLimit(Promise.reject(new Error("own")), 10), /own/);
});

test("time limit: a late answer is an error, and its own late error stays unheard", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let fail = (_error: Error): void => {};
  const answer = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const limited = withTimeLimit(answer, 10);
  t.mock.timers.tick(10);
  await assert.rejects(limited, TimeLimitError);
  fail(new Error("too late"));
  await new Promise(setImmediate);
});
