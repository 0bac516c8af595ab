/** Reason codes that come from one packet and leave in another. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  connackReasonCode,
  disconnectReasonCode,
  REASON_CODES,
} from "../../../src/shared/mqtt/reason-code.ts";

test("reason code: whatever the cause, a DISCONNECT carries a code that it may carry [MQTT-3.14.2-1]", () => {
  // MQTT5 §3.14.2.1, those that a server sends.
  const allowed = new Set([
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95,
    0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ]);
  for (const { code } of REASON_CODES) {
    if (code === 0x04) continue;
    const sent = disconnectReasonCode(code);
    assert.ok(allowed.has(sent), `0x${code.toString(16)} leaves as 0x${sent.toString(16)}`);
    if (allowed.has(code)) assert.equal(sent, code);
  }
  assert.equal(disconnectReasonCode(0x86), 0x87);
  assert.equal(disconnectReasonCode(0x88), 0x89);
  assert.equal(disconnectReasonCode(0xff), 0x80);
});

test("reason code: whatever a provider says, a CONNACK that refuses carries a code that refuses [MQTT-3.2.2-8]", () => {
  const allowed = new Set([
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
  ]);
  for (let code = 0; code < 256; code++) {
    const sent = connackReasonCode(code);
    assert.equal(sent, allowed.has(code) ? code : 0x80, `0x${code.toString(16)}`);
  }
});
