/** Asking for addresses before workers do. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import test from "node:test";
import { ExitError } from "../../src/main/exit-code.ts";
import { listenFailure, probeListeners } from "../../src/main/probe-listeners.ts";
import { configFrom } from "./helpers.ts";

function listeners(urls: string) {
  return configFrom({ LISTENERS: urls }).config.listeners;
}

test("probe: a port that somebody has is 69 with address, listener and remedy", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  await assert.rejects(probeListeners(listeners(`mqtt://127.0.0.1:${port}`)), (error) => {
    assert.ok(error instanceof ExitError);
    assert.equal(error.exitCode, 69);
    const name = `mqtt://127.0.0.1:${port} (listener mqtt-${port})`;
    assert.ok(error.message.startsWith(`cannot listen on ${name}: the port is taken`));
    return true;
  });
});

test("probe: two listeners of one configuration on the same port are found", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  const both = listeners(`mqtt://127.0.0.1:${port},ws://127.0.0.1:${port}`);
  await assert.rejects(probeListeners(both), /ws:\/\/127\.0\.0\.1:\d+\/mqtt .*taken/);
  // Nothing of the probe is left behind.
  await probeListeners(listeners(`mqtt://127.0.0.1:${port}`));
});

test("probe: free ports are not asked for", async () => {
  await probeListeners(listeners("mqtt://192.0.2.1:0"));
});

test("probe: each cause has its remedy", () => {
  const cases = {
    EACCES: /above 1023/,
    EADDRNOTAVAIL: /does not have that address/,
    EAFNOSUPPORT: /no IPv6/,
    ENOTFOUND: /cannot be resolved/,
    EMFILE: /too many/,
  };
  for (const [code, expected] of Object.entries(cases)) {
    const error = Object.assign(new Error("too many open files"), { code });
    const failure = listenFailure("x", 1, error);
    assert.match(failure.message, expected);
    assert.equal(failure.cause, error);
  }
});
