import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AuthFileError } from "../../../src/workers/auth/auth-file.ts";
import { parsePasswordFile } from "../../../src/workers/auth/password-file.ts";
import { fakeHash } from "./auth-fixtures.ts";

const parse = (text: string, tenant = "default") => parsePasswordFile(text, "users", tenant);
const HASH = fakeHash("x");

test("password file: names, tenants, comments, blank lines and both line ends are read", () => {
  const table = parse(`# users\n\nalice:${HASH}\r\n  bob smith:${HASH}\nacme/bob:${HASH}\n`);
  assert.equal(table.size, 3);
  assert.deepEqual(table.find("alice"), { tenantId: "default", userId: "alice", hash: HASH });
  assert.deepEqual(table.find("bob smith")?.userId, "bob smith");
  assert.deepEqual(table.find("acme/bob"), { tenantId: "acme", userId: "bob", hash: HASH });
  assert.equal(table.find("bob"), undefined);
  assert.equal(table.find("default/alice"), undefined);
});

test("password file: only the first slash separates the tenant", () => {
  assert.deepEqual(parse(`acme/a/b:${HASH}`).find("acme/a/b")?.userId, "a/b");
});

test("password file: a byte order mark is no part of the first name", () => {
  assert.equal(parse(new TextDecoder().decode(Buffer.from(`\ufeffa:${HASH}`))).size, 1);
});

const INVALID: readonly [name: string, text: string, error: RegExp][] = [
  ["no colon", "# c\nalice", /^users:2: no user name before a colon; write NAME:HASH/],
  ["no name", `:${HASH}`, /^users:1: no user name/],
  ["plain password", "alice:secret", /^users:1: user "alice".*not stored.*ratatosk passwd users/],
  ["empty password", "alice:", /not stored as/],
  ["bad digest", "alice:$7$101$AAAA$AAAA", /64 bytes of base64/],
  ["impossible tenant", `a b/c:${HASH}`, /not TENANT\/USER/],
  ["dot as tenant", `../c:${HASH}`, /not TENANT\/USER/],
  ["empty tenant", `/c:${HASH}`, /not TENANT\/USER/],
  ["empty user in a tenant", `acme/:${HASH}`, /not TENANT\/USER/],
  ["user twice", `a:${HASH}\nb:${HASH}\na:${HASH}`, /^users:3: user "a" is already on line 1/],
  ["user twice by tenant", `a:${HASH}\ndefault/a:${HASH}`, /already on line 1; remove one/],
];

for (const [name, text, error] of INVALID) {
  test(`password file: ${name} refuses the whole file, with line and remedy`, () => {
    assert.throws(
      () => parse(text),
      (thrown) => {
        assert.ok(thrown instanceof AuthFileError);
        assert.match(thrown.message, error);
        assert.equal(thrown.message.includes("secret"), false);
        return true;
      },
    );
  });
}

test("password file: an unknown name always gets the same hash to compute, one of the file", () => {
  const hashes = ["a", "b", "c", "d"].map(fakeHash);
  const text = hashes.map((hash, index) => `user${index}:${hash}`).join("\n");
  const [one, other] = [parse(text), parse(text)];
  const decoys = new Set<string | null>();
  for (let index = 0; index < 100; index++) {
    const decoy = one.decoyHash(`nobody${index}`);
    assert.equal(decoy, other.decoyHash(`nobody${index}`));
    decoys.add(decoy);
  }
  assert.deepEqual([...decoys].sort(), hashes.sort());
  assert.equal(parse("").decoyHash("nobody"), null);
});

test("password file: any text is parsed or refused with an AuthFileError", () => {
  const piece = fc.constantFrom("a", ":", "/", "$7$", HASH, "\n", "#", " ");
  const text = fc.oneof(
    fc.string(),
    fc.array(piece).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      try {
        assert.ok(parse(candidate).size >= 0);
      } catch (error) {
        assert.ok(error instanceof AuthFileError);
      }
    }),
  );
});
