/** What a person sees after a start. */

import assert from "node:assert/strict";
import test from "node:test";
import { startBanner, tryLines, whoMayConnect } from "../../src/main/banner.ts";
import { configFrom } from "./helpers.ts";

test("banner: says what listens where, who may connect, and what to try", () => {
  const { config } = configFrom({ LISTENERS__0__PORT: "0", NODE_NAME: "n1" });
  const text = startBanner(config, { "mqtt-0": 41_234, "ws-8083": 8083 }, 8091);
  assert.match(text, /Ratatosk \S+ on n1, 2 workers/);
  assert.match(text, /listening {2}mqtt:\/\/\[::\]:41234\n {13}ws:\/\/\[::\]:8083\/mqtt\n/);
  assert.match(text, /clients {4}anonymous from this machine only; set auth\.password_file/);
  assert.match(text, /admin {6}http:\/\/127\.0\.0\.1:8091 /);
  assert.match(text, /mosquitto_pub -h localhost -p 41234 -t hello\/world -m 'It works'/);
});

test("banner: commands fit the listener and the users", () => {
  const env = { LISTENERS: "ws://:1,mqtt://10.0.0.1:1884", AUTH__ALLOW_ANONYMOUS: "none" };
  const lines = tryLines(configFrom(env).config, {});
  assert.equal(lines[0], "mosquitto_sub -h 10.0.0.1 -p 1884 -u USER -P PASSWORD -t 'hello/#' -v");
  assert.deepEqual(tryLines(configFrom({ LISTENERS: "ws://:1" }).config, {}), []);
});

test("banner: who may connect, in words", () => {
  const all = configFrom({ AUTH__ALLOW_ANONYMOUS: "all" }).config;
  assert.equal(whoMayConnect(all), "anonymous from everywhere; fit for tests only");
  const file = new URL(import.meta.url).pathname;
  const users = configFrom({ AUTH__PASSWORD_FILE: file }).config;
  assert.equal(whoMayConnect(users), `no anonymous; users of ${file}`);
});

test("banner: without admin server it says so", () => {
  const { config } = configFrom({ ADMIN__ENABLED: "false" });
  assert.match(startBanner(config, {}, -1), /admin {6}off\n/);
});
