import assert from "node:assert/strict";
import { test } from "node:test";
import {
  deriveScramCredential,
  parseScramCredential,
  scramCredentialLine,
} from "../../src/platform/scram-credential.ts";

const SALT = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
/**
 * Keys of user "user" with password "pencil" (RFC 7677 §3), computed with a second implementation
 * (Python hashlib).
 */
const STORED_KEY = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
const SERVER_KEY = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

test("scram credential: keys of the published example [RFC 7677 §3]", () => {
  assert.equal(
    scramCredentialLine("user", "pencil", 4096, SALT),
    `user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$${STORED_KEY}:${SERVER_KEY}`,
  );
});

test("scram credential: what is written is read back", () => {
  const line = scramCredentialLine("acme/bob", "sécret", 5000, SALT);
  const credential = parseScramCredential(line.slice("acme/bob:".length));
  assert.deepEqual(
    credential && {
      ...credential,
      salt: Buffer.from(credential.salt),
      storedKey: Buffer.from(credential.storedKey),
    },
    { ...deriveScramCredential("sécret", 5000, SALT), salt: SALT },
  );
});

test("scram credential: equal texts in different Unicode forms give equal keys [RFC 5802 §2.2]", () => {
  const composed = scramCredentialLine("u\u00e9", "p\u00e9", 4096, SALT);
  assert.equal(scramCredentialLine("ue\u0301", "pe\u0301", 4096, SALT), composed);
});

test("scram credential: names and parameters that the file could not hold are refused", () => {
  for (const user of ["", "a:b", "a b", "#a", "a\n", "a\u0007"]) {
    assert.throws(() => scramCredentialLine(user, "x", 4096, SALT), /user name/);
  }
  assert.throws(() => scramCredentialLine("a", "x\u0000", 4096, SALT), /password/);
  assert.throws(() => scramCredentialLine("a", "x", 4095, SALT), /iterations/);
  assert.throws(() => scramCredentialLine("a", "x", 4096, Buffer.alloc(7)), /salt/);
});

test("scram credential: text that is none is read as null", () => {
  const keys = `${STORED_KEY}:${SERVER_KEY}`;
  const salt = SALT.toString("base64");
  for (const text of [
    "",
    "pencil",
    `SCRAM-SHA-1$4096:${salt}$${keys}`,
    `SCRAM-SHA-256$4095:${salt}$${keys}`,
    `SCRAM-SHA-256$99999999:${salt}$${keys}`,
    `SCRAM-SHA-256$4096:AAAA$${keys}`,
    `SCRAM-SHA-256$4096:${salt}$${STORED_KEY}`,
    `SCRAM-SHA-256$4096:${salt}$${STORED_KEY}:AAAA`,
    `SCRAM-SHA-256$4096:${salt}$AAAA:${SERVER_KEY}`,
    `SCRAM-SHA-256$4096:${salt}$${keys} `,
  ]) {
    assert.equal(parseScramCredential(text), null, text);
  }
});
