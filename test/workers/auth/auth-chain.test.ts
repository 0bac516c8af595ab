import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import type { AuthConfig } from "../../../src/shared/config/config.ts";
import { type AuthChainDeps, createAuthChain } from "../../../src/workers/auth/auth-chain.ts";
import {
  AuthAction,
  type AuthOutcome,
  type AuthProvider,
  type Verdict,
} from "../../../src/workers/auth/auth-provider.ts";
import {
  authConfig,
  authRequest,
  fakeHash,
  identity,
  isFakeHashOf,
  login,
  tempFile,
} from "./auth-fixtures.ts";

interface Faults {
  readonly names: string[];
}

function openChain(changes: Partial<AuthConfig>, deps: Partial<AuthChainDeps> = {}) {
  const faults: Faults = { names: [] };
  const chain = createAuthChain(authConfig(changes), {
    verifyPassword: async (hash, password) => (isFakeHashOf(hash, password) ? "match" : "mismatch"),
    nowMs: () => 0,
    bypassesPermissionErrors: () => false,
    onFault: (name) => faults.names.push(name),
    ...deps,
  });
  return { chain, faults };
}

/** A provider that answers the same to everything; `undefined` methods say "next". */
function provider(answers: {
  name?: string;
  methods?: readonly string[];
  outcome?: () => AuthOutcome | Promise<AuthOutcome>;
  verdict?: (topic: string) => Verdict | Promise<Verdict>;
  reload?: () => Promise<void>;
}): AuthProvider {
  return {
    name: answers.name ?? "test",
    methods: answers.methods ?? [],
    authenticate: () => answers.outcome?.() ?? { kind: "next" },
    authenticateExtended: () => answers.outcome?.() ?? { kind: "next" },
    authorize: (_identity, _action, topic) =>
      answers.verdict === undefined ? "next" : answers.verdict(topic),
    reload: answers.reload ?? (async () => {}),
    close: () => {},
  };
}

const ALICE: AuthOutcome = { kind: "success", tenantId: "default", userId: "alice" };
const NO_ANSWER = new Promise<never>(() => {});
const LATE = { timeoutMs: 1 };

test("auth chain: the first provider with an opinion decides", async () => {
  const bob: AuthOutcome = { kind: "success", tenantId: "default", userId: "bob" };
  const extraProviders = [
    provider({}),
    provider({ outcome: () => ALICE }),
    provider({ outcome: () => bob }),
  ];
  const { chain } = openChain({}, { extraProviders });
  assert.deepEqual(await chain.authenticate(login("x", "y")), ALICE);
});

test("auth chain: without any opinion a user name is refused with 0x86, anonymity with 0x87", async () => {
  const { chain } = openChain({});
  const named = await chain.authenticate(login("x", "y"));
  assert.equal(named.kind === "reject" && named.reasonCode, 0x86);
  const anonymous = await chain.authenticate(authRequest());
  assert.equal(anonymous.kind === "reject" && anonymous.reasonCode, 0x87);
});

const FAILURES: readonly [name: string, outcome: () => AuthOutcome | Promise<AuthOutcome>][] = [
  [
    "throws",
    () => {
      throw new Error("broken");
    },
  ],
  ["rejects", () => Promise.reject(new Error("broken"))],
  ["is late", () => NO_ANSWER],
  ["answers nonsense", () => ({ kind: "yes" }) as unknown as AuthOutcome],
  ["answers undefined", () => Promise.resolve(undefined as unknown as AuthOutcome)],
  ["continues without a method", () => ({ kind: "continue", authData: Buffer.of(), state: 1 })],
];

for (const [name, outcome] of FAILURES) {
  test(`auth chain: a provider that ${name} refuses with 0x88, though a later one would accept`, async () => {
    const extraProviders = [provider({ name: "bad", outcome }), provider({ outcome: () => ALICE })];
    const { chain, faults } = openChain(LATE, { extraProviders });
    const decision = await chain.authenticate(login("alice", "x"));
    assert.equal(decision.kind === "reject" && decision.reasonCode, 0x88);
    assert.deepEqual(faults.names, ["bad"]);
  });
}

test("auth chain: an unknown authentication method is refused with 0x8C [MQTT-4.12.0-1]", async () => {
  const extraProviders = [provider({ methods: ["X"], outcome: () => ALICE })];
  const { chain } = openChain({ allowAnonymous: "all" }, { extraProviders });
  const step = { data: null, state: null, isReAuthentication: false };
  const unknown = await chain.authenticateExtended(authRequest(), { method: "x", ...step }, null);
  assert.equal(unknown.kind === "reject" && unknown.reasonCode, 0x8c);
  const known = await chain.authenticateExtended(authRequest(), { method: "X", ...step }, null);
  assert.deepEqual(known, ALICE);
  assert.deepEqual(chain.methods, ["X"]);
});

test("auth chain: re-authentication cannot change the user or the tenant [MQTT-4.12.1-1]", async () => {
  const extraProviders = [provider({ methods: ["X"], outcome: () => ALICE })];
  const { chain } = openChain({}, { extraProviders });
  const step = { method: "X", data: null, state: null, isReAuthentication: true };
  const again = (current: ReturnType<typeof identity> | null) =>
    chain.authenticateExtended(authRequest(), step, current);
  assert.equal((await again(identity("alice"))).kind, "success");
  for (const other of [identity("bob"), identity("alice", { tenantId: "acme" }), null]) {
    const decision = await again(other);
    assert.equal(decision.kind === "reject" && decision.reasonCode, 0x87);
  }
});

test("auth chain: a failing re-authentication gets a code that DISCONNECT may carry", async () => {
  const outcome = () => Promise.reject(new Error("broken"));
  const { chain } = openChain({}, { extraProviders: [provider({ methods: ["X"], outcome })] });
  const step = { method: "X", data: null, state: null, isReAuthentication: true };
  const decision = await chain.authenticateExtended(authRequest(), step, identity("alice"));
  assert.equal(decision.kind === "reject" && decision.reasonCode, 0x87);
});

test("auth chain: without rules everything is allowed, and nobody is asked", () => {
  const { chain } = openChain({ allowAnonymous: "all" });
  assert.equal(chain.allowsEverything, true);
  assert.equal(chain.authorize(identity(""), AuthAction.PUBLISH, "a", 0, false), true);
});

test("auth chain: the first allow or deny decides, synchronously", () => {
  const verdicts: [Verdict[], boolean][] = [
    [["allow", "deny"], true],
    [["deny", "allow"], false],
    [["next", "deny"], false],
    [["next", "next"], true],
  ];
  for (const [row, expected] of verdicts) {
    const extraProviders = row.map((verdict) => provider({ verdict: () => verdict }));
    const { chain } = openChain({}, { extraProviders });
    assert.equal(chain.allowsEverything, false);
    assert.equal(chain.authorize(identity("a"), AuthAction.PUBLISH, "a", 0, false), expected);
  }
});

test("auth chain: an asynchronous verdict continues with the providers after it", async () => {
  const verdicts: [Verdict[], boolean][] = [
    [["next", "deny"], false],
    [["next", "allow"], true],
    [["allow", "deny"], true],
    [["deny", "allow"], false],
    [["next", "next"], true],
  ];
  for (const [row, expected] of verdicts) {
    const extraProviders = row.map((verdict) => provider({ verdict: async () => verdict }));
    const { chain } = openChain({}, { extraProviders });
    const answer = chain.authorize(identity("a"), AuthAction.PUBLISH, "a", 0, false);
    assert.ok(answer instanceof Promise);
    assert.equal(await answer, expected);
  }
});

const BAD_VERDICTS: readonly [name: string, verdict: () => Verdict | Promise<Verdict>][] = [
  [
    "throws",
    () => {
      throw new Error("broken");
    },
  ],
  ["rejects", () => Promise.reject(new Error("broken"))],
  ["is late", () => NO_ANSWER],
  ["answers true", () => true as unknown as Verdict],
  ["answers null", () => null as unknown as Verdict],
  ["promises undefined", () => Promise.resolve(undefined as unknown as Verdict)],
];

for (const [name, verdict] of BAD_VERDICTS) {
  test(`auth chain: a permission check that ${name} denies, unless the tenant bypasses errors`, async () => {
    const extraProviders = [
      provider({ name: "bad", verdict }),
      provider({ verdict: () => "allow" }),
    ];
    const { chain, faults } = openChain(LATE, {
      extraProviders,
      bypassesPermissionErrors: (tenantId) => tenantId === "lenient",
    });
    const ask = (tenantId: string) =>
      chain.authorize(identity("a", { tenantId }), AuthAction.PUBLISH, "a", 0, false);
    assert.equal(await ask("strict"), false);
    assert.equal(await ask("lenient"), true);
    assert.deepEqual(faults.names, ["bad", "bad"]);
    assert.equal(chain.faultCount, 2);
  });
}

test("auth chain: with rules configured, silence of all providers denies", (t) => {
  const { chain } = openChain({ aclFile: tempFile(t, "user bob\ntopic read a\n") });
  assert.equal(chain.allowsEverything, false);
  assert.equal(chain.authorize(identity("bob"), AuthAction.SUBSCRIBE, "a", 0, false), true);
  assert.equal(chain.authorize(identity("bob"), AuthAction.PUBLISH, "a", 0, false), false);
  assert.equal(chain.authorize(identity("eve"), AuthAction.SUBSCRIBE, "a", 0, false), false);
  assert.equal(chain.authorize(identity("eve"), AuthAction.CONNECT, "", 0, false), true);
});

test("auth chain: a file that cannot be used stops the start, and says why", (t) => {
  const passwordFile = tempFile(t, "alice:secret\n");
  assert.throws(() => openChain({ passwordFile }), /file:1: user "alice".*ratatosk passwd/);
  assert.throws(() => openChain({ aclFile: "/nonexistent/acl" }), /ENOENT.*readable/);
});

test("auth chain: reload takes changed files into use and tells the sessions", async (t) => {
  const passwordFile = tempFile(t, `alice:${fakeHash("one")}\n`);
  const { chain } = openChain({ passwordFile });
  assert.equal((await chain.authenticate(login("alice", "one"))).kind, "success");
  let reloads = 0;
  chain.onReload = () => reloads++;
  writeFileSync(passwordFile, `alice:${fakeHash("two")}\n`);
  assert.equal((await chain.authenticate(login("alice", "one"))).kind, "success");
  await chain.reload(authConfig({ passwordFile }));
  assert.equal((await chain.authenticate(login("alice", "one"))).kind, "reject");
  assert.equal((await chain.authenticate(login("alice", "two"))).kind, "success");
  assert.deepEqual([chain.generation, reloads], [2, 1]);
});

test("auth chain: reload is all or nothing: one bad file leaves every provider as it was", async (t) => {
  const passwordFile = tempFile(t, `alice:${fakeHash("one")}\n`);
  const aclFile = tempFile(t, "user alice\ntopic a\n");
  const { chain } = openChain({ passwordFile, aclFile });
  let reloads = 0;
  chain.onReload = () => reloads++;
  writeFileSync(passwordFile, `alice:${fakeHash("two")}\n`);
  writeFileSync(aclFile, "user alice\ntopic a/#/b\n");
  await assert.rejects(
    chain.reload(authConfig({ passwordFile, aclFile })),
    /:2: .*no topic filter/,
  );
  assert.equal((await chain.authenticate(login("alice", "one"))).kind, "success");
  assert.equal((await chain.authenticate(login("alice", "two"))).kind, "reject");
  assert.equal(chain.authorize(identity("alice"), AuthAction.PUBLISH, "a", 0, false), true);
  assert.deepEqual([chain.generation, reloads], [1, 0]);
});

test("auth chain: a provider of the operator that refuses to reload keeps the built-in ones too", async (t) => {
  const passwordFile = tempFile(t, `alice:${fakeHash("one")}\n`);
  const reload = () => Promise.reject(new Error("database away"));
  const { chain } = openChain({ passwordFile }, { extraProviders: [provider({ reload })] });
  writeFileSync(passwordFile, `alice:${fakeHash("two")}\n`);
  await assert.rejects(chain.reload(authConfig({ passwordFile })), /database away/);
  assert.equal((await chain.authenticate(login("alice", "one"))).kind, "success");
});

test("auth chain: reload can switch providers on and off", async (t) => {
  const { chain } = openChain({ allowAnonymous: "all" });
  await chain.reload(authConfig({ aclFile: tempFile(t, "") }));
  assert.equal(chain.allowsEverything, false);
  assert.equal((await chain.authenticate(authRequest())).kind, "reject");
  await chain.reload(authConfig({ allowAnonymous: "all" }));
  assert.equal(chain.allowsEverything, true);
  assert.equal((await chain.authenticate(authRequest())).kind, "success");
});

test("auth chain: a login that a reload overtakes is decided by the new file", async (t) => {
  const passwordFile = tempFile(t, `alice:${fakeHash("one")}\n`);
  let finishHash = (): void => {};
  const { chain } = openChain(
    { passwordFile },
    {
      verifyPassword: async (hash, password) => {
        await new Promise<void>((resolve) => {
          finishHash = resolve;
        });
        return isFakeHashOf(hash, password) ? "match" : "mismatch";
      },
    },
  );
  const decision = chain.authenticate(login("alice", "one"));
  writeFileSync(passwordFile, `bob:${fakeHash("one")}\n`);
  await chain.reload(authConfig({ passwordFile }));
  finishHash();
  // The second hash is the decoy's, started by the question asked again.
  const started = finishHash;
  while (finishHash === started) await new Promise(setImmediate);
  finishHash();
  assert.equal((await decision).kind, "reject");
});

test("auth chain: failed logins count on over a reload", async (t) => {
  const passwordFile = tempFile(t, `alice:${fakeHash("one")}\n`);
  const { chain } = openChain({ passwordFile });
  for (let attempt = 0; attempt < 20; attempt++) {
    const decision = await chain.authenticate(login("alice", `guess ${attempt}`));
    assert.equal(decision.kind === "reject" && decision.reasonCode, 0x86);
  }
  await chain.reload(authConfig({ passwordFile }));
  const blocked = await chain.authenticate(login("alice", "one"));
  assert.equal(blocked.kind === "reject" && blocked.reasonCode, 0x9f);
});
