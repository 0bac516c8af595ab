/** Memory of waiting messages is bounded: per session, per tenant, per process. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import * as packets from "../../helpers/packets.ts";
import { property } from "../../helpers/packets.ts";
import { SessionWorld } from "./session-world.ts";

const KIB = 1024;
const payload = "x".repeat(32 * KIB);
const COUNT = 64;
/** What fits one MiB of 32 KiB messages with their overhead. */
const FITS = 31;

for (const limit of ["sessionQueueBytes", "tenantQueueBytes", "processQueueBytes"] as const) {
  for (const kind of ["transient", "stored"] as const) {
    test(`queue budget: ${limit} bounds what waits for a ${kind} session that acknowledges nothing`, async () => {
      const world = new SessionWorld({
        limits: { [limit]: KIB * KIB, connectionOutputBytes: KIB * KIB * 16 },
      });
      const properties = [property.receiveMaximum(1)];
      if (kind === "stored") properties.push(property.sessionExpiry(60));
      const hog = await world.connect({ clientId: "hog", properties });
      await hog.subscribe("a", 1);
      const publisher = await world.connect({ clientId: "publisher" });
      for (let index = 0; index < COUNT; index++) {
        publisher.send(
          packets.publish({ topic: "a", payload, qos: 1, packetId: publisher.nextId() }),
        );
        world.run();
      }
      await world.settle();
      const dropped = world.count(Counter.DROPPED_QUEUE_FULL);
      const kept = COUNT - dropped;
      assert.ok(kept >= FITS - 2 && kept <= FITS + 2, `${kept} kept`);
    });
  }
}

for (const limit of ["tenantQueueBytes", "processQueueBytes"] as const) {
  test(`queue budget: ${limit} is no smaller for one transient session with more workers, and one for all`, async () => {
    const world = new SessionWorld({
      workers: 4,
      limits: { [limit]: KIB * KIB, connectionOutputBytes: KIB * KIB * 16 },
    });
    const properties = [property.receiveMaximum(1)];
    const hogs = [1, 2, 3, 4].map((thread) => {
      return world.connect({ clientId: `hog-${thread}`, properties }, thread);
    });
    for (const [index, hog] of (await Promise.all(hogs)).entries()) {
      await hog.subscribe(`${index}`, 1);
    }
    const publisher = await world.connect({ clientId: "publisher" });
    const publish = (topic: string) => {
      publisher.send(packets.publish({ topic, payload, qos: 1, packetId: publisher.nextId() }));
      world.run();
      return world.count(Counter.DROPPED_QUEUE_FULL);
    };
    let kept = 0;
    while (publish("0") === 0) kept += 1;
    assert.ok(kept >= FITS - 1 && kept <= FITS + 1, `${kept} kept for one`);
    const before = world.count(Counter.DROPPED_QUEUE_FULL);
    // The first of each is in its window.
    for (const topic of ["1", "2", "3"]) for (let left = 0; left < 3; left++) publish(topic);
    assert.equal(world.count(Counter.DROPPED_QUEUE_FULL) - before, 6);
  });
}

test("queue budget: limits that are reloaded hold for stored sessions that are there", async () => {
  const world = new SessionWorld({ limits: { sessionQueueBytes: KIB * KIB } });
  const fields = { clientId: "away", properties: [property.sessionExpiry(60)] };
  const away = await world.connect(fields);
  await away.subscribe("a", 1);
  await away.lose();
  const publisher = await world.connect({ clientId: "publisher" });
  const keptOf = async (count: number) => {
    const before = world.count(Counter.DROPPED_QUEUE_FULL);
    for (let index = 0; index < count; index++) {
      publisher.publish({ topic: "a", payload, qos: 1, packetId: publisher.nextId() });
      world.run();
    }
    await world.settle();
    return count - (world.count(Counter.DROPPED_QUEUE_FULL) - before);
  };
  const kept = await keptOf(COUNT);
  world.reloadLimits({ sessionQueueBytes: 2 * KIB * KIB });
  const more = await keptOf(COUNT);
  assert.ok(Math.abs(more - kept) <= 1, `${more} more after ${kept}`);
  world.reloadLimits({ tenantQueueBytes: KIB * KIB });
  assert.equal(await keptOf(1), 0);
});
