/** Environment variables as configuration. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { loadConfig } from "../../../src/main/config/load-config.ts";
import { ConfigError } from "../../../src/main/config/problem.ts";
import { configFrom, sources } from "../helpers.ts";

function refuses(environment: Record<string, string>, expected: RegExp): void {
  assert.throws(
    () => loadConfig(sources({ environment })),
    (error) => error instanceof ConfigError && expected.test(error.message),
  );
}

test("environment: RATATOSK_LISTENERS__0__PORT changes one listener and leaves the others", () => {
  const { config } = configFrom({ LISTENERS__0__PORT: "1884" });
  assert.deepEqual(
    config.listeners.map(({ protocol, port }) => [protocol, port]),
    [
      ["mqtt", 1884],
      ["ws", 8083],
    ],
  );
});

test("environment: the position after the last adds a listener, one beyond is an error", () => {
  const { config } = configFrom({ LISTENERS__2: "mqtt://127.0.0.1:7" });
  assert.equal(config.listeners[2]?.port, 7);
  refuses({ RATATOSK_LISTENERS__3: "mqtt://:7" }, /LISTENERS__3: listeners: positions leave a gap/);
});

test("environment: a list is separated by commas", () => {
  const { config } = configFrom({
    LISTENERS: "mqtt://:1, ws://:2",
    LISTENERS__1__ALLOWED_ORIGINS: "",
  });
  assert.deepEqual(
    config.listeners.map(({ port }) => port),
    [1, 2],
  );
});

test("environment: text becomes what the key wants", () => {
  const { config } = configFrom({
    ADMIN__ENABLED: "False",
    LIMITS__MAX_PACKET_SIZE: "1MiB",
    NODE_NAME: "17",
  });
  assert.equal(config.admin.enabled, false);
  assert.equal(config.limits.maxPacketSize, 2 ** 20);
  assert.equal(config.nodeName, "17");
});

test("environment: tenant settings and tenants, letter case aside", () => {
  const { config } = configFrom({
    TENANTS__DEFAULTS__MAXIMUMQOS: "1",
    TENANTS__ACME__MQTT3ENABLED: "false",
  });
  assert.equal(config.tenantDefaults.MaximumQoS, 1);
  assert.equal(config.tenants["acme"]?.MQTT3Enabled, false);
});

test("environment: an empty variable is not set", () => {
  assert.equal(configFrom({ WORKERS: "" }).config.workers, 2);
});

test("environment: ..._FILE reads the value from a file, unless the key itself ends in _file", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ratatosk-env-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "name"), "from-file\n");
  const { config } = configFrom({
    NODE_NAME_FILE: join(folder, "name"),
    AUTH__ACL_FILE: join(folder, "name"),
  });
  assert.equal(config.nodeName, "from-file");
  assert.equal(config.auth.aclFile, join(folder, "name"));
});

test("environment: a ..._FILE that cannot be read is an error", () => {
  refuses(
    { RATATOSK_NODE_NAME_FILE: "/nowhere/x" },
    /^environment RATATOSK_NODE_NAME_FILE: node_name: cannot read \/nowhere\/x/,
  );
});

test("environment: unknown names are warnings with a hint, because platforms add their own", () => {
  const { warnings } = configFrom({ WORKER: "3", PORT: "tcp://10.0.0.1:1883", TEST_HOOKS: "1" });
  assert.deepEqual(warnings, [
    "environment RATATOSK_PORT: no such key; ignored",
    "environment RATATOSK_WORKER: no such key; did you mean RATATOSK_WORKERS?; ignored",
  ]);
});

test("environment: text for a block names the variable's proper form", () => {
  refuses(
    { RATATOSK_LOG: "x" },
    /RATATOSK_LOG: log: "x" stands for a block; set RATATOSK_LOG__KEY/,
  );
});

test("environment: a list and one of its entries at once is an error", () => {
  refuses(
    { RATATOSK_LISTENERS: "mqtt://:1", RATATOSK_LISTENERS__0__PORT: "2" },
    /RATATOSK_LISTENERS__0__PORT: listeners\[0\]\.port: another variable already sets/,
  );
});
