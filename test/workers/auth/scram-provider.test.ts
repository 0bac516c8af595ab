import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { scramCredentialLine } from "../../../src/platform/scram-credential.ts";
import type { AuthOutcome, AuthRequest } from "../../../src/workers/auth/auth-provider.ts";
import { FailureLimiter } from "../../../src/workers/auth/failure-limiter.ts";
import { randomScramNonce, ScramProvider } from "../../../src/workers/auth/scram-provider.ts";
import { authRequest, tempFile } from "./auth-fixtures.ts";

const SALT = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
const USERS = [
  scramCredentialLine("user", "pencil", 4096, SALT),
  scramCredentialLine("acme/bob", "builder", 4096, Buffer.from("another salt, 22 bytes")),
  "",
].join("\n");

function open(t: TestContext, text = USERS, createNonce = randomScramNonce) {
  const file = tempFile(t, text);
  const state = { nowMs: 0 };
  const provider = new ScramProvider({
    file,
    defaultTenant: "default",
    failures: new FailureLimiter(),
    nowMs: () => state.nowMs,
    createNonce,
  });
  const step = (
    data: Uint8Array | null,
    exchange: unknown = null,
    request: AuthRequest = authRequest(),
  ) =>
    provider.authenticateExtended(request, {
      method: "SCRAM-SHA-256",
      data,
      state: exchange,
      isReAuthentication: false,
    });
  return { provider, file, state, step };
}

type Opened = ReturnType<typeof open>;

function challenge(outcome: AuthOutcome): { text: string; exchange: unknown } {
  assert.equal(outcome.kind, "continue");
  if (outcome.kind !== "continue") return assert.fail();
  return { text: Buffer.from(outcome.authData).toString(), exchange: outcome.state };
}

/** The client's side, written against RFC 5802 §3 on its own. */
function clientFinal(
  password: string,
  bare: string,
  serverFirst: string,
  binding = "biws",
): string {
  const [nonce = "", salt = "", iterations = ""] = serverFirst
    .split(",")
    .map((part) => part.slice(2));
  const salted = pbkdf2Sync(
    password,
    Buffer.from(salt, "base64"),
    Number(iterations),
    32,
    "sha256",
  );
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest();
  const withoutProof = `c=${binding},r=${nonce}`;
  const signed = `${bare},${serverFirst},${withoutProof}`;
  const signature = createHmac("sha256", storedKey).update(signed).digest();
  const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
  return `${withoutProof},p=${Buffer.from(proof).toString("base64")}`;
}

function exchangeWith({ step }: Opened, user: string, password: string, request?: AuthRequest) {
  const bare = `n=${user},r=clientnonce`;
  const { text, exchange } = challenge(step(Buffer.from(`n,,${bare}`), null, request));
  return step(Buffer.from(clientFinal(password, bare, text)), exchange, request);
}

function assertRefused(outcome: AuthOutcome, code = 0x87): void {
  assert.equal(outcome.kind === "reject" && outcome.reasonCode, code, JSON.stringify(outcome));
}

test("scram: the published exchange, byte for byte [RFC 7677 §3]", (t) => {
  const { step } = open(t, USERS, () => "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
  const { text, exchange } = challenge(step(Buffer.from("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")));
  assert.equal(
    text,
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  );
  const outcome = step(
    Buffer.from(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    ),
    exchange,
  );
  assert.equal(outcome.kind, "success");
  if (outcome.kind !== "success") return;
  assert.deepEqual([outcome.tenantId, outcome.userId], ["default", "user"]);
  const serverFinal = Buffer.from(outcome.authData ?? []).toString();
  assert.equal(serverFinal, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("scram: a user of another tenant logs in with the name of the file", (t) => {
  const opened = open(t);
  const outcome = exchangeWith(opened, "acme/bob", "builder");
  assert.equal(outcome.kind === "success" && outcome.tenantId, "acme");
  assert.equal(outcome.kind === "success" && outcome.userId, "bob");
  assertRefused(exchangeWith(opened, "bob", "builder"));
});

test("scram: wrong password and unknown user are refused alike", (t) => {
  const opened = open(t);
  const wrong = exchangeWith(opened, "user", "pencil2");
  assertRefused(wrong);
  assert.deepEqual(exchangeWith(opened, "nobody", "pencil"), wrong);
});

test("scram: an unknown user's salt is the same each time, on each worker, and its own", (t) => {
  const saltOf = (opened: Opened, user: string) => {
    const { text } = challenge(opened.step(Buffer.from(`n,,n=${user},r=x`)));
    return /s=([^,]+),i=(\d+)$/.exec(text)?.slice(1);
  };
  const [one, other] = [open(t), open(t)];
  const nobody = saltOf(one, "nobody") ?? assert.fail();
  assert.deepEqual(saltOf(one, "nobody"), nobody);
  assert.deepEqual(saltOf(other, "nobody"), nobody);
  assert.notDeepEqual(saltOf(one, "nobody2"), nobody);
  assert.equal(Buffer.from(nobody[0] ?? "", "base64").length, SALT.length);
  assert.equal(nobody[1], "4096");
  // Still the same when users are added at the end of the file.
  const longer = open(t, `${USERS}${scramCredentialLine("new", "x", 9000, SALT)}\n`);
  assert.deepEqual(saltOf(longer, "nobody"), nobody);
});

test("scram: an exchange works once", (t) => {
  const { step } = open(t);
  const bare = "n=user,r=abc";
  const { text, exchange } = challenge(step(Buffer.from(`n,,${bare}`)));
  const final = Buffer.from(clientFinal("pencil", bare, text));
  assert.equal(step(final, exchange).kind, "success");
  assertRefused(step(final, exchange));
});

test("scram: a proof of one exchange does not fit another", (t) => {
  const { step } = open(t);
  const bare = "n=user,r=abc";
  const recorded = challenge(step(Buffer.from(`n,,${bare}`)));
  const final = Buffer.from(clientFinal("pencil", bare, recorded.text));
  const later = challenge(step(Buffer.from(`n,,${bare}`)));
  assertRefused(step(final, later.exchange));
});

test("scram: the gs2 header must be repeated as it was sent [RFC 5802 §6]", (t) => {
  const { step } = open(t);
  const bare = "n=user,r=abc";
  const binding = (text: string) => Buffer.from(text).toString("base64");
  for (const [header, repeated, isAccepted] of [
    ["n,,", "n,,", true],
    ["y,,", "y,,", true],
    ["y,,", "n,,", false],
    ["n,,", "y,,", false],
    ["n,a=user,", "n,a=user,", true],
    ["n,a=user,", "n,,", false],
  ] as const) {
    const { text, exchange } = challenge(step(Buffer.from(header + bare)));
    const final = clientFinal("pencil", bare, text, binding(repeated));
    assert.equal(step(Buffer.from(final), exchange).kind, isAccepted ? "success" : "reject");
  }
});

test("scram: acting as somebody else is refused", (t) => {
  const { step } = open(t);
  assertRefused(step(Buffer.from("n,a=admin,n=user,r=abc")));
});

test("scram: a CONNECT user name must be the SCRAM user name", (t) => {
  const opened = open(t);
  const claimed = authRequest({ username: "admin" });
  assertRefused(opened.step(Buffer.from("n,,n=user,r=abc"), null, claimed));
  const same = authRequest({ username: "user" });
  assert.equal(exchangeWith(opened, "user", "pencil", same).kind, "success");
});

test("scram: channel binding, garbage and missing data are refused in both steps", (t) => {
  const { step } = open(t);
  for (const data of [
    null,
    Buffer.of(),
    Buffer.from("p=tls-unique,,n=user,r=abc"),
    Buffer.of(255),
  ]) {
    assertRefused(step(data));
    const { exchange } = challenge(step(Buffer.from("n,,n=user,r=abc")));
    assertRefused(step(data, exchange));
  }
});

test("scram: state of another kind is refused", (t) => {
  assertRefused(open(t).step(Buffer.from("c=biws,r=abc,p=AAAA"), { forged: true }));
});

test("scram: proofs of the wrong length are refused without an exception", (t) => {
  const { step } = open(t);
  for (const bytes of [1, 31, 33, 64]) {
    const { text, exchange } = challenge(step(Buffer.from("n,,n=user,r=abc")));
    const nonce = text.slice(2, text.indexOf(","));
    const proof = Buffer.alloc(bytes).toString("base64");
    assertRefused(step(Buffer.from(`c=biws,r=${nonce},p=${proof}`), exchange));
  }
});

test("scram: a user removed or changed between the steps does not get in", async (t) => {
  for (const changed of ["", scramCredentialLine("user", "new", 4096, SALT)]) {
    const { step, file, provider } = open(t);
    const bare = "n=user,r=abc";
    const { text, exchange } = challenge(step(Buffer.from(`n,,${bare}`)));
    writeFileSync(file, changed);
    await provider.reload();
    assertRefused(step(Buffer.from(clientFinal("pencil", bare, text)), exchange));
  }
});

test("scram: an exchange survives a reload that leaves its user as it was", async (t) => {
  const { step, file, provider } = open(t);
  const bare = "n=user,r=abc";
  const { text, exchange } = challenge(step(Buffer.from(`n,,${bare}`)));
  writeFileSync(file, `${scramCredentialLine("new", "x", 4096, SALT)}\n${USERS}`);
  await provider.reload();
  const outcome = step(Buffer.from(clientFinal("pencil", bare, text)), exchange);
  assert.equal(outcome.kind, "success");
});

test("scram: failed proofs use up the address's budget", (t) => {
  const opened = open(t);
  for (let attempt = 0; attempt < 20; attempt++) {
    assertRefused(exchangeWith(opened, "user", "guess"));
  }
  assertRefused(opened.step(Buffer.from("n,,n=user,r=abc")), 0x9f);
  opened.state.nowMs = 1000;
  assert.equal(exchangeWith(opened, "user", "pencil").kind, "success");
});

test("scram: without a method there is no opinion", (t) => {
  assert.deepEqual(open(t).provider.authenticate(), { kind: "next" });
});

for (const [name, text, error] of [
  ["no credential", "user:pencil", /file:1: user "user" has no valid credential/],
  ["no colon", "# c\nuser", /file:2: no user name/],
  ["user twice", `${USERS}${USERS}`, /file:3: user "user" is already on line 1/],
  ["impossible tenant", USERS.replace("acme/", "a b/"), /file:2: .*TENANT\/USER/],
  ["prohibited character", USERS.replace("user", "us\u0007er"), /file:1: /],
] as const) {
  test(`scram file: ${name} refuses the whole file`, (t) => {
    assert.throws(() => open(t, text), error);
  });
}
