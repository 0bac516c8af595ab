import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatServerFinal,
  formatServerFirst,
  parseClientFinal,
  parseClientFirst,
} from "../../../src/workers/auth/scram-message.ts";

const first = (text: string) => parseClientFirst(Buffer.from(text));
const final = (text: string) => parseClientFinal(Buffer.from(text));

test("scram message: client-first is split as both sides sign it", () => {
  assert.deepEqual(first("n,,n=user,r=abc"), {
    gs2Header: "n,,",
    bare: "n=user,r=abc",
    username: "user",
    authorizationId: null,
    nonce: "abc",
  });
  assert.deepEqual(first("y,a=root,n=a=2Cb=3Dc,r=x!~,e=more"), {
    gs2Header: "y,a=root,",
    bare: "n=a=2Cb=3Dc,r=x!~,e=more",
    username: "a,b=c",
    authorizationId: "root",
    nonce: "x!~",
  });
});

for (const [name, text] of [
  ["nothing", ""],
  ["channel binding", "p=tls-unique,,n=user,r=abc"],
  ["unknown flag", "z,,n=user,r=abc"],
  ["no gs2 header", "n=user,r=abc"],
  ["no nonce", "n,,n=user"],
  ["empty nonce", "n,,n=user,r="],
  ["nonce beyond ASCII", "n,,n=user,r=é"],
  ["nonce too long", `n,,n=user,r=${"x".repeat(257)}`],
  ["empty user", "n,,n=,r=abc"],
  ["bad escape in the user", "n,,n=a=2c,r=abc"],
  ["bad escape in the identity", "n,a==,n=a,r=abc"],
  ["mandatory extension", "n,,m=x,n=user,r=abc"],
  ["NUL in the user", "n,,n=a\0b,r=abc"],
  ["NUL in an extension", "n,,n=a,r=abc,e=\0"],
  ["message too long", `n,,n=${"u".repeat(2048)},r=abc`],
] as const) {
  test(`scram message: client-first with ${name} is none`, () => {
    assert.equal(first(text), null);
  });
}

test("scram message: client-first that is not UTF-8 is none", () => {
  assert.equal(parseClientFirst(Buffer.from("n,,n=\xff,r=abc", "latin1")), null);
});

test("scram message: client-final is split at its proof", () => {
  const parsed = final("c=biws,r=abcdef,e=x,p=AAEC");
  assert.deepEqual(parsed && { ...parsed, proof: [...parsed.proof] }, {
    channelBinding: "n,,",
    nonce: "abcdef",
    proof: [0, 1, 2],
    withoutProof: "c=biws,r=abcdef,e=x",
  });
});

for (const text of [
  "",
  "c=biws,r=abc",
  "r=abc,c=biws,p=AAEC",
  "c=biws,r=abc,p=",
  "c=biws,p=AAEC",
  "c=,r=a,p=AAEC",
]) {
  test(`scram message: client-final "${text}" is none`, () => {
    assert.equal(final(text), null);
  });
}

test("scram message: the server's messages", () => {
  assert.equal(formatServerFirst("abc", Uint8Array.of(0, 1, 2), 4096), "r=abc,s=AAEC,i=4096");
  assert.equal(Buffer.from(formatServerFinal(Uint8Array.of(0, 1, 2))).toString(), "v=AAEC");
});

test("scram message: any bytes are parsed without an exception, and quickly", () => {
  const piece = fc.constantFrom("n,,", "n=", "r=", "c=biws", ",", "=2C", "p=AA==", "a", "\0", "é");
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(piece, { maxLength: 200 }).map((pieces) => Buffer.from(pieces.join(""))),
  );
  fc.assert(
    fc.property(bytes, (message) => {
      const parsedFirst = parseClientFirst(message);
      assert.ok(parsedFirst === null || parsedFirst.username.length > 0);
      const parsedFinal = parseClientFinal(message);
      assert.ok(parsedFinal === null || parsedFinal.proof.length > 0);
    }),
  );
});
