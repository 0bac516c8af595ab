/**
 * AUTH: round trips inside CONNECT and on an open session (MQTT5 §4.12), with a provider that asks
 * two questions.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuthOutcome, ExtendedAuthStep } from "../../../src/workers/auth/auth-provider.ts";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import { openProvider, SessionWorld } from "./session-world.ts";

const { property } = packets;
const METHOD = "COUNT";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const method = (name = METHOD) => property.authMethod(name);
const data = (text: string) => property.authData(text);

/** Wants "one", then "two"; "three" is a wrong answer; "other" in the second is another user. */
function answer(step: ExtendedAuthStep): AuthOutcome {
  const text = decoder.decode(step.data ?? new Uint8Array(0));
  if (step.state === null && text === "one") {
    return { kind: "continue", authData: encoder.encode("and?"), state: { asked: 1 } };
  }
  if (step.state !== null && (text === "two" || text === "other")) {
    const userId = text === "two" ? "ann" : "bob";
    return { kind: "success", tenantId: "t", userId, authData: encoder.encode("done") };
  }
  return { kind: "reject", reasonCode: 0x86, reason: "wrong answer" };
}

function world(): SessionWorld {
  return new SessionWorld({
    provider: openProvider({
      methods: [METHOD],
      authenticateExtended: async (_request, step) => answer(step),
    }),
  });
}

const auth = (reasonCode: number, ...list: readonly Uint8Array[]) =>
  packets.packet(0xf0, packets.u8(reasonCode), packets.properties(list));

/** A client that is through with its CONNECT. */
async function authenticated(here: SessionWorld): Promise<FakeClient> {
  const client = here.open();
  client.send(packets.connect({ properties: [method(), data("one")] }));
  await here.settle();
  const question = client.takeOne("auth");
  assert.deepEqual([question.reasonCode, question.properties.authMethod], [0x18, METHOD]);
  assert.equal(decoder.decode(question.properties.authData), "and?");
  client.send(auth(0x18, method(), data("two")));
  await here.settle();
  const connack = client.takeOne("connack");
  assert.equal(connack.properties.authMethod, METHOD);
  assert.equal(decoder.decode(connack.properties.authData), "done");
  return client;
}

test("AUTH: continues CONNECT until the CONNACK, which repeats the method [MQTT-4.12.0-5]", async () => {
  const here = world();
  const client = await authenticated(here);
  assert.equal(client.session.identity?.userId, "ann");
});

test("AUTH: packets sent ahead wait for each answer in turn", async () => {
  const here = world();
  const client = here.open();
  client.send(
    packets.connect({ properties: [method(), data("one")] }),
    auth(0x18, method(), data("two")),
    packets.pingreq(),
  );
  await here.settle();
  assert.deepEqual(
    client.take().map((packet) => packet.type),
    ["auth", "connack", "pingresp"],
  );
});

test("AUTH: a wrong answer in CONNECT ends in CONNACK with the provider's code [MQTT-4.12.0-4]", async () => {
  for (const texts of [["three"], ["one", "three"]]) {
    const here = world();
    const client = here.open();
    client.send(packets.connect({ properties: [method(), data(texts[0] ?? "")] }));
    await here.settle();
    if (texts[1] !== undefined) {
      client.takeOne("auth");
      client.send(auth(0x18, method(), data(texts[1])));
      await here.settle();
    }
    assert.equal(client.takeOne("connack").reasonCode, 0x86);
    assert.equal(client.isClosed, true);
  }
});

test("AUTH: an unknown method is refused with 0x8C [MQTT-4.12.0-1]", async () => {
  const here = world();
  const client = here.open();
  client.send(packets.connect({ properties: [method("UNKNOWN")] }));
  await here.settle();
  assert.equal(client.takeOne("connack").reasonCode, 0x8c);
});

test("AUTH: anything but AUTH before the CONNACK ends the connection [MQTT-3.1.2-30]", async () => {
  for (const packet of [packets.pingreq(), packets.disconnect(), packets.connect()]) {
    const here = world();
    const client = here.open();
    client.send(packets.connect({ properties: [method(), data("one")] }));
    await here.settle();
    client.takeOne("auth");
    client.send(packet);
    await here.settle();
    assert.equal(client.isClosed, true);
    assert.deepEqual(client.take(), []);
  }
});

test("AUTH: re-authentication keeps the session open while it runs, and after it [MQTT-4.12.1-1]", async () => {
  const here = world();
  const client = await authenticated(here);
  client.send(auth(0x19, method(), data("one")), packets.pingreq());
  await here.settle();
  assert.deepEqual(
    client.take().map((packet) => packet.type),
    ["auth", "pingresp"],
  );
  client.send(auth(0x18, method(), data("two")));
  await here.settle();
  const done = client.takeOne("auth");
  assert.deepEqual([done.reasonCode, done.properties.authMethod], [0, METHOD]);
  client.send(packets.pingreq());
  await here.settle();
  client.takeOne("pingresp");
});

test("AUTH: a failed re-authentication ends the connection, with a code that DISCONNECT may carry [MQTT-4.12.1-2]", async () => {
  for (const [text, code] of [
    ["three", 0x87],
    ["other", 0x87],
  ] as const) {
    const here = world();
    const client = await authenticated(here);
    client.send(auth(0x19, method(), data("one")));
    await here.settle();
    client.takeOne("auth");
    client.send(auth(0x18, method(), data(text)));
    await here.settle();
    assert.equal(client.takeOne("disconnect").reasonCode, code, text);
    assert.equal(client.isClosed, true);
  }
});

test("AUTH: out of place it is a protocol error", async () => {
  const table: readonly [string, boolean, Uint8Array][] = [
    ["without a method in CONNECT [MQTT-4.12.0-7]", false, auth(0x19, method())],
    ["with another method [MQTT-4.12.0-5]", true, auth(0x19, method("OTHER"))],
    ["continuing nothing", true, auth(0x18, method(), data("two"))],
  ];
  for (const [what, hasMethod, packet] of table) {
    const here = world();
    const client = hasMethod ? await authenticated(here) : await here.connect();
    client.send(packet);
    await here.settle();
    assert.equal(client.takeOne("disconnect").reasonCode, 0x82, what);
  }
});

test("AUTH: a second re-authentication inside the first is a protocol error", async () => {
  const here = world();
  const client = await authenticated(here);
  client.send(auth(0x19, method(), data("one")));
  await here.settle();
  client.takeOne("auth");
  client.send(auth(0x19, method(), data("one")));
  await here.settle();
  assert.equal(client.takeOne("disconnect").reasonCode, 0x82);
});

test("AUTH: a connection that dies in the middle leaves nothing behind", async () => {
  const here = world();
  const client = here.open();
  client.send(packets.connect({ properties: [method(), data("one")] }));
  client.transport.destroy();
  await here.settle();
  const { registry, deadlines } = here.worker(1).context;
  assert.deepEqual([registry.connectionCount, deadlines.size], [0, 0]);
});
