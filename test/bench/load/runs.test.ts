/**
 * The runs about connections, retained messages and transports in smoke size. No figures are
 * judged.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Contender, RunningServer } from "../../../bench/contenders/contender.ts";
import { mosquitto } from "../../../bench/contenders/mosquitto.ts";
import { aedes } from "../../../bench/contenders/node-server.ts";
import { ratatosk } from "../../../bench/contenders/ratatosk.ts";
import type { ConnectTask } from "../../../bench/load/connect-run.ts";
import type { GeneratorTask } from "../../../bench/load/generator-task.ts";
import type { LoadResult, LoadShape, LoadTarget } from "../../../bench/load/load-shape.ts";
import { runGenerators, runGroups } from "../../../bench/load/run-generators.ts";
import type { CaseRun } from "../../../bench/suite/case.ts";
import { connectTasks } from "../../../bench/suite/connect-tasks.ts";
import { skipWithoutMosquitto } from "../../helpers/mosquitto.ts";

const OURS = ratatosk({ workers: 2, profileDirectory: "" });
const SHAPE: LoadShape = {
  pattern: "pairs",
  publishers: 2,
  subscribers: 2,
  filters: 0,
  qos: 1,
  payloadBytes: 64,
  protocolVersion: 4,
  pace: { kind: "closed", window: 2 },
  isPersistent: false,
};
const TIMED = { warmUpMs: 20, measureMs: 120 };

let broker: RunningServer;

before(async () => {
  broker = await OURS.start("tcp");
});
after(async () => {
  await broker.stop();
});

async function withServer<T>(
  contender: Contender,
  transport: "tcp" | "tls" | "ws",
  use: (target: LoadTarget) => Promise<T>,
): Promise<T> {
  const server = await contender.start(transport);
  try {
    return await use(server.target);
  } finally {
    await server.stop();
  }
}

function assertComplete(result: LoadResult): void {
  const { expected, received, ...faults } = result.check;
  // Over the whole run: on a busy machine the measured part of it may be too short for any.
  assert.ok(received > 0);
  assert.equal(received, expected);
  assert.deepEqual(faults, { lost: 0, repeated: 0, disordered: 0, corrupt: 0 });
}

function load(target: LoadTarget, changes: Partial<LoadShape> = {}): GeneratorTask {
  return { kind: "load", target, prefix: "t", frozen: null, shape: { ...SHAPE, ...changes } };
}

function connect(target: LoadTarget): ConnectTask {
  return {
    kind: "connect",
    target,
    prefix: "c",
    connections: 40,
    pace: { kind: "closed", window: 8 },
    protocolVersion: 5,
    subscribes: true,
    connectIn: "window",
    delayMs: 0,
    settleMs: 20,
  };
}

for (const transport of ["tls", "ws"] as const) {
  test(`load over ${transport}: everything arrives once, long payloads too`, async () => {
    await withServer(OURS, transport, async (target) => {
      assertComplete(await runGenerators([load(target, { payloadBytes: 70_000 })], target, TIMED));
    });
  });
}

test("connect: every client is accepted and stays", async () => {
  const { target } = broker;
  const result = await runGenerators([connect(target)], target, { warmUpMs: 0, measureMs: null });
  assertComplete(result);
  assert.equal(result.operations, 40);
  assert.ok((result.figures["connects per second"] ?? 0) > 0);
});

test("connect: with more processes than clients, nobody waits for nothing", async () => {
  const { target } = broker;
  const { connections, ...rest } = connect(target);
  const one = { parameters: { pace: rest.pace, protocolVersion: 5 }, server: broker, settleMs: 20 };
  const tasks = connectTasks({ ...one, processes: 2 } as unknown as CaseRun, 1, {});
  assert.deepEqual(
    tasks.map((task) => task.connections),
    [1],
  );
  const uneven = connectTasks({ ...one, processes: 3 } as unknown as CaseRun, connections, {});
  assert.deepEqual(
    uneven.map((task) => task.connections),
    [14, 13, 13],
  );
  const result = await runGenerators(tasks, target, { warmUpMs: 0, measureMs: null });
  assertComplete(result);
});

test("connect beside a load: the load goes on until all are connected", async () => {
  const { target } = broker;
  const groups = [[load(target)], [connect(target)]];
  const results = await runGroups(groups, target, TIMED);
  results.forEach(assertComplete);
});

test("idle: bytes per connection are told", async () => {
  const { target } = broker;
  const task: ConnectTask = { ...connect(target), connectIn: "prepare" };
  const result = await runGenerators([task], target, TIMED);
  assertComplete(result);
  assert.ok(Number.isFinite(result.figures["bytes per connection"]));
});

test("take-over: the old connection is told and closed, the new one stays [MQTT-3.1.4-3]", async () => {
  const { target } = broker;
  const task: GeneratorTask = {
    kind: "takeover",
    target,
    prefix: "o",
    clients: 7,
    window: 3,
    protocolVersion: 5,
  };
  const result = await runGenerators([task], target, TIMED);
  assertComplete(result);
  assert.equal(result.figures["told 0x8E"], result.check.expected);
});

test("retained: every new subscriber gets every message once [MQTT-3.3.1-6]", async () => {
  const { target } = broker;
  const task: GeneratorTask = {
    kind: "retained",
    target,
    prefix: "r",
    messages: 100,
    window: 2,
    qos: 1,
    payloadBytes: 64,
    protocolVersion: 5,
  };
  assertComplete(await runGenerators([task], target, TIMED));
});

test("frozen subscriber: the others get everything, and their latency is told apart", async () => {
  const { target } = broker;
  const task = {
    ...load(target, {
      pattern: "fan-out",
      subscribers: 4,
      qos: 0,
      pace: { kind: "open", publishesPerSecond: 1000 },
    }),
    frozen: { afterMs: 100, forMs: 80 },
  } as GeneratorTask;
  const result = await runGenerators([task], target, { warmUpMs: 20, measureMs: 250 });
  assertComplete(result);
  assert.ok(Number.isFinite(result.figures["p99 before the freeze, us"]));
  assert.ok(Number.isInteger(result.figures["missed by the frozen one"]));
});

test("sanity: the mqtt package sees every message once, shared subscriptions too", async () => {
  const { target } = broker;
  for (const changes of [{ qos: 2 }, { pattern: "shared" }] as const) {
    const shape = { ...SHAPE, ...changes };
    const task: GeneratorTask = { kind: "sanity", target, prefix: "s", shape };
    assertComplete(await runGenerators([task], target, TIMED));
  }
});

test("take-over, retained: a broker that dies ends the run with one line that says so", async () => {
  const takeover = { kind: "takeover", prefix: "o", clients: 3, window: 2 } as const;
  const retained = {
    kind: "retained",
    prefix: "r",
    messages: 20,
    window: 2,
    qos: 1,
    payloadBytes: 64,
  } as const;
  for (const kind of [takeover, retained]) {
    const server = await aedes.start("tcp");
    const { target } = server;
    const task: GeneratorTask = { ...kind, target, protocolVersion: 4 };
    const watch = { opens: () => server.stop(), closed: () => Promise.resolve() };
    const run = runGenerators([task], target, { ...TIMED, watch });
    await assert.rejects(run, /generator, finish: Error: .*: closed before/, kind.kind);
  }
});

test("contenders: ours tells how late its workers' event loops were since it was asked", async () => {
  const { loopDelay } = broker;
  assert.ok(loopDelay);
  loopDelay.reset();
  const first = await loopDelay.read();
  assert.deepEqual(Object.keys(first), ["event loop delay p99, us", "event loop delay max, us"]);
  for (const micros of Object.values(first)) assert.ok(micros >= 0 && Number.isFinite(micros));
  const { target } = broker;
  const during = await runGenerators([load(target)], target, TIMED);
  assertComplete(during);
  const { "event loop delay max, us": later = -1 } = await loopDelay.read();
  assert.ok(later >= (first["event loop delay max, us"] ?? 0), "not reset, so it cannot shrink");
});

test("load: where nobody listens any more, that is said at once", async () => {
  const server = await aedes.start("tcp");
  const { target } = server;
  await server.stop();
  const run = runGenerators([load(target)], target, TIMED);
  await assert.rejects(
    run,
    /generator, prepare: Error: connections closed while they were set up: \d/,
  );
});

test("contenders: of ours that was killed, event-loop delays are not waited for", async () => {
  const server = await OURS.start("tcp");
  process.kill(server.target.pid, "SIGKILL");
  assert.deepEqual(await server.loopDelay?.read(), {});
  await server.stop();
});

test("contenders: aedes is served over all transports", async () => {
  for (const transport of ["tcp", "tls", "ws"] as const) {
    await withServer(aedes, transport, async (target) => {
      assertComplete(await runGenerators([load(target)], target, TIMED));
    });
  }
});

test("contenders: mosquitto is served over all transports", {
  skip: skipWithoutMosquitto,
}, async () => {
  for (const transport of ["tcp", "tls", "ws"] as const) {
    await withServer(mosquitto, transport, async (target) => {
      assertComplete(await runGenerators([load(target)], target, TIMED));
    });
  }
});
