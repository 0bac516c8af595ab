/** Whose CONNECT is read: portions, the order, silent connections, and connections that go. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConnectTurns,
  type Newcomer,
  READ_AT_ONCE,
} from "../../../src/workers/session/connect-turns.ts";
import { Phase } from "../../../src/workers/session/session-state.ts";
import * as packets from "../../helpers/packets.ts";
import { SessionWorld } from "./session-world.ts";

class FakeNewcomer implements Newcomer {
  phase: Phase = Phase.AWAIT_CONNECT;
  isPaused = false;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}

function fixture() {
  const timers: (() => void)[] = [];
  const asked = { cycles: 0 };
  const turns = new ConnectTurns(
    () => {
      asked.cycles += 1;
    },
    (_delayMs, act) => timers.push(act),
  );
  const enter = (count: number) => {
    const newcomers = Array.from({ length: count }, () => new FakeNewcomer());
    for (const newcomer of newcomers) turns.enter(newcomer);
    return newcomers;
  };
  const tick = () => {
    for (const act of timers.splice(0)) act();
  };
  return { turns, timers, asked, enter, tick };
}

function indexesRead(newcomers: readonly FakeNewcomer[]): number[] {
  return [...newcomers.keys()].filter((index) => newcomers[index]?.isPaused === false);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_none, index) => from + index);
}

test("connect turns: a portion is read, the next come in order as places get free", () => {
  const { turns, asked, enter } = fixture();
  const all = enter(READ_AT_ONCE + 10);
  assert.deepEqual(indexesRead(all), range(0, READ_AT_ONCE));
  for (const newcomer of all.slice(0, 3)) {
    newcomer.phase = Phase.OPENING;
    turns.leave(newcomer);
    turns.leave(newcomer);
  }
  assert.ok(asked.cycles > 0, "a cycle will come for those who wait");
  assert.deepEqual(indexesRead(all), range(0, READ_AT_ONCE), "not before the next cycle");
  turns.handleCycle();
  assert.deepEqual(indexesRead(all), range(0, READ_AT_ONCE + 3));
  assert.equal(turns.waitingCount, 7);
});

test("connect turns: nobody overtakes who waits", () => {
  const { turns, enter } = fixture();
  const [first] = enter(READ_AT_ONCE);
  const [waiting] = enter(1);
  turns.leave(first!);
  const [late] = enter(1);
  assert.deepEqual([waiting?.isPaused, late?.isPaused], [true, true]);
  turns.handleCycle();
  assert.deepEqual([waiting?.isPaused, late?.isPaused], [false, true]);
});

test("connect turns: who is gone while it waits takes nobody's place", () => {
  const { turns, enter } = fixture();
  const all = enter(READ_AT_ONCE + 3);
  const [gone, next] = all.slice(READ_AT_ONCE);
  gone!.phase = Phase.CLOSED;
  turns.leave(gone!);
  turns.leave(all[0]!);
  turns.handleCycle();
  assert.equal(next?.isPaused, false);
  assert.equal(turns.waitingCount, 1);
});

test("connect turns: silent connections make room for one that waits behind many of them", () => {
  const { turns, tick, enter } = fixture();
  const silent = enter(READ_AT_ONCE * 10);
  const [speaker] = enter(1);
  let ticks = 0;
  while (speaker!.isPaused) {
    tick();
    ticks += 1;
    assert.ok(indexesRead(silent).length <= READ_AT_ONCE, "no more at once than ever");
    assert.ok(ticks <= 20, "at most two ticks for each portion before it");
  }
  assert.equal(turns.waitingCount, READ_AT_ONCE * 9 + 1, "the silent ones are not forgotten");
  const seen = new Set<number>();
  for (let more = 0; more < 22; more += 1) {
    for (const index of indexesRead(silent)) seen.add(index);
    tick();
  }
  assert.equal(seen.size, silent.length, "each has its turn again");
});

test("connect turns: who has sent its CONNECT keeps its place however long it waits for us", () => {
  const { tick, enter } = fixture();
  const all = enter(READ_AT_ONCE + 1);
  all[0]!.phase = Phase.OPENING;
  for (let ticks = 0; ticks < 5; ticks += 1) tick();
  assert.equal(all[0]!.isPaused, false);
});

test("connect turns: the clock stops when nobody waits", () => {
  const { turns, timers, tick, enter } = fixture();
  const all = enter(READ_AT_ONCE);
  assert.equal(timers.length, 0);
  enter(1);
  assert.equal(timers.length, 1);
  turns.leave(all[0]!);
  turns.handleCycle();
  tick();
  assert.equal(timers.length, 0);
});

test("connect: a client is served behind ever so many silent connections, which time out", async () => {
  const world = new SessionWorld();
  const silent = Array.from({ length: READ_AT_ONCE * 3 }, () => world.open());
  const client = world.open();
  assert.equal(client.transport.isReading, false, "its turn has not come");
  // A step of this clock, 250 ms, is a tick of the turns.
  for (let ticks = 0; !client.transport.isReading; ticks += 1) {
    await world.advance(250);
    assert.ok(ticks < 8, "at most two ticks for each portion before it");
  }
  client.send(packets.connect({}));
  await world.settle();
  client.takeConnack();
  await world.advance(world.config.limits.connectTimeoutMs);
  assert.ok(silent.every((one) => one.isClosed));
});
