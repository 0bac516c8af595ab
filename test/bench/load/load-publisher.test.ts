/** The publisher's book of what is in flight: losses at QoS 0 must not close it for ever. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { publishTemplate } from "../../../bench/load/client-codec.ts";
import type { LoadConnection } from "../../../bench/load/load-connection.ts";
import { LoadPublisher } from "../../../bench/load/load-publisher.ts";
import { blankPayload } from "../../../bench/load/payload.ts";

/** More than an open loop's publisher keeps in mind. */
const MANY = 70_000;
const KEPT = 65_536;

function publisher(qos: number, window = 0): LoadPublisher {
  const connection = { gather: () => {} } as unknown as LoadConnection;
  return new LoadPublisher(connection, {
    index: 0,
    route: { topic: "t", digitsAt: -1, variants: 1, firstVariant: 0 },
    template: publishTemplate("t", blankPayload(16), { qos, protocolVersion: 4 }),
    payloadBytes: 16,
    qos,
    receivers: 1,
    window,
    onAcknowledged: null,
  });
}

function publishMany(one: LoadPublisher, count: number): void {
  for (let index = 0; index < count; index += 1) one.publishAt(index);
}

test("load publisher: at QoS 0 a delivery that never comes does not stop an open loop", () => {
  const one = publisher(0);
  publishMany(one, 1);
  for (let sequence = 1; sequence < MANY; sequence += 1) {
    publishMany(one, 1);
    assert.equal(one.takeDelivery(sequence), true);
  }
  assert.equal(one.published, MANY);
  assert.equal(one.waiting, 0);
  assert.equal(one.inFlight, 0, "what was lost is not waited for");
});

test("load publisher: at QoS 0 a delivery that comes very late still counts, once it is known", () => {
  const one = publisher(0);
  publishMany(one, MANY);
  assert.equal(one.published, MANY);
  assert.equal(one.inFlight, KEPT);
  assert.equal(one.takeDelivery(0), true);
  assert.equal(one.takeDelivery(MANY - 1), true);
  assert.equal(one.takeDelivery(MANY - 1), false, "the same again is a repeat");
});

test("load publisher: at QoS 1 nothing is given up, publishes wait for their turn", () => {
  const one = publisher(1);
  one.sendQuota = 2;
  publishMany(one, 3);
  assert.equal(one.published, 2);
  assert.equal(one.waiting, 1);
  assert.equal(one.takeDelivery(0), true);
  one.takeHandshake(1);
  one.fill();
  assert.equal(one.published, 3);
  assert.equal(one.takeDelivery(0), false);
});

test("load publisher: a closed loop never has more than its window in flight, losses or not", () => {
  const one = publisher(0, 4);
  one.fill();
  assert.equal(one.published, 4);
  for (let sequence = 1; sequence < 4; sequence += 1) one.takeDelivery(sequence);
  one.fill();
  assert.equal(one.published, 7);
  assert.equal(one.inFlight, 4);
});
