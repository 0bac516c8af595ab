/** Listeners that ask for a library. */

import assert from "node:assert/strict";
import test from "node:test";
import { checkEngines } from "../../../src/main/config/check-engines.ts";
import type { ConfigProblem } from "../../../src/main/config/problem.ts";
import { loadUws } from "../../../src/platform/uws-binding.ts";
import { configFrom } from "../helpers.ts";

function withEngines(...engines: ("builtin" | "uws")[]): Parameters<typeof checkEngines>[0] {
  const [listener] = configFrom({ LISTENERS: "ws://:1" }).tree.listeners;
  return { listeners: engines.map((engine) => ({ ...listener!, websocket_engine: engine })) };
}

test("websocket engine: without its binary every listener that wants it is named, with a remedy", () => {
  const problems: ConfigProblem[] = [];
  checkEngines(withEngines("builtin", "uws", "uws"), () => false, problems);
  assert.deepEqual(
    problems.map(({ path }) => path),
    [
      ["listeners", 1, "websocket_engine"],
      ["listeners", 2, "websocket_engine"],
    ],
  );
  assert.match(problems[0]!.text, /no binary for Node v\d+.*; install one .*, or use builtin$/);
});

test("websocket engine: the library is loaded only for a listener that wants it", () => {
  const problems: ConfigProblem[] = [];
  checkEngines(withEngines("builtin"), () => assert.fail("not to be asked"), problems);
  checkEngines(withEngines("uws"), () => true, problems);
  assert.deepEqual(problems, []);
});

test("websocket engine: a configuration that wants the library passes exactly where it loads", () => {
  const load = () =>
    configFrom({
      LISTENERS__0__URL: "ws://:1",
      LISTENERS__0__WEBSOCKET_ENGINE: "uws",
    });
  if (loadUws() === null) assert.throws(load, /listeners\[0\]\.websocket_engine: uWebSockets\.js/);
  else assert.equal(load().config.listeners[0]?.websocketEngine, "uws");
});
