import assert from "node:assert/strict";
import { test } from "node:test";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { InboundOrigins } from "../../../src/workers/session/inbound-origins.ts";

function publisher() {
  const origins = new InboundOrigins({ incarnation: 7, epoch: 1 }, [], false);
  const publish = new BorrowedPublish();
  return { origins, next: (packetId: number) => origins.next(packetId, publish, false) };
}

test("inbound origins: a refused publish may be repeated until a later PUBREL [MQTT-4.3.3-10]", () => {
  const { origins, next } = publisher();
  next(1);
  origins.refuse(1);
  // Its client may have lost the connection, and the refusal with it.
  assert.equal(next(2).settled, 0);
  origins.settle(2);
  assert.equal(next(3).settled, 2);
});

test("inbound origins: a PUBREL says nothing of refusals behind its own PUBREC", () => {
  const { origins, next } = publisher();
  next(1);
  next(2);
  origins.refuse(2);
  origins.settle(1);
  assert.equal(next(3).settled, 1);
});

test("inbound origins: an identifier that is used anew is refused no more", () => {
  const { origins, next } = publisher();
  next(1);
  origins.refuse(1);
  next(1);
  next(2);
  origins.settle(2);
  assert.equal(next(3).settled, 1);
});
