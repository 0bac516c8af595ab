import assert from "node:assert/strict";
import { test } from "node:test";
import { AnonymousProvider } from "../../../src/workers/auth/anonymous-provider.ts";
import { authRequest, login } from "./auth-fixtures.ts";

const SUCCESS = { kind: "success", tenantId: "home", userId: "" };
const NEXT = { kind: "next" };

test("anonymous provider: from loopback only, or from everywhere", () => {
  const local = authRequest({ remoteAddress: "127.0.0.1", isLoopback: true });
  const remote = authRequest();
  assert.deepEqual(new AnonymousProvider("loopback", "home", false).authenticate(local), SUCCESS);
  assert.deepEqual(new AnonymousProvider("loopback", "home", false).authenticate(remote), NEXT);
  assert.deepEqual(new AnonymousProvider("all", "home", false).authenticate(remote), SUCCESS);
});

test("anonymous provider: who brings a user name is not anonymous, not even an empty one", () => {
  const provider = new AnonymousProvider("all", "home", false);
  assert.deepEqual(provider.authenticate(login("alice", "x")), NEXT);
  assert.deepEqual(provider.authenticate(authRequest({ username: "" })), NEXT);
  assert.deepEqual(provider.authenticateExtended(), NEXT);
});

test("anonymous: without configured credentials a user name is ignored, the client is still nobody", () => {
  const provider = new AnonymousProvider("loopback", "home", true);
  const outcome = provider.authenticate(authRequest({ username: "left over", isLoopback: true }));
  assert.deepEqual(outcome, { kind: "success", tenantId: "home", userId: "" });
  const remote = authRequest({ username: "left over", isLoopback: false });
  assert.deepEqual(provider.authenticate(remote), NEXT);
});
