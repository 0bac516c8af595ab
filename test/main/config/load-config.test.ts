/** The configuration as a whole: precedence, every form of error message, what the threads get. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { type ConfigSources, loadConfig } from "../../../src/main/config/load-config.ts";
import { ConfigError } from "../../../src/main/config/problem.ts";
import { DEFAULT_TENANT_SETTINGS } from "../../../src/shared/tenant/tenant-settings.ts";
import { configFrom, sources, TEST_CONTEXT } from "../helpers.ts";

/** A folder with these files, and sources that read ratatosk.yaml there. */
function withFile(t: TestContext, yaml: string, parts: Partial<ConfigSources> = {}) {
  const cwd = mkdtempSync(join(tmpdir(), "ratatosk-config-"));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  writeFileSync(join(cwd, "ratatosk.yaml"), yaml);
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);
  return { cwd, write, sources: sources({ file: "ratatosk.yaml", cwd, ...parts }) };
}

/** The lines of the error that loading must end with. */
function linesOf(from: ConfigSources): readonly string[] {
  try {
    loadConfig(from);
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
  return assert.fail("the configuration was accepted");
}

test("config: without any source there is mqtt, WebSocket, and loopback only for strangers", () => {
  const { config, warnings } = loadConfig(sources({ cwd: "/srv" }));
  assert.deepEqual(
    config.listeners.map(({ id, protocol, host, port, path }) => [id, protocol, host, port, path]),
    [
      ["mqtt-1883", "mqtt", "::", 1883, ""],
      ["ws-8083", "ws", "::", 8083, "/mqtt"],
    ],
  );
  assert.equal(config.auth.allowAnonymous, "loopback");
  assert.equal(config.workers, TEST_CONTEXT.availableCores);
  assert.equal(config.nodeName, TEST_CONTEXT.hostName);
  assert.equal(config.dataDir, "/srv/data");
  assert.deepEqual(config.admin, { enabled: true, host: "127.0.0.1", port: 8091 });
  assert.equal(config.log.format, "json");
  assert.deepEqual(config.tenantDefaults, DEFAULT_TENANT_SETTINGS);
  assert.deepEqual(warnings, []);
});

test("config: a machine without IPv6 listens on 0.0.0.0 by default", () => {
  const context = { ...TEST_CONTEXT, hasIpv6: false };
  const { config } = loadConfig(sources({ context }));
  assert.deepEqual(new Set(config.listeners.map(({ host }) => host)), new Set(["0.0.0.0"]));
});

test("config: the log is pretty on a terminal, unless told otherwise", () => {
  const context = { ...TEST_CONTEXT, isTerminal: true };
  assert.equal(loadConfig(sources({ context })).config.log.format, "pretty");
  const flags = { log_format: "json" };
  assert.equal(loadConfig(sources({ context, flags })).config.log.format, "json");
});

test("config: it is frozen at every level", () => {
  const { config } = configFrom();
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.listeners[0]));
  assert.ok(Object.isFrozen(config.tenantDefaults) && Object.isFrozen(config.auth));
});

test("config: defaults < file < environment < options", (t) => {
  const { sources: from } = withFile(
    t,
    "workers: 3\nnode_name: file\nlog: {level: warn}\nsys_interval_seconds: 7\n",
    {
      environment: { RATATOSK_WORKERS: "4", RATATOSK_NODE_NAME: "environment" },
      flags: { workers: 5 },
    },
  );
  const { config } = loadConfig(from);
  assert.equal(config.workers, 5);
  assert.equal(config.nodeName, "environment");
  assert.equal(config.log.level, "warn");
  assert.equal(config.sysIntervalSeconds, 7);
  assert.equal(config.shutdown.timeoutMs, 10_000);
});

test("config: listeners may be URLs or blocks; left out parts take their protocol's defaults", (t) => {
  const { sources: from } = withFile(
    t,
    `listeners:
  - mqtt://127.0.0.1
  - url: ws://0.0.0.0:9001/broker
    id: web
    allowed_origins: [https://app.example.org]
  - {port: 0, max_connections: 10}
  - protocol: mqtt
    host: "::1"
    proxy_protocol: required
`,
  );
  const { config } = loadConfig(from);
  assert.deepEqual(config.listeners[0], {
    id: "mqtt-1883",
    protocol: "mqtt",
    host: "127.0.0.1",
    port: 1883,
    tls: null,
    path: "",
    allowedOrigins: [],
    websocketEngine: "builtin",
    proxyProtocol: "none",
    maxConnections: 0,
  });
  assert.equal(config.listeners[1]?.id, "web");
  assert.equal(config.listeners[1]?.path, "/broker");
  assert.deepEqual(config.listeners[1]?.allowedOrigins, ["https://app.example.org"]);
  assert.deepEqual(
    [config.listeners[2]?.id, config.listeners[2]?.host, config.listeners[2]?.maxConnections],
    ["mqtt-0", "::", 10],
  );
  // The name made from protocol and port is taken by the first.
  assert.equal(config.listeners[3]?.id, "mqtt-1883-2");
  assert.equal(config.listeners[3]?.proxyProtocol, "required");
});

test("config: --listen replaces the listeners of the file", (t) => {
  const { sources: from } = withFile(t, "listeners: [mqtt://:1, mqtt://:2]", {
    flags: { listeners: ["ws://[::1]:9/x"] },
  });
  const { config } = loadConfig(from);
  assert.deepEqual(
    config.listeners.map(({ protocol, host, port, path }) => [protocol, host, port, path]),
    [["ws", "::1", 9, "/x"]],
  );
});

test("config: anonymous clients are refused by default once there are users", (t) => {
  const { sources: from, write } = withFile(t, "auth: {password_file: users}");
  write("users", "");
  const { config } = loadConfig(from);
  assert.equal(config.auth.allowAnonymous, "none");
});

test("config: relative files start at the folder of the configuration, options at the current one", (t) => {
  const { sources: from, cwd, write } = withFile(t, "auth: {acl_file: ./acl}\ndata_dir: state\n");
  write("acl", "");
  const elsewhere = { ...from, cwd: "/", file: join(cwd, "ratatosk.yaml") };
  const { config } = loadConfig(elsewhere);
  assert.equal(config.auth.aclFile, join(cwd, "acl"));
  assert.equal(config.dataDir, join(cwd, "state"));
  assert.equal(loadConfig({ ...elsewhere, flags: { data_dir: "d" } }).config.dataDir, "/d");
});

test("config: tenants inherit tenants.defaults, which inherit ours", (t) => {
  const { sources: from } = withFile(
    t,
    "tenants:\n  defaults: {MaximumQoS: 1, MaxTopicLevels: 16}\n  acme: {MaximumQoS: 2}\n",
  );
  const { tenantDefaults, tenants } = loadConfig(from).config;
  assert.equal(tenantDefaults.MaximumQoS, 1);
  assert.deepEqual(Object.keys(tenants), ["acme"]);
  assert.equal(tenants["acme"]?.MaximumQoS, 2);
  assert.equal(tenants["acme"]?.MaxTopicLevels, 16);
  assert.equal(tenants["acme"]?.RetainEnabled, true);
});

test("config: bytes may carry a unit", (t) => {
  const { sources: from } = withFile(
    t,
    "limits: {max_packet_size: 64KiB, process_output_bytes: 2 GiB, tenant_output_bytes: 1048576}",
  );
  const { limits } = loadConfig(from).config;
  assert.equal(limits.maxPacketSize, 65_536);
  assert.equal(limits.processOutputBytes, 2 ** 31);
  assert.equal(limits.tenantOutputBytes, 2 ** 20);
});

test("config: an empty file, a comment and keys without value are all defaults", (t) => {
  for (const yaml of ["", "# nothing\n", "workers:\nauth:\n  acl_file:\nlisteners:\n"]) {
    const { sources: from } = withFile(t, yaml);
    assert.equal(loadConfig(from).config.listeners.length, 2, JSON.stringify(yaml));
  }
});

/** YAML, and the one line of the error that it must produce. */
const MISTAKES: readonly (readonly [string, string])[] = [
  ["wrkers: 1", 'ratatosk.yaml:1: wrkers: unknown key; did you mean "workers"?'],
  [
    "\n\npassword_file: x",
    "ratatosk.yaml:3: password_file: unknown key; did you mean auth.password_file?",
  ],
  [
    "shutdown:\n  grace: 5",
    "ratatosk.yaml:2: shutdown.grace: unknown key; known: timeout_ms, disconnects_per_second",
  ],
  ["workers: many", 'ratatosk.yaml:1: workers: "many" is not a whole number from 0 to 62'],
  ["workers: 1.5", "ratatosk.yaml:1: workers: 1.5 is not a whole number from 0 to 62"],
  ["workers: 65", "ratatosk.yaml:1: workers: 65 is not a whole number from 0 to 62"],
  [
    'admin:\n  port: "80"',
    'ratatosk.yaml:2: admin.port: "80" is not a whole number from 0 to 65535',
  ],
  [
    "limits: {max_packet_size: 1TiB}",
    'ratatosk.yaml:1: limits.max_packet_size: "1TiB" is not a whole number from 256 to 268435460, or such a number with KiB, MiB or GiB',
  ],
  ["admin: {enabled: ja}", 'ratatosk.yaml:1: admin.enabled: "ja" is not true or false'],
  [
    "log: {level: wran}",
    'ratatosk.yaml:1: log.level: "wran" is not one of info, debug, warn, error, silent; did you mean "warn"?',
  ],
  [
    "log: loud",
    'ratatosk.yaml:1: log: "loud" is not a block of keys (the log, on standard output)',
  ],
  [
    "listeners: mqtt://:1",
    'ratatosk.yaml:1: listeners: "mqtt://:1" is not a list (where clients connect; left out: mqtt://[::]:1883 and ws://[::]:8083/mqtt)',
  ],
  [
    "listeners: []",
    "ratatosk.yaml:1: listeners: the list is empty; leave the key out for the default",
  ],
  [
    "listeners:\n  - mqtt://:1\n  - tcp://:2",
    'ratatosk.yaml:3: listeners[1].url: "tcp://:2" has unknown protocol "tcp" (known: mqtt, mqtts, ws, wss); did you mean "mqtt"?',
  ],
  [
    "listeners: [{url: 'mqtt://:1', port: 2}]",
    'ratatosk.yaml:1: listeners[0].url: "mqtt://:1" says the same as key "port"; keep one of them',
  ],
  [
    "listeners: [{id: a, port: 1}, {id: a, port: 2}]",
    'ratatosk.yaml:1: listeners[1].id: "a" is taken by listeners[0]',
  ],
  [
    "listeners:\n  - mqtts://:8883",
    "ratatosk.yaml:2: listeners[0]: mqtts needs a certificate; add tls: {cert_file: ..., key_file: ...} to it, or at the top for all",
  ],
  [
    "listeners: [{path: /x}]",
    "ratatosk.yaml:1: listeners[0].path: only ws and wss listeners have this key; remove it",
  ],
  [
    "listeners: [{protocol: ws, path: x}]",
    'ratatosk.yaml:1: listeners[0].path: "x" is not a valid text (WebSocket only: request path; left out: /mqtt)',
  ],
  [
    "listeners: [{protocol: ws, websocket_engine: ws}]",
    'ratatosk.yaml:1: listeners[0].websocket_engine: "ws" is not one of builtin, uws; did you mean "uws"?',
  ],
  [
    "listeners: [{websocket_engine: uws}]",
    "ratatosk.yaml:1: listeners[0].websocket_engine: only ws and wss listeners have this key; remove it",
  ],
  [
    "listeners:\n  - protocol: ws\n    websocket_engine: uws\n    proxy_protocol: required",
    "ratatosk.yaml:3: listeners[0].websocket_engine: uws cannot do the PROXY protocol; remove the key, or use builtin",
  ],
  [
    "tls: {key_file: k}",
    'ratatosk.yaml:1: tls: key "cert_file" is missing: certificate chain, PEM, the server\'s own first',
  ],
  ["auth: {acl_file: nope}", 'ratatosk.yaml:1: auth.acl_file: "CWD/nope": there is no such file'],
  [
    "auth: {acl_file: ''}",
    "ratatosk.yaml:1: auth.acl_file: must not be empty; leave the key out for the default",
  ],
  [
    "tenants:\n  a/b: {}",
    'ratatosk.yaml:2: tenants.a/b: "a/b" is not a tenant id; use at most 64 letters, digits, _, - and ., not beginning with a dot',
  ],
  [
    "tenants:\n  acme: {MaximumQos: 1}",
    'ratatosk.yaml:2: tenants.acme.MaximumQos: unknown key; did you mean "MaximumQoS"?',
  ],
  [
    "tenants:\n  acme:\n    MaximumQoS: 3",
    "ratatosk.yaml:3: tenants.acme.MaximumQoS: 3 is not a whole number from 0 to 2",
  ],
  ["workers: 1\nworkers: 2", "ratatosk.yaml:2: Map keys must be unique"],
  ["- a\n- b", "ratatosk.yaml:1: the file must hold keys and values"],
  [
    "node_name: ${NOT_SET_ANYWHERE}",
    "ratatosk.yaml:1: variable NOT_SET_ANYWHERE is not set; set it, or give a default: ${NOT_SET_ANYWHERE:-value}",
  ],
];

for (const [yaml, line] of MISTAKES) {
  test(`config: mistake in a file is named with place and remedy: ${JSON.stringify(yaml)}`, (t) => {
    const { sources: from, cwd } = withFile(t, yaml);
    assert.deepEqual(linesOf(from), [line.replace("CWD", cwd)]);
  });
}

test("config: all mistakes are named at once", (t) => {
  const { sources: from } = withFile(t, "wrkers: 1\nlog: {level: x}\n", {
    environment: { RATATOSK_ADMIN__PORT: "-1" },
    flags: { workers: 99 },
  });
  assert.deepEqual([...linesOf(from)].sort(), [
    "environment RATATOSK_ADMIN__PORT: admin.port: -1 is not a whole number from 0 to 65535",
    "option --workers: workers: 99 is not a whole number from 0 to 62",
    'ratatosk.yaml:1: wrkers: unknown key; did you mean "workers"?',
    'ratatosk.yaml:2: log.level: "x" is not one of info, debug, warn, error, silent',
  ]);
});

test("config: a file that cannot be read is named", () => {
  assert.deepEqual(linesOf(sources({ file: "nowhere.yaml", cwd: "/srv" })), [
    "nowhere.yaml: cannot read the configuration file (ENOENT)",
  ]);
});

test("config: a key named __proto__ is an unknown key and changes nothing else", (t) => {
  const { sources: from } = withFile(t, '{"__proto__": {"polluted": true}}');
  assert.match(linesOf(from).join(), /ratatosk\.yaml:1: __proto__: unknown key/);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("config: small files that expand to gigabytes are refused", (t) => {
  const levels = Array.from({ length: 12 }, (_, level) => {
    const items =
      level === 0
        ? "1,1,1,1,1,1,1,1"
        : Array(8)
            .fill(`*a${level - 1}`)
            .join(",");
    return `a${level}: &a${level} [${items}]`;
  });
  const { sources: from } = withFile(t, levels.join("\n"));
  assert.match(linesOf(from).join(), /alias/i);
});
