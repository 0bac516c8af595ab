/** Connects in portions: how many per duty cycle, in which order, and that none is forgotten. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTS_PER_CYCLE, ConnectQueue } from "../../../src/workers/session/connect-queue.ts";
import { SessionWorld } from "./session-world.ts";

test("connect queue: a portion begins at once, the rest in later cycles, in order", () => {
  let cyclesAsked = 0;
  const queue = new ConnectQueue(() => {
    cyclesAsked += 1;
  });
  const begun: number[] = [];
  const total = CONNECTS_PER_CYCLE * 2 + 1;
  for (let index = 0; index < total; index += 1) queue.admit(() => begun.push(index));
  assert.equal(begun.length, CONNECTS_PER_CYCLE);
  assert.ok(cyclesAsked > 0, "a cycle will come for those who wait");
  queue.handleCycle();
  assert.equal(begun.length, CONNECTS_PER_CYCLE * 2);
  cyclesAsked = 0;
  queue.admit(() => begun.push(total));
  assert.equal(queue.size, 2, "nobody overtakes who waits");
  assert.ok(cyclesAsked > 0);
  queue.handleCycle();
  assert.deepEqual(
    begun,
    Array.from({ length: total + 1 }, (_none, index) => index),
  );
});

test("connect queue: who begins counts against the portion of its cycle", () => {
  const queue = new ConnectQueue(() => {});
  let begun = 0;
  const admit = () => queue.admit(() => (begun += 1));
  for (let index = 0; index < CONNECTS_PER_CYCLE + 1; index += 1) admit();
  queue.handleCycle();
  for (let index = 0; index < CONNECTS_PER_CYCLE; index += 1) admit();
  assert.equal(begun, CONNECTS_PER_CYCLE * 2);
  assert.equal(queue.size, 1);
});

test("connect: a storm within one cycle is let in, every client of it", async () => {
  const world = new SessionWorld();
  const clients = await Promise.all(
    Array.from({ length: CONNECTS_PER_CYCLE * 3 }, (_none, index) =>
      world.connect({ clientId: `client-${index}` }),
    ),
  );
  for (const client of clients) assert.equal(client.isClosed, false);
});
