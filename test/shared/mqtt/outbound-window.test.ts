/** The window of outbound QoS 1 and 2 exchanges, against a Map. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  Awaiting,
  NO_PACKET_ID,
  OutboundWindow,
} from "../../../src/shared/mqtt/outbound-window.ts";

test("outbound window: identifiers are non-zero, in sequence, and wrap past 65535 [MQTT-2.2.1-4]", () => {
  const window = new OutboundWindow<string>(4);
  for (let expected = 1; expected <= 65_535; expected += 1) {
    assert.equal(window.take("m", Awaiting.PUBACK), expected);
    window.release(expected);
  }
  assert.equal(window.take("m", Awaiting.PUBACK), 1);
});

test("outbound window: an identifier in use is skipped when the sequence comes round", () => {
  const window = new OutboundWindow<string>(4);
  const held = window.take("held", Awaiting.PUBREC);
  for (let turn = 0; turn < 65_534; turn += 1) window.release(window.take("m", Awaiting.PUBACK));
  assert.equal(window.take("next", Awaiting.PUBACK), held + 1);
  assert.equal(window.value(held), "held");
});

test("outbound window: full at the receive maximum [MQTT-3.3.4-9]", () => {
  const window = new OutboundWindow<string>(2);
  window.take("a", Awaiting.PUBACK);
  const second = window.take("b", Awaiting.PUBACK);
  assert.equal(window.isFull, true);
  assert.equal(window.take("c", Awaiting.PUBACK), NO_PACKET_ID);
  window.release(second);
  assert.notEqual(window.take("c", Awaiting.PUBACK), NO_PACKET_ID);
});

test("outbound window: PUBREC lets the message go and keeps the identifier [MQTT-4.3.3-4]", () => {
  const window = new OutboundWindow<string>(2);
  const packetId = window.take("a", Awaiting.PUBREC);
  window.becomeReceived(packetId);
  assert.equal(window.awaiting(packetId), Awaiting.PUBCOMP);
  assert.equal(window.value(packetId), null);
  assert.equal(window.count, 1);
});

test("outbound window: behaves like a Map under random use, and lists exchanges oldest first", () => {
  const operation = fc.oneof(
    fc.constant({ kind: "take" as const, pick: 0 }),
    fc.record({ kind: fc.constant("release" as const), pick: fc.nat(1000) }),
  );
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 400 }),
      fc.integer({ min: 1, max: 90 }),
      (steps, limit) => {
        const window = new OutboundWindow<number>(limit);
        const model = new Map<number, number>();
        let serial = 0;
        for (const step of steps) {
          if (step.kind === "take") {
            const packetId = window.take(serial, Awaiting.PUBACK);
            assert.equal(packetId === NO_PACKET_ID, model.size >= limit);
            if (packetId !== NO_PACKET_ID) {
              assert.equal(model.has(packetId), false);
              model.set(packetId, serial);
            }
            serial += 1;
          } else if (model.size > 0) {
            const packetId = [...model.keys()][step.pick % model.size] ?? 0;
            window.release(packetId);
            model.delete(packetId);
            assert.equal(window.awaiting(packetId), Awaiting.NOTHING);
          }
          assert.equal(window.count, model.size);
        }
        const listed = window.entries().map((entry) => [entry.packetId, entry.value]);
        assert.deepEqual(listed, [...model.entries()]);
      },
    ),
  );
});
