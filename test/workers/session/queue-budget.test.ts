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
