/** What a run of stored sessions makes of a server, or of a machine, that lets it down. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { untilDone, untilStill } from "../../../bench/load/generator-run.ts";
import type { LoadShape } from "../../../bench/load/load-shape.ts";
import { StoredRun } from "../../../bench/load/stored-run.ts";

const SHAPE: LoadShape = {
  pattern: "fan-out",
  publishers: 1,
  subscribers: 2,
  filters: 0,
  qos: 2,
  payloadBytes: 64,
  protocolVersion: 4,
  pace: { kind: "closed", window: 2 },
  isPersistent: true,
};

test("stored run: a connection that is closed instead of answered is told at once", async () => {
  const server = createServer((socket) => socket.once("data", () => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const target = { host: "127.0.0.1", port, transport: "tcp", ca: "", pid: process.pid } as const;
  const task = { kind: "stored", shape: SHAPE, target, prefix: "x", drained: null } as const;
  const run = new StoredRun({ ...task, stallMs: 60_000 });
  await assert.rejects(run.prepare(), /closed before it was answered/);
  server.close();
});

/** A process that is stopped for an hour between any two looks at the clock. */
function stopAgainAndAgain(now: (name: "now", read: () => number) => void): void {
  let clockMs = 0;
  now("now", () => {
    clockMs += 3_600_000;
    return clockMs;
  });
}

test("untilDone: time in which this process was stopped is no standstill", async (t) => {
  stopAgainAndAgain((name, read) => t.mock.method(performance, name, read));
  let looks = 0;
  await untilDone(
    () => ++looks > 5,
    () => 0,
    20_000,
    "waiting",
  );
  assert.equal(looks, 6);
});

test("untilStill: time in which this process was stopped is no standstill", async (t) => {
  stopAgainAndAgain((name, read) => t.mock.method(performance, name, read));
  let looks = 0;
  const isDone = () => ++looks > 5;
  const limits = { stallMs: 5000, limitMs: 20_000 };
  assert.equal(await untilStill({ isDone, progress: () => 0, ...limits }), true);
  assert.equal(looks, 6);
});
