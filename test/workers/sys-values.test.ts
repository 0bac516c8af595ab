/** From counters to the values of $SYS topics: names, sums over workers, moving averages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TenantCounters } from "../../src/workers/session/tenant.ts";
import {
  addCounters,
  type SysCounters,
  SysLoads,
  sysValues,
} from "../../src/workers/sys-values.ts";

function counters(fields: Partial<SysCounters> = {}): SysCounters {
  const stored = { retainedMessages: 0, retainedBytes: 0, storedSessions: 0, expiredSessions: 0 };
  return { ...new TenantCounters(), ...stored, ...fields };
}

const PROCESS = { version: "ratatosk version 1", uptimeSeconds: 61, heapBytes: 1000 };

/** What mosquitto publishes and dashboards and exporters read, below $SYS/broker/. */
const MOSQUITTO = [
  "version",
  "uptime",
  "bytes/received",
  "bytes/sent",
  "clients/total",
  "clients/maximum",
  "clients/connected",
  "clients/disconnected",
  "clients/expired",
  "clients/active",
  "clients/inactive",
  "connections/socket/count",
  "heap/current",
  "heap/maximum",
  "messages/received",
  "messages/sent",
  "messages/stored",
  "packet/out/count",
  "packet/out/bytes",
  "publish/messages/received",
  "publish/messages/sent",
  "publish/messages/dropped",
  "publish/bytes/received",
  "publish/bytes/sent",
  "retained messages/count",
  "store/messages/count",
  "store/messages/bytes",
  "subscriptions/count",
  "shared_subscriptions/count",
  ...[
    "messages/received",
    "messages/sent",
    "publish/received",
    "publish/sent",
    "publish/dropped",
    "bytes/received",
    "bytes/sent",
    "connections",
    "sockets",
  ].flatMap((load) => ["1min", "5min", "15min"].map((span) => `load/${load}/${span}`)),
];

test("$SYS values: mosquitto's names, all of them and each once", () => {
  const loads = new SysLoads();
  loads.update(counters(), 10_000);
  const topics = sysValues(counters(), loads, PROCESS).map(([topic]) => topic);
  assert.deepEqual([...topics].sort(), [...MOSQUITTO].sort());
});

test("$SYS values: clients are those connected, those stored and away, and the most seen at once", () => {
  const loads = new SysLoads();
  const values = (clientsConnected: number, storedSessions: number, storedConnected: number) =>
    new Map(
      sysValues(counters({ clientsConnected, storedSessions, storedConnected }), loads, PROCESS),
    );
  const first = values(5, 4, 1);
  assert.equal(first.get("clients/connected"), "5");
  assert.equal(first.get("clients/disconnected"), "3");
  assert.equal(first.get("clients/total"), "8");
  assert.equal(first.get("clients/maximum"), "5");
  assert.equal(values(2, 0, 0).get("clients/maximum"), "5");
  assert.equal(values(0, 1, 2).get("clients/disconnected"), "0", "reports of different moments");
  assert.equal(first.get("uptime"), "61 seconds");
});

test("$SYS values: numbers of several workers are added up", () => {
  const one = counters({ messagesSent: 1, retainedBytes: 10, subscriptions: 3 });
  const two = counters({ messagesSent: 2, retainedBytes: 20, clientsConnected: 7 });
  const sum = addCounters(addCounters(null, one), two);
  assert.deepEqual(
    [sum.messagesSent, sum.retainedBytes, sum.subscriptions, sum.clientsConnected],
    [3, 30, 3, 7],
  );
  assert.equal(one.messagesSent, 1, "its parts stay as they are");
});

test("$SYS loads: a steady rate is approached by each span at its own pace", () => {
  const loads = new SysLoads();
  const received = (topic: string) => {
    const entry = new Map(loads.entries()).get(`load/messages/received/${topic}`);
    return Number(entry);
  };
  // 5 messages in 10 seconds are 30 in a minute.
  let messagesReceived = 0;
  const run = (intervals: number, perInterval: number) => {
    for (let index = 0; index < intervals; index++) {
      messagesReceived += perInterval;
      loads.update(counters({ messagesReceived }), 10_000);
    }
  };
  run(6, 5);
  assert.equal(received("1min").toFixed(1), (30 * (1 - Math.exp(-1))).toFixed(1));
  assert.equal(received("5min").toFixed(1), (30 * (1 - Math.exp(-1 / 5))).toFixed(1));
  assert.equal(received("15min").toFixed(1), (30 * (1 - Math.exp(-1 / 15))).toFixed(1));
  run(600, 5);
  for (const span of ["1min", "5min", "15min"]) {
    assert.ok(Math.abs(received(span) - 30) < 0.1, `${span}: ${received(span)}`);
  }
  run(60, 0);
  assert.ok(received("1min") < 0.01 && received("15min") > 10, "and forgotten at its own pace");
});

test("$SYS loads: counters that go back, as when a worker is replaced, are no negative rate", () => {
  const loads = new SysLoads();
  loads.update(counters({ messagesSent: 1000 }), 10_000);
  loads.update(counters({ messagesSent: 10 }), 10_000);
  for (const [topic, value] of loads.entries()) assert.ok(Number(value) >= 0, `${topic} ${value}`);
});
