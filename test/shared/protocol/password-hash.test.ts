import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePasswordHash } from "../../../src/shared/protocol/password-hash.ts";

const SALT = "JhwHzFombKramjUv";
const DIGEST = `${"A".repeat(86)}==`;
const ARGON_SALT = "lfUxyAR7pSQLvkGi+h0O4w";
const ARGON_TAG = "Vs0auC2selpBnX3oTR3aCu1s69czR/JzsHI1esjlfZg";

test("password hash: the three forms are recognised", () => {
  assert.deepEqual(parsePasswordHash(`$6$${SALT}$${DIGEST}`), {
    kind: "sha512",
    salt: SALT,
    digest: DIGEST,
  });
  assert.deepEqual(parsePasswordHash(`$7$101$${SALT}$${DIGEST}`), {
    kind: "pbkdf2-sha512",
    iterations: 101,
    salt: SALT,
    digest: DIGEST,
  });
  const encoded = `$argon2id$v=19$m=1024,t=2,p=1$${ARGON_SALT}$${ARGON_TAG}`;
  assert.deepEqual(parsePasswordHash(encoded), {
    kind: "argon2id",
    memory: 1024,
    passes: 2,
    lanes: 1,
    salt: ARGON_SALT,
    digest: ARGON_TAG,
  });
});

const INVALID: readonly [name: string, text: string, problem: RegExp][] = [
  ["empty", "", /not stored as/],
  ["plain text", "secret", /not stored as/],
  ["another scheme", "$2b$10$abcdefghijklmnopqrstuv", /not stored as/],
  ["argon2i", `$argon2i$v=19$m=1024,t=2,p=1$${ARGON_SALT}$${ARGON_TAG}`, /not stored as/],
  ["$6$ without digest", `$6$${SALT}`, /digest/],
  ["$6$ with a field too many", `$6$${SALT}$${DIGEST}$x`, /two fields/],
  ["$6$ without salt", `$6$$${DIGEST}`, /salt/],
  ["$6$ salt too long", `$6$${"AAAA".repeat(23)}$${DIGEST}`, /salt/],
  ["$6$ salt not base64", `$6$AA!A$${DIGEST}`, /salt/],
  ["$6$ short digest", `$6$${SALT}$AAAA`, /digest/],
  ["$7$ zero iterations", `$7$0$${SALT}$${DIGEST}`, /iterations/],
  ["$7$ negative iterations", `$7$-1$${SALT}$${DIGEST}`, /iterations/],
  ["$7$ endless iterations", `$7$99999999$${SALT}$${DIGEST}`, /iterations/],
  ["$7$ with a field too many", `$7$101$${SALT}$${DIGEST}$x`, /three fields/],
  ["$argon2id$ zero lanes", `$argon2id$v=19$m=1024,t=2,p=0$${ARGON_SALT}$${ARGON_TAG}`, /p=1/],
  ["$argon2id$ zero passes", `$argon2id$v=19$m=1024,t=0,p=1$${ARGON_SALT}$${ARGON_TAG}`, /t=1/],
  ["$argon2id$ 2 GiB", `$argon2id$v=19$m=2097152,t=1,p=1$${ARGON_SALT}$${ARGON_TAG}`, /m=8/],
  ["$argon2id$ too little memory", `$argon2id$v=19$m=8,t=1,p=2$${ARGON_SALT}$${ARGON_TAG}`, /m=16/],
  ["$argon2id$ old version", `$argon2id$v=16$m=1024,t=2,p=1$${ARGON_SALT}$${ARGON_TAG}`, /form/],
  ["$argon2id$ without tag", `$argon2id$v=19$m=1024,t=2,p=1$${ARGON_SALT}$`, /form/],
];

for (const [name, text, problem] of INVALID) {
  test(`password hash: ${name} is refused with its cause`, () => {
    const parsed = parsePasswordHash(text);
    assert.equal(parsed.kind, "invalid");
    assert.match(parsed.kind === "invalid" ? parsed.problem : "", problem);
  });
}

test("password hash: any text is parsed without an exception", () => {
  const pieces = fc.constantFrom("$", "6", "7", "argon2id", "v=19", "m=1,t=1,p=1", SALT, DIGEST);
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces).map((list) => list.join("")),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      assert.equal(typeof parsePasswordHash(candidate).kind, "string");
    }),
  );
});
