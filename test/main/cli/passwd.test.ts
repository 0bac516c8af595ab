/** `ratatosk passwd` as a process, and what it writes checked by what the broker reads. */

import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { verifyPassword } from "../../../src/main/cpu-pool-task.ts";
import { passwordLine } from "../../../src/main/passwd/hash-password.ts";
import { removeUser, setUser, userNameProblem } from "../../../src/main/passwd/password-file.ts";
import { parseScramCredential } from "../../../src/platform/scram-credential.ts";
import { parsePasswordHash } from "../../../src/shared/protocol/password-hash.ts";
import { runCli } from "./run-cli.ts";

function userFile(t: TestContext): { cwd: string; path: string; read: () => string } {
  const cwd = mkdtempSync(join(tmpdir(), "ratatosk-passwd-"));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const path = join(cwd, "users.txt");
  return { cwd, path, read: () => readFileSync(path, "utf8") };
}

function hashOf(line: string): string {
  return line.slice(line.indexOf(":") + 1).trimEnd();
}

function matches(line: string, password: string): boolean {
  const base64 = Buffer.from(password).toString("base64");
  return verifyPassword({ kind: "verify_password", hash: hashOf(line), password: base64 });
}

test("passwd: creates a file for its owner only, with an argon2id hash that the broker accepts", async (t) => {
  const { cwd, path, read } = userFile(t);
  const words = ["passwd", "users.txt", "alice", "--password-stdin"];
  const { code, stdout } = await runCli(words, { cwd, input: "pässword 🔑\n" });
  assert.deepEqual([code, stdout], [0, ""]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(read(), /^alice:\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}\n$/);
  assert.ok(matches(read(), "pässword 🔑"));
  assert.ok(!matches(read(), "password"));
  assert.deepEqual(readdirSync(cwd), ["users.txt"], "no temporary file is left");
});

test("passwd: changes one user and leaves every other line as it is", async (t) => {
  const { cwd, path, read } = userFile(t);
  writeFileSync(path, "# people\nbob:$7$1$a$b\nalice:old\n\ncarol:x\n");
  chmodSync(path, 0o644);
  await runCli(["passwd", "users.txt", "alice", "--password-stdin", "--hash", "pbkdf2"], {
    cwd,
    input: "secret",
  });
  const lines = read().split("\n");
  assert.deepEqual(
    [lines[0], lines[1], lines[3], lines[4]],
    ["# people", "bob:$7$1$a$b", "", "carol:x"],
  );
  assert.ok(matches(lines[2]!, "secret"));
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("passwd: --delete removes a user, and is 1 when there is none", async (t) => {
  const { cwd, path, read } = userFile(t);
  writeFileSync(path, "alice:x\nbob:y\n");
  assert.equal((await runCli(["passwd", "users.txt", "alice", "--delete"], { cwd })).code, 0);
  assert.equal(read(), "bob:y\n");
  const again = await runCli(["passwd", "users.txt", "alice", "--delete"], { cwd });
  assert.equal(again.code, 1);
  assert.match(again.stderr, /users\.txt has no user "alice"/);
});

test("passwd: an empty password and a folder that is not there change nothing", async (t) => {
  const { cwd } = userFile(t);
  const empty = await runCli(["passwd", "users.txt", "al", "--password-stdin"], {
    cwd,
    input: "\n",
  });
  assert.equal(empty.code, 1);
  const words = ["passwd", "nowhere/users.txt", "al", "--password-stdin"];
  const missing = await runCli(words, { cwd, input: "x" });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /ENOENT/);
  assert.deepEqual(readdirSync(cwd), []);
});

test("passwd: every method writes what the broker's readers accept, with a salt of its own", () => {
  for (const method of ["argon2id", "pbkdf2", "sha512"] as const) {
    const line = passwordLine("acme/alice", "secret", method);
    assert.ok(line.startsWith("acme/alice:"));
    assert.notEqual(parsePasswordHash(hashOf(line)).kind, "invalid", method);
    assert.ok(matches(line, "secret"), method);
    assert.ok(!matches(line, "Secret"), method);
    assert.notEqual(line, passwordLine("acme/alice", "secret", method));
  }
  const scram = passwordLine("alice", "secret", "scram");
  assert.equal(parseScramCredential(hashOf(scram))?.iterations, 4096);
});

test("password file: editing is by whole user name, line ends and order survive", () => {
  const text = "al:1\r\nalice:2\n#x\n";
  assert.equal(setUser(text, "al", "al:new"), "al:new\nalice:2\n#x\n");
  assert.equal(setUser(text, "bob", "bob:3"), "al:1\nalice:2\n#x\nbob:3\n");
  assert.equal(setUser("", "bob", "bob:3"), "bob:3\n");
  assert.equal(removeUser(text, "alice"), "al:1\n#x\n");
  assert.equal(removeUser("bob:3\n", "bob"), "");
  assert.equal(removeUser(text, "ali"), null);
});

test("password file: names that would break the file are refused", () => {
  for (const name of ["", "a:b", "a\nb", "a\u0000b", "#a", " a", "a "]) {
    assert.notEqual(userNameProblem(name), null, JSON.stringify(name));
  }
  for (const name of ["a", "tenant/user", "Jörg", "a b", "a#"]) {
    assert.equal(userNameProblem(name), null, name);
  }
});
