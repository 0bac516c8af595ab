import assert from "node:assert/strict";
import { test } from "node:test";
import { directOrigin } from "../../../src/workers/mqtt/accept-address.ts";
import {
  acceptHead,
  answerHandshake,
  answerUpgrade,
  type HandshakeRequest,
  isListenerPath,
  refusalHead,
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

/** The example of RFC 6455 §1.3. */
const SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function handshakeStatus(parts: Partial<HandshakeRequest>): number {
  const request: HandshakeRequest = {
    method: "GET",
    target: "/mqtt",
    upgrade: "websocket",
    version: "13",
    key: SAMPLE_KEY,
    protocols: "mqtt",
    origin: "",
    ...parts,
  };
  return answerHandshake(request, RULES).status;
}

test("websocket upgrade: only a handshake of version 13 passes [RFC6455 §4.2.1]", () => {
  assert.equal(handshakeStatus({}), 101);
  assert.equal(handshakeStatus({ upgrade: "WebSocket" }), 101);
  assert.equal(handshakeStatus({ method: "POST" }), 405);
  for (const upgrade of ["", "h2c", "websocket, h2c"]) {
    assert.equal(handshakeStatus({ upgrade }), 400, upgrade);
  }
  for (const version of ["", "8", "14", "013", "13, 8"]) {
    assert.equal(handshakeStatus({ version }), 426, version);
  }
  const keys = [
    "",
    "short==",
    SAMPLE_KEY.slice(1),
    `${SAMPLE_KEY}=`,
    `${SAMPLE_KEY}, ${SAMPLE_KEY}`,
  ];
  for (const key of keys) assert.equal(handshakeStatus({ key }), 400, key);
});

test("websocket upgrade: the listener's rules come first", () => {
  assert.equal(handshakeStatus({ target: "/x", version: "8", method: "POST" }), 404);
  assert.equal(handshakeStatus({ protocols: "", key: "" }), 400);
});

test("websocket upgrade: the response proves that the key was read [RFC6455 §4.2.2]", () => {
  const lines = acceptHead(SAMPLE_KEY, "mqttv3.1").split("\r\n");
  assert.equal(lines[0], "HTTP/1.1 101 Switching Protocols");
  assert.ok(lines.includes("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  assert.ok(lines.includes("Sec-WebSocket-Protocol: mqttv3.1"));
  assert.deepEqual(lines.slice(-2), ["", ""]);
});

test("websocket upgrade: a refusal says what would have been right", () => {
  const versions = refusalHead(426, "text");
  assert.match(versions, /^HTTP\/1\.1 426 Upgrade Required\r\n/);
  assert.match(versions, /\r\nSec-WebSocket-Version: 13\r\n/);
  assert.match(versions, /\r\nContent-Length: 4\r\n\r\n$/);
  assert.match(refusalHead(405, ""), /\r\nAllow: GET\r\n/);
  assert.match(refusalHead(404, ""), /^HTTP\/1\.1 404 Not Found\r\nConnection: close\r\n/);
});
