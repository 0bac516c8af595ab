import assert from "node:assert/strict";
import { test } from "node:test";
import { directOrigin } from "../../../src/workers/mqtt/accept-address.ts";
import {
  answerUpgrade,
  isListenerPath,
  upgradedOrigin,
} from "../../../src/workers/mqtt/ws-handshake.ts";

const RULES = { path: "/mqtt", allowedOrigins: ["https://app.example.org"] };
const ANY_ORIGIN = { path: "/mqtt", allowedOrigins: [] };

function statusOf(request: Partial<Parameters<typeof answerUpgrade>[0]>, rules = RULES): number {
  return answerUpgrade({ target: "/mqtt", protocols: "mqtt", origin: "", ...request }, rules)
    .status;
}

test("websocket upgrade: the path is exact, its query free", () => {
  assert.equal(statusOf({ target: "/mqtt" }), 101);
  assert.equal(statusOf({ target: "/mqtt?token=x" }), 101);
  for (const target of ["/", "", "/mqtt/", "/mqttx", "/MQTT", "//mqtt", "*", "?/mqtt"]) {
    assert.equal(statusOf({ target }), 404, target);
  }
});

test("websocket upgrade: a subprotocol of MQTT must be offered, and is named [MQTT-6.0.0-4]", () => {
  const protocolOf = (protocols: string): string | null => {
    const answer = answerUpgrade({ target: "/mqtt", protocols, origin: "" }, RULES);
    return answer.status === 101 ? answer.protocol : null;
  };
  assert.equal(protocolOf("mqtt"), "mqtt");
  assert.equal(protocolOf("mqttv3.1"), "mqttv3.1");
  assert.equal(protocolOf("chat, mqtt"), "mqtt");
  assert.equal(protocolOf("mqttv3.1,mqtt"), "mqttv3.1");
  for (const protocols of ["", "chat", "MQTT", "mqtt5", "mqtt;q=1", ","]) {
    assert.equal(protocolOf(protocols), null, protocols);
    assert.equal(statusOf({ protocols }), 400, protocols);
  }
});

test("websocket upgrade: a browser's origin must be on the list, if there is one", () => {
  assert.equal(statusOf({ origin: "https://app.example.org" }), 101);
  assert.equal(statusOf({ origin: "" }), 101);
  assert.equal(statusOf({ origin: "http://app.example.org" }), 403);
  assert.equal(statusOf({ origin: "https://app.example.org.evil.test" }), 403);
  assert.equal(statusOf({ origin: "null" }), 403);
  assert.equal(statusOf({ origin: "https://anywhere.test" }, ANY_ORIGIN), 101);
});

test("websocket upgrade: a foreign page in a local browser is no local client", () => {
  const isLocal = (origin: string, rules: typeof RULES = ANY_ORIGIN): boolean => {
    const answer = answerUpgrade({ target: "/mqtt", protocols: "mqtt", origin }, rules);
    assert.equal(answer.status, 101);
    const local = directOrigin("127.0.0.1", 40_000);
    return answer.status === 101 && upgradedOrigin(local, answer).isLoopback;
  };
  for (const origin of ["", "http://localhost:8080", "http://127.0.0.1", "https://[::1]:3000"]) {
    assert.equal(isLocal(origin), true, origin);
  }
  for (const origin of ["https://evil.test", "http://localhost.evil.test", "null", "file://"]) {
    assert.equal(isLocal(origin), false, origin);
  }
  assert.equal(isLocal("https://app.example.org", RULES), true, "the operator has listed it");
});

test("websocket upgrade: the path is checked before anything else is told", () => {
  assert.equal(statusOf({ target: "/x", origin: "https://evil.test", protocols: "" }), 404);
  assert.equal(isListenerPath("/mqtt?", "/mqtt"), true);
});
