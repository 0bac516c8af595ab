import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  PROXY_INCOMPLETE,
  PROXY_MALFORMED,
  ProxyHeader,
  parseProxyHeader,
} from "../../../src/workers/mqtt/proxy-protocol.ts";
import { proxyV2, sslTlv, tlv } from "./proxy-builder.ts";

interface Case {
  readonly name: string;
  readonly bytes: Buffer;
  readonly address: string;
  readonly port: number;
  readonly commonName?: string;
}

const V6_SOURCE = "20010db8000000000000000000000007";
const V6_TARGET = "20010db8000000000000000000000001";

const VALID: readonly Case[] = [
  {
    name: "v1 TCP4",
    bytes: Buffer.from("PROXY TCP4 203.0.113.7 198.51.100.1 50123 1883\r\n"),
    address: "203.0.113.7",
    port: 50_123,
  },
  {
    name: "v1 TCP6",
    bytes: Buffer.from("PROXY TCP6 2001:db8:0:0:0:0:0:7 2001:db8::1 0 65535\r\n"),
    address: "2001:db8::7",
    port: 0,
  },
  {
    name: "v1 TCP6 of the longest form",
    bytes: Buffer.from(
      `PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`,
    ),
    address: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    port: 65_535,
  },
  {
    name: "v1 TCP6 with an IPv4-mapped address",
    bytes: Buffer.from("PROXY TCP6 ::ffff:10.0.0.9 ::1 1 2\r\n"),
    address: "10.0.0.9",
    port: 1,
  },
  { name: "v1 UNKNOWN", bytes: Buffer.from("PROXY UNKNOWN\r\n"), address: "", port: 0 },
  {
    name: "v1 UNKNOWN with text behind",
    bytes: Buffer.from("PROXY UNKNOWN ffff::1 what ever\r\n"),
    address: "",
    port: 0,
  },
  {
    name: "v2 IPv4",
    bytes: proxyV2({ family: 1, body: "cb007107c6336401c3cb075b" }),
    address: "203.0.113.7",
    port: 50_123,
  },
  {
    name: "v2 IPv4 datagram",
    bytes: proxyV2({ family: 1, transport: 2, body: "cb007107c6336401c3cb075b" }),
    address: "203.0.113.7",
    port: 50_123,
  },
  {
    name: "v2 IPv6",
    bytes: proxyV2({ family: 2, body: `${V6_SOURCE}${V6_TARGET}c3cb075b` }),
    address: "2001:db8::7",
    port: 50_123,
  },
  {
    name: "v2 IPv6 loopback",
    bytes: proxyV2({ family: 2, body: `${"00".repeat(15)}01${V6_TARGET}c3cb075b` }),
    address: "::1",
    port: 50_123,
  },
  {
    name: "v2 Unix socket",
    bytes: proxyV2({ family: 3, body: "2f".repeat(216) }),
    address: "",
    port: 0,
  },
  { name: "v2 unspecified", bytes: proxyV2({ family: 0, body: "" }), address: "", port: 0 },
  {
    name: "v2 LOCAL ignores the addresses",
    bytes: proxyV2({ command: 0, family: 1, body: "7f000001c6336401c3cb075b" }),
    address: "",
    port: 0,
  },
  {
    name: "v2 with extensions",
    bytes: proxyV2({
      family: 1,
      body: "cb007107c6336401c3cb075b",
      tlvs: [tlv(0x02, Buffer.from("mqtt.example.org")), tlv(0x04, Buffer.alloc(0))],
    }),
    address: "203.0.113.7",
    port: 50_123,
  },
  {
    name: "v2 with a verified client certificate",
    bytes: proxyV2({
      family: 1,
      body: "cb007107c6336401c3cb075b",
      tlvs: [
        sslTlv(0x07, 0, [tlv(0x21, Buffer.from("TLSv1.3")), tlv(0x22, Buffer.from("sensor-ä"))]),
      ],
    }),
    address: "203.0.113.7",
    port: 50_123,
    commonName: "sensor-ä",
  },
  {
    name: "v2 with an unverified client certificate names nobody",
    bytes: proxyV2({
      family: 1,
      body: "cb007107c6336401c3cb075b",
      tlvs: [sslTlv(0x07, 1, [tlv(0x22, Buffer.from("mallory"))])],
    }),
    address: "203.0.113.7",
    port: 50_123,
  },
  {
    name: "v2 with TLS but no client certificate names nobody",
    bytes: proxyV2({
      family: 1,
      body: "cb007107c6336401c3cb075b",
      tlvs: [sslTlv(0x01, 0, [tlv(0x22, Buffer.from("mallory"))])],
    }),
    address: "203.0.113.7",
    port: 50_123,
  },
];

for (const { name, bytes, address, port, commonName } of VALID) {
  test(`proxy protocol: ${name} [PROXY §2]`, () => {
    const header = new ProxyHeader();
    assert.equal(parseProxyHeader(bytes, header), bytes.length);
    assert.equal(header.address, address);
    assert.equal(header.port, port);
    assert.equal(header.commonName, commonName ?? null);
    const followed = Buffer.concat([bytes, Buffer.from("\x10 PROXY \r\n")]);
    assert.equal(parseProxyHeader(followed, header), bytes.length, "bytes behind are not read");
  });

  test(`proxy protocol: ${name}, split at every byte, asks for more [PROXY §2]`, () => {
    const header = new ProxyHeader();
    for (let size = 0; size < bytes.length; size += 1) {
      assert.equal(parseProxyHeader(bytes.subarray(0, size), header), PROXY_INCOMPLETE, `${size}`);
    }
  });
}

const MALFORMED: readonly (readonly [string, Buffer])[] = [
  ["an MQTT CONNECT", Buffer.from("101000044d5154540402003c000461626364", "hex")],
  ["a TLS client hello", Buffer.from("1603010200010001fc0303", "hex")],
  ["an HTTP request", Buffer.from("GET /mqtt HTTP/1.1\r\n")],
  ["lower case", Buffer.from("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n")],
  ["a line feed alone", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n")],
  ["an unknown family", Buffer.from("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n")],
  ["an IPv6 address as TCP4", Buffer.from("PROXY TCP4 ::1 1.2.3.4 1 2\r\n")],
  ["an IPv4 address as TCP6", Buffer.from("PROXY TCP6 1.2.3.4 ::1 1 2\r\n")],
  ["a host name", Buffer.from("PROXY TCP4 localhost 1.2.3.4 1 2\r\n")],
  ["a short address", Buffer.from("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n")],
  ["a leading zero in a port", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n")],
  ["a port above 65535", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n")],
  ["a negative port", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n")],
  ["two spaces", Buffer.from("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n")],
  ["a missing port", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n")],
  ["a word too many", Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n")],
  ["107 bytes without a line end", Buffer.from(`PROXY UNKNOWN ${"x".repeat(93)}`)],
  ["a line end behind byte 107", Buffer.from(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`)],
  ["version 1 in binary", proxyV2({ version: 1, family: 1, body: "00".repeat(12) })],
  ["command 2", proxyV2({ command: 2, family: 1, body: "00".repeat(12) })],
  ["family 4", proxyV2({ family: 4, body: "00".repeat(12) })],
  ["IPv4 with 11 bytes", proxyV2({ family: 1, body: "00".repeat(11) })],
  ["IPv6 with 35 bytes", proxyV2({ family: 2, body: "00".repeat(35) })],
  ["a body beyond 4096 bytes", proxyV2({ family: 1, body: "00".repeat(4097) }).subarray(0, 16)],
  [
    "an extension of two bytes",
    proxyV2({ family: 1, body: "00".repeat(12), tlvs: [Buffer.alloc(2)] }),
  ],
  [
    "an extension longer than the header",
    proxyV2({ family: 1, body: "00".repeat(12), tlvs: [Buffer.from("0100ff00", "hex")] }),
  ],
  [
    "a TLS extension without its fixed part",
    proxyV2({ family: 1, body: "00".repeat(12), tlvs: [tlv(0x20, Buffer.alloc(4))] }),
  ],
  [
    "a TLS extension whose inner one is too long",
    proxyV2({
      family: 1,
      body: "00".repeat(12),
      tlvs: [sslTlv(0x07, 0, [Buffer.from("2200ff00", "hex")])],
    }),
  ],
];

for (const [name, bytes] of MALFORMED) {
  test(`proxy protocol: ${name} is refused [PROXY §2]`, () => {
    assert.equal(parseProxyHeader(bytes, new ProxyHeader()), PROXY_MALFORMED);
  });
}

test("proxy protocol: any bytes get an answer within 4112 bytes, and never an exception", () => {
  const prefixes = [
    Buffer.alloc(0),
    Buffer.from("PROXY "),
    proxyV2({ family: 1, body: "" }).subarray(0, 12),
  ];
  const input = fc.tuple(fc.constantFrom(...prefixes), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(input, ([prefix, tail]) => {
      const bytes = Buffer.concat([prefix, tail]);
      const size = parseProxyHeader(bytes, new ProxyHeader());
      assert.ok(size === PROXY_INCOMPLETE || size === PROXY_MALFORMED || size <= bytes.length);
      const padded = Buffer.concat([bytes, Buffer.alloc(16 + 4096)]);
      assert.notEqual(parseProxyHeader(padded, new ProxyHeader()), PROXY_INCOMPLETE);
    }),
  );
});
