/** Checks that several tenant settings share: each makes a check of one setting and one value. */

import assert from "node:assert/strict";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import type { TenantSettingName } from "../../../src/shared/tenant/tenant-settings.ts";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import type { SessionWorld } from "./session-world.ts";

export const KEPT = [packets.property.sessionExpiry(3600)];

export type Check = (world: SessionWorld) => Promise<void>;

export async function connectCode(
  world: SessionWorld,
  fields: packets.ConnectFields,
): Promise<number> {
  const client = world.open(fields.level ?? 5);
  client.send(packets.connect(fields));
  await world.settle();
  return client.takeOne("connack").reasonCode;
}

/** The code of the DISCONNECT that answers `packet`. */
export async function disconnectCode(
  world: SessionWorld,
  client: FakeClient,
  packet: Uint8Array,
): Promise<number> {
  client.send(packet);
  await world.settle();
  return client.takeOne("disconnect").reasonCode;
}

/** PUBACK's code of one QoS 1 publish to "a". */
export async function pubackCode(
  world: SessionWorld,
  client: FakeClient,
  fields: Partial<packets.PublishFields> = {},
): Promise<number> {
  client.publish({ topic: "a", qos: 1, packetId: client.nextId(), ...fields });
  await world.settle();
  return client.takeOne("puback").reasonCode;
}

/** A publish that breaks the limit `value` of a setting ends the connection with `code`. */
export function limitsPublish(
  name: TenantSettingName,
  value: number | boolean,
  fields: packets.PublishFields,
  code: number,
): Check {
  return async (world) => {
    const client = await world.connect();
    client.publish(fields);
    await world.settle();
    client.take();
    assert.equal(client.isClosed, false, "allowed by default");
    world.reloadSettings({ [name]: value });
    assert.equal(await disconnectCode(world, client, packets.publish(fields)), code);
  };
}

/** A subscription to `filter` gets `code` once the setting has `value`. */
export function limitsSubscribe(
  name: TenantSettingName,
  value: number | boolean,
  filter: string,
  code: number,
): Check {
  return async (world) => {
    const client = await world.connect();
    assert.deepEqual(await client.trySubscribe(filter), [0]);
    world.reloadSettings({ [name]: value });
    const other = await world.connect({ clientId: "other" });
    assert.deepEqual(await other.trySubscribe(filter), [code]);
  };
}

export function switchesVersionOff(
  name: TenantSettingName,
  level: packets.Level,
  code: number,
): Check {
  return async (world) => {
    const before = await world.connect({ level, clientId: "before" });
    world.reloadSettings({ [name]: false });
    assert.equal(await connectCode(world, { level }), code);
    assert.equal(before.isClosed, false, "who is connected stays");
  };
}

/** Stored sessions "s0", "s1", … that subscribe to "a", and have gone. */
async function storeSessions(world: SessionWorld, count: number, filter = "a"): Promise<void> {
  for (let index = 0; index < count; index++) {
    const client = await world.connect({ clientId: `s${index}`, properties: KEPT });
    await client.subscribe(filter, 1);
    await client.lose();
  }
}

export function limitsFanout(name: TenantSettingName, value: number): Check {
  return async (world) => {
    await storeSessions(world, 3);
    const client = await world.connect();
    world.reloadSettings({ [name]: value });
    assert.equal(await pubackCode(world, client, { payload: "12345" }), 0);
    assert.equal(world.count(Counter.INBOX_MESSAGES), 2);
    assert.equal(world.count(Counter.DROPPED_FANOUT_LIMIT), 1);
  };
}

export function limitsRetained(name: TenantSettingName, value: number): Check {
  return async (world) => {
    const client = await world.connect();
    const retain = (topic: string) =>
      pubackCode(world, client, { topic, retain: true, payload: "p" });
    assert.equal(await retain("first"), 0x10);
    world.reloadSettings({ [name]: value });
    assert.equal(await retain("second"), 0x97);
    assert.equal(await retain("first"), 0x10, "what is there may be replaced");
    assert.equal(world.count(Counter.RETAINED_MESSAGES), 1);
  };
}

/** A client in debt is not read, and nothing is lost. */
export function slowsReader(name: TenantSettingName, value: number): Check {
  return async (world) => {
    const client = await world.connect({ keepAlive: 0 });
    world.reloadSettings({ [name]: value });
    for (let index = 0; index < 20; index++) client.publish({ topic: "topic", payload: "payload" });
    client.send(packets.pingreq());
    await world.settle();
    assert.equal(client.transport.isReading, false);
    await world.advance(60_000);
    client.takeOne("pingresp");
    assert.equal(world.count(Counter.PUBLISH_RECEIVED_QOS0), 20);
  };
}
