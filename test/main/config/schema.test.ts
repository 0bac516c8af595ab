/** The published schema and the reference page follow the definition. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { loadConfig } from "../../../src/main/config/load-config.ts";
import { ConfigError } from "../../../src/main/config/problem.ts";
import { publishedSchema } from "../../../src/main/config/published-schema.ts";
import { redact } from "../../../src/main/config/redact.ts";
import { configReference } from "../../../src/main/config/reference.ts";
import { TENANT_SETTINGS } from "../../../src/shared/tenant/tenant-settings.ts";
import { sources } from "../helpers.ts";

const ROOT = new URL("../../../../", import.meta.url);

const validate = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(
  publishedSchema(),
);

test("published schema: accepts what a file may hold", () => {
  const files = [
    {},
    { listeners: ["mqtt://:1883", { protocol: "ws", port: 1 }] },
    { limits: { max_packet_size: "16MiB" } },
    { limits: { max_packet_size: 1000 } },
    { tenants: { defaults: { MaximumQoS: 1 }, acme: { RetainEnabled: false } } },
    { auth: { password_file: "users" }, tls: { cert_file: "c", key_file: "k" } },
  ];
  for (const file of files) {
    assert.ok(validate(file), JSON.stringify([file, validate.errors]));
  }
});

test("published schema: refuses what a file may not hold", () => {
  const files = [
    { wrkers: 1 },
    { listeners: ["tcp://x"] },
    { listeners: [{ prot: "ws" }] },
    { limits: { max_packet_size: "16 apples" } },
    { tls: { cert_file: "c" } },
    { tenants: { acme: { MaximumQoS: 3 } } },
  ];
  for (const file of files) assert.ok(!validate(file), JSON.stringify(file));
});

test("published schema: every key has a description", () => {
  const missing: string[] = [];
  const visit = (schema: Record<string, unknown>, path: string) => {
    for (const [key, child] of Object.entries((schema["properties"] ?? {}) as object)) {
      if (child.description === undefined) missing.push(`${path}.${key}`);
      visit(child, `${path}.${key}`);
    }
  };
  visit(publishedSchema(), "");
  assert.deepEqual(missing, []);
});

test("reference: the page in docs is the generated one, and has every tenant setting", () => {
  const page = configReference();
  for (const name of Object.keys(TENANT_SETTINGS)) {
    assert.ok(page.includes(`\`tenants.defaults.${name}\``), name);
  }
  const committed = readFileSync(new URL("docs/configuration.md", ROOT), "utf8");
  assert.equal(committed, page, "run: ratatosk config schema --markdown > docs/configuration.md");
});

test("redact: values of secrets are hidden, names of files are not", () => {
  const shown = redact({
    cluster_key: "abc",
    tls: { key_file: "/k.pem" },
    users: [{ password: "x", name: "y" }],
    port: 1,
  });
  assert.deepEqual(shown, {
    cluster_key: "***",
    tls: { key_file: "/k.pem" },
    users: [{ password: "***", name: "y" }],
    port: 1,
  });
});

test("examples: are valid but for the files that only a real site has", () => {
  for (const name of ["ratatosk.yaml", "behind-load-balancer.yaml"]) {
    const file = fileURLToPath(new URL(`examples/${name}`, ROOT));
    assert.throws(
      () => loadConfig(sources({ file, environment: {} })),
      (error) => {
        assert.ok(error instanceof ConfigError);
        for (const line of error.lines) assert.match(line, /there is no such file$/);
        return true;
      },
    );
  }
});
