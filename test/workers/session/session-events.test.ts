/**
 * Log events: one per step of a client's life, with stable names and what an operator looks for.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthAction } from "../../../src/workers/auth/auth-provider.ts";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import { openProvider, SessionWorld } from "./session-world.ts";

test("events: a client comes and goes, and nothing is logged for its messages", async () => {
  const world = new SessionWorld();
  const client = await world.connect({ username: "ann", keepAlive: 30 });
  await client.subscribe("a", 2);
  for (let packetId = 1; packetId < 20; packetId++) {
    client.publish({ topic: "a", qos: 2, packetId });
  }
  await client.acknowledgeAll();
  client.send(packets.disconnect());
  await world.settle();
  assert.deepEqual(world.log.events(), ["client_connected", "client_disconnected"]);
  const [connected, disconnected] = world.log.entries;
  assert.deepEqual(connected?.fields, {
    tenant: "t",
    client_id: "client",
    peer: "192.0.2.1",
    username: "ann",
    listener: "test",
    protocol: 5,
    keep_alive: 30,
    clean_start: true,
    session_present: false,
    session_expiry: 0,
  });
  assert.deepEqual(disconnected?.fields, {
    tenant: "t",
    client_id: "client",
    peer: "192.0.2.1",
    cause: "by_client",
  });
});

test("events: the cause of every end", async () => {
  const ends: readonly [string, (client: FakeClient, world: SessionWorld) => Promise<void>][] = [
    ["client_channel_error", async (client) => await client.lose()],
    ["kicked", async (_client, world) => void (await world.connect())],
    ["idle", async (_client, world) => await world.advance(20_000)],
    ["protocol_violation", async (client) => client.send(packets.connect())],
    ["bad_packet", async (client) => client.send(Uint8Array.of(0xc1, 0))],
    ["invalid_topic", async (client) => client.publish({ topic: "a/b/c" })],
    ["resource_throttled", async (client) => client.send(tooManyFilters())],
    ["by_server", async (client) => client.publish({ topic: "a", retain: true })],
  ];
  for (const [cause, end] of ends) {
    const world = new SessionWorld({
      settings: { MaxTopicLevels: 2, MaxTopicFiltersPerSub: 1, RetainEnabled: false },
    });
    const client = await world.connect({ keepAlive: 10 });
    await end(client, world);
    await world.settle();
    const gone = world.log.entries.filter(({ event }) => event === "client_disconnected");
    assert.deepEqual(
      gone.map(({ fields }) => fields["cause"]),
      [cause],
    );
  }
});

function tooManyFilters(): Uint8Array {
  return packets.subscribe({ packetId: 1, filters: [{ filter: "a" }, { filter: "b" }] });
}

test("events: what is refused says to whom and why", async () => {
  const provider = openProvider({
    authorize: (_identity, action) => (action === AuthAction.CONNECT ? "allow" : "deny"),
  });
  const world = new SessionWorld({ provider, settings: { MQTT3Enabled: false } });
  const three = world.open(3);
  three.send(packets.connect({ level: 3 }));
  await world.settle();
  const client = await world.connect();
  client.publish({ topic: "secret/ü" });
  await client.trySubscribe("$share/g/secret/#");
  const refusals = world.log.entries.filter(({ event }) => event !== "client_connected");
  assert.deepEqual(
    refusals.map(({ event, fields }) => [
      event,
      fields["topic"] ?? fields["filter"] ?? fields["reason_code"],
    ]),
    [
      ["connect_refused", 0x84],
      ["pub_action_disallow", "secret/ü"],
      ["sub_action_disallow", "$share/g/secret/#"],
    ],
  );
});
