/**
 * TLS and secure WebSocket as a client sees them: round trips, server names, client certificates,
 * refusals.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { CertificateAuthority } from "../helpers/certs.ts";
import { withDeadline } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const authority = new CertificateAuthority();
const stranger = new CertificateAuthority("Somebody else");
const server = authority.issue({ commonName: "broker", altNames: ["localhost", "127.0.0.1"] });
const named = authority.issue({ commonName: "named", altNames: ["mqtt.example.org"] });
const device = authority.issue({ commonName: "device-1", usage: "client" });
const forged = stranger.issue({ commonName: "device-1", usage: "client" });

const TLS = {
  cert_file: "server.crt",
  key_file: "server.key",
  sni: { "mqtt.example.org": { cert_file: "named.crt", key_file: "named.key" } },
};
const LOCAL = { host: "127.0.0.1", port: 0 };

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    config: {
      listeners: [
        { id: "tcp", protocol: "mqtt", ...LOCAL },
        { id: "tls", protocol: "mqtts", ...LOCAL, tls: TLS },
        { id: "wss", protocol: "wss", ...LOCAL, tls: TLS },
        {
          id: "mutual",
          protocol: "mqtts",
          ...LOCAL,
          tls: { ...TLS, ca_file: "ca.crt", client_certificate: "required" },
        },
      ],
    },
    files: {
      "server.crt": server.cert,
      "server.key": server.key,
      "named.crt": named.cert,
      "named.key": named.key,
      "ca.crt": authority.cert,
    },
  });
});
after(async () => {
  await broker.stop();
});

function target(listener: string, tls: ConnectionOptions = {}) {
  const transport = listener === "wss" ? "wss" : "tls";
  const options = { ca: authority.cert, ...tls };
  return { port: broker.portOf(listener), transport, tls: options } as const;
}

for (const listener of ["tls", "wss"]) {
  test(`${listener}: large and small messages both ways [MQTT-6.0.0-1]`, async () => {
    const secure = await RawClient.connect(target(listener), { clientId: `${listener}-1` });
    const plain = await RawClient.connect({ port: broker.port }, { clientId: `${listener}-2` });
    await secure.subscribe(`${listener}/in`, 2);
    await plain.subscribe(`${listener}/out`, 2);
    for (const size of [1, 1_000, 300_000]) {
      const payload = "z".repeat(size);
      await plain.publish({ topic: `${listener}/in`, qos: 2, payload });
      await secure.expectPublish(payload);
      await secure.publish({ topic: `${listener}/out`, qos: 1, payload });
      await plain.expectPublish(payload);
    }
    secure.destroy();
    plain.destroy();
  });
}

test("tls: the certificate fits the server name asked for", async () => {
  const names: string[] = [];
  for (const servername of ["localhost", "mqtt.example.org", "unknown.example.org"]) {
    const socket = connectTls({
      port: broker.portOf("tls"),
      host: "127.0.0.1",
      ca: authority.cert,
      servername,
      checkServerIdentity: () => undefined,
    });
    const connected = new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
    await withDeadline(connected, "the TLS handshake");
    names.push(String(socket.getPeerCertificate().subject.CN));
    socket.destroy();
  }
  assert.deepEqual(names, ["broker", "named", "broker"]);
});

test("tls: a client certificate is required where configured, and must be the authority's", async () => {
  const trusted = target("mutual", { cert: device.cert, key: device.key });
  const client = await RawClient.connect(trusted, { clientId: "device-1" });
  await client.expectQuiet();
  client.destroy();
  for (const tls of [{}, { cert: forged.cert, key: forged.key }]) {
    const refused = await RawClient.open(target("mutual", tls)).catch(() => null);
    if (refused === null) continue;
    // TLS 1.3: the client learns of the refusal only when it reads.
    refused.send(packets.connect({ clientId: "device-1" }));
    await refused.expectClose();
  }
});

test("tls: plain MQTT on a TLS port is closed, TLS on a plain port too", async () => {
  const plain = await RawClient.open({ port: broker.portOf("tls") });
  plain.send(packets.connect({ clientId: "plain" }));
  await plain.closed;
  const handshake = RawClient.open({
    port: broker.port,
    transport: "tls",
    tls: { ca: authority.cert },
  });
  await assert.rejects(handshake);
});

test("tls: versions before 1.2 are refused", async () => {
  const old = {
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
  } as const;
  await assert.rejects(RawClient.open(target("tls", old)));
});
