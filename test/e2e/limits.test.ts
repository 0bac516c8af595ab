/**
 * Limits that protect the process from its clients: before CONNECT, at accept, and from readers
 * that hang.
 */

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const NOT_AUTHORIZED = 0x87;
const V3_NOT_AUTHORIZED = 0x05;
const CONNECT_TIMEOUT_MS = 400;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    workers: 2,
    config: {
      listeners: [
        { id: "tcp", protocol: "mqtt", host: "0.0.0.0", port: 0 },
        { id: "few", protocol: "mqtt", host: "127.0.0.1", port: 0, max_connections: 3 },
      ],
      limits: { connect_timeout_ms: CONNECT_TIMEOUT_MS, max_packet_size: 100_000 },
    },
  });
});
after(async () => {
  await broker.stop();
});

test("before CONNECT: a silent connection is closed in time", async () => {
  const client = await RawClient.open({ port: broker.port });
  const startMs = performance.now();
  await client.expectClose();
  assert.ok(performance.now() - startMs >= CONNECT_TIMEOUT_MS * 0.5, "closed too early");
});

test("before CONNECT: a CONNECT that trickles in is closed in time", async () => {
  const client = await RawClient.open({ port: broker.port });
  const connect = packets.connect({ clientId: "trickle" });
  let offset = 0;
  const timer = setInterval(() => {
    client.send(connect.subarray(offset, offset + 1));
    offset = Math.min(offset + 1, connect.length - 2);
  }, 50);
  await client.closed;
  clearInterval(timer);
});

test("before CONNECT: an announced packet of 256 MiB is refused at once [MQTT-4.13.1-1]", async () => {
  const client = await RawClient.open({ port: broker.port });
  client.send(packets.concat(packets.u8(0x10), packets.varint(268_435_455)));
  await client.closed;
});

test("before CONNECT: no more than 64 KiB are held, however many connections try", async () => {
  const name = "ratatosk_process_resident_memory_bytes";
  const residentBytes = async () => {
    const samples = await broker.metrics();
    return samples.find((sample) => sample.name.endsWith("resident_memory_bytes"))?.value ?? -1;
  };
  const start = await residentBytes();
  assert.ok(start > 0, `${name} is exported`);
  const head = packets.concat(packets.u8(0x10), packets.varint(90_000));
  const clients = await Promise.all(
    Array.from({ length: 100 }, () => RawClient.open({ port: broker.port })),
  );
  for (const client of clients) client.send(head, new Uint8Array(89_000));
  for (const client of clients) await client.closed;
  assert.ok((await residentBytes()) - start < 100 * 2 ** 20, "memory of refused connections");
});

test("CONNECT: larger than 64 KiB is refused, just below is read [MQTT-3.1.4-1]", async () => {
  const withProperties = (bytes: number) =>
    packets.connect({
      clientId: "large",
      properties: [packets.property.user("k", "v".repeat(bytes))],
    });
  const small = await RawClient.open({ port: broker.port });
  small.send(withProperties(50_000));
  assert.equal((await small.expect("connack")).reasonCode, 0);
  small.destroy();
  const large = await RawClient.open({ port: broker.port });
  large.send(withProperties(65_000), new Uint8Array(2_000));
  await large.closed;
});

test("packet size: a PUBLISH above the limit ends the connection with 0x95 [MQTT-3.2.2-15]", async () => {
  const client = await RawClient.connect({ port: broker.port });
  assert.equal(client.connack?.properties.maximumPacketSize, 100_000);
  client.send(packets.publish({ topic: "x", payload: new Uint8Array(100_001) }));
  await client.expectFault(0x95);
});

test("connections: a listener's limit holds, and a place becomes free again", async () => {
  const target = { port: broker.portOf("few") };
  const clients = await Promise.all(
    [0, 1, 2].map((index) => RawClient.connect(target, { clientId: `few-${index}` })),
  );
  const refused = await RawClient.open(target);
  await refused.closed;
  clients[0]?.destroy();
  const isLetIn = () =>
    RawClient.connect(target, { clientId: "few-next" }).then(
      (client) => {
        client.destroy();
        return true;
      },
      () => false,
    );
  await until(isLetIn, "the freed place");
  for (const client of clients) client.destroy();
});

function outsideAddress(): string | null {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (!address.internal && address.family === "IPv4") return address.address;
    }
  }
  return null;
}

const outside = outsideAddress();

test("anonymous clients: from loopback only [MQTT-3.1.4-2]", {
  skip: outside === null ? "this machine has no address beside loopback" : false,
}, async () => {
  const target = { port: broker.port, host: outside ?? "" };
  for (const [level, code] of [
    [5, NOT_AUTHORIZED],
    [4, V3_NOT_AUTHORIZED],
  ] as const) {
    const client = await RawClient.open(target, level);
    client.send(packets.connect({ level, clientId: "outsider" }));
    assert.equal((await client.expect("connack")).reasonCode, code);
    await client.expectClose();
  }
  const inside = await RawClient.connect({ port: broker.port }, { clientId: "insider" });
  inside.destroy();
});

test("accept rate: above it connections are refused, later ones are let in", async (context) => {
  const limits = { accept_rate_per_second: 20, accept_burst: 5 };
  const limited = await startBroker({ workers: 2, config: { limits } });
  context.after(() => limited.stop());
  const clients = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const client = await RawClient.open({ port: limited.port });
      client.send(packets.connect({ clientId: "" }));
      return client.next().catch(() => null);
    }),
  );
  const accepted = clients.filter((packet) => packet !== null).length;
  assert.ok(accepted >= 1 && accepted < 40, `${accepted} of 40 were let in`);
  const isLetIn = () =>
    RawClient.connect({ port: limited.port }, { clientId: "" }).then(
      () => true,
      () => false,
    );
  await until(isLetIn, "new tokens");
});
