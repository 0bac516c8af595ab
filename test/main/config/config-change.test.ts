/** What a reload changes. */

import assert from "node:assert/strict";
import test from "node:test";
import { compareConfigs, keepFixed } from "../../../src/main/config/config-change.ts";
import { configFrom } from "../helpers.ts";

test("config change: every changed key is named once, with whether it needs a restart", () => {
  const before = configFrom({ TENANTS__ACME__MAXIMUMQOS: "1" });
  const after = configFrom({
    WORKERS: "1",
    LIMITS__MAX_CONNECTIONS: "5",
    LISTENERS__0__PORT: "1884",
    LISTENERS__1__MAX_CONNECTIONS: "3",
    LISTENERS__2: "mqtt://:7",
    TENANTS__ACME__MAXIMUMQOS: "2",
  });
  const changes = compareConfigs(before.tree, after.tree);
  assert.deepEqual(
    changes.map(({ key, needsRestart }) => `${key}${needsRestart ? " restart" : ""}`).sort(),
    [
      "limits.max_connections",
      "listeners[0].id restart",
      "listeners[0].port restart",
      "listeners[1].max_connections",
      "listeners[2] restart",
      "tenants.acme.MaximumQoS",
      "workers restart",
    ],
  );
  assert.deepEqual(compareConfigs(before.tree, before.tree), []);
});

test("config change: what is fixed stays, the rest is taken over", () => {
  const before = configFrom({ NODE_NAME: "a" }).config;
  const after = configFrom({
    NODE_NAME: "b",
    WORKERS: "1",
    ADMIN__PORT: "1",
    LISTENERS__1__MAX_CONNECTIONS: "3",
    LISTENERS__1__PATH: "/other",
    AUTH__TIMEOUT_MS: "777",
    TENANTS__DEFAULTS__MAXIMUMQOS: "0",
  }).config;
  // By hand: a configuration with it loads only where the library does.
  const listeners = after.listeners.map((one) => ({ ...one, websocketEngine: "uws" as const }));
  const kept = keepFixed(before, { ...after, listeners });
  assert.equal(kept.nodeName, "a");
  assert.equal(kept.workers, 2);
  assert.equal(kept.admin.port, 8091);
  assert.equal(kept.listeners[1]?.maxConnections, 3);
  assert.equal(kept.listeners[1]?.path, "/mqtt");
  assert.equal(kept.listeners[1]?.websocketEngine, "builtin");
  assert.equal(kept.auth.timeoutMs, 777);
  assert.equal(kept.tenantDefaults.MaximumQoS, 0);
});

test("config change: listeners are matched by id; one that is gone stays until a restart", () => {
  const before = configFrom({ LISTENERS: "mqtt://:1,mqtt://:2" }).config;
  const after = configFrom({ LISTENERS: "mqtt://:2" }).config;
  assert.deepEqual(
    keepFixed(before, after).listeners.map(({ port }) => port),
    [1, 2],
  );
});
