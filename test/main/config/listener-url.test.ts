/** Listener URLs. */

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { listenerUrl, parseListenerUrl } from "../../../src/main/config/listener-url.ts";

test("listener url: parts that are written are read, others stay out", () => {
  const cases = {
    "mqtt://127.0.0.1:1884": { protocol: "mqtt", host: "127.0.0.1", port: 1884 },
    "mqtts://[::1]:0": { protocol: "mqtts", host: "::1", port: 0 },
    "WS://broker.example.org:80/a/b": {
      protocol: "ws",
      host: "broker.example.org",
      port: 80,
      path: "/a/b",
    },
    "wss://:8443": { protocol: "wss", port: 8443 },
    "mqtt://": { protocol: "mqtt" },
    "mqtt://host/": { protocol: "mqtt", host: "host" },
    "mqtt://[fe80::1%eth0]:1883": { protocol: "mqtt", host: "fe80::1%eth0", port: 1883 },
  };
  for (const [url, parts] of Object.entries(cases)) {
    assert.deepEqual(parseListenerUrl(url), parts, url);
  }
});

test("listener url: what is wrong is said", () => {
  const cases: Record<string, RegExp> = {
    "1883": /is not a listener URL; write PROTOCOL:\/\/HOST:PORT/,
    "mqtt:1883": /is not a listener URL/,
    "mqtt://::1:1883": /is not a listener URL/,
    "mqtt://h:port": /is not a listener URL/,
    "tcp://h": /unknown protocol "tcp".*did you mean "mqtt"\?/,
    "mqt://h": /unknown protocol "mqt".*did you mean "mqtt"\?/,
    "quic://h": /unknown protocol "quic" \(known: mqtt, mqtts, ws, wss\)$/,
    "mqtt://h:65536": /has port 65536; ports end at 65535/,
    "mqtt://h/mqtt": /only ws and wss/,
    "mqtt://user@h": /must not hold user names/,
  };
  for (const [url, expected] of Object.entries(cases)) {
    const result = parseListenerUrl(url);
    assert.match("problem" in result ? result.problem : "accepted", expected, url);
  }
});

test("listener url: writing and reading again gives the same parts", () => {
  const protocol = fc.constantFrom("mqtt", "mqtts", "ws", "wss" as const);
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  const path = fc.constantFrom("/", "/mqtt", "/a/b");
  fc.assert(
    fc.property(protocol, host, fc.nat(65_535), path, (aProtocol, aHost, port, aPath) => {
      const url = listenerUrl(aProtocol as "ws", aHost, port, aPath);
      const isWeb = aProtocol.startsWith("ws");
      const expected = {
        protocol: aProtocol,
        host: aHost,
        port,
        ...(isWeb ? { path: aPath } : {}),
      };
      assert.deepEqual(parseListenerUrl(url), expected);
    }),
  );
});

test("listener url: no text makes it throw", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const result = parseListenerUrl(text);
      assert.ok("problem" in result || "protocol" in result);
    }),
  );
});
