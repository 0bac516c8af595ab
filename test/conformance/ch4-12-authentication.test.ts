/**
 * MQTT 5 chapters 4.12, 3.1.3.5, 3.15: user names and passwords, enhanced authentication with
 * SCRAM-SHA-256.
 */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { passwordLine } from "../helpers/password-line.ts";
import { hex, type RawClient, textOf } from "../helpers/raw-client.ts";
import { ScramClient, scramLine } from "../helpers/scram-client.ts";
import { expectRefusal, MALFORMED, PROTOCOL_ERROR } from "./expect.ts";
import { type Bench, conformanceSuite } from "./suite.ts";

const suite = conformanceSuite({
  config: {
    auth: { password_file: "passwords", scram_file: "scram", allow_anonymous: "none" },
  },
  files: {
    passwords: passwordLine("ada", "lovelace") + passwordLine("grüße", "pässwörd"),
    scram: scramLine("ada", "lovelace") + scramLine("bob", "builder"),
  },
});
const { property } = packets;

const BAD_CREDENTIALS = 0x86;
const NOT_AUTHORIZED = 0x87;
const BAD_METHOD = 0x8c;
const V3_BAD_CREDENTIALS = 0x04;
const V3_NOT_AUTHORIZED = 0x05;
const CONTINUE = 0x18;
const RE_AUTHENTICATE = 0x19;
const METHOD = "SCRAM-SHA-256";

suite.check(
  "password: the right one is let in, in every version [MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT-3.1.3-1] [MQTT-3.1.3-12]",
  async (bench) => {
    for (const level of [3, 4, 5] as const) {
      for (const [username, password] of [
        ["ada", "lovelace"],
        ["grüße", "pässwörd"],
      ] as const) {
        const will = { topic: "w", payload: "w", qos: 1 };
        const client = await bench.connect({ level, username, password, will });
        await client.disconnect();
      }
    }
  },
);

suite.check(
  "password: wrong user, wrong password, no password: all refused alike [MQTT-3.1.4-2] [MQTT-3.2.2-7] [MQTT-3.2.2-8]",
  async (bench) => {
    const attempts: packets.ConnectFields[] = [
      { username: "ada", password: "wrong" },
      { username: "nobody", password: "lovelace" },
      { username: "ada" },
      { username: "ada", password: "" },
    ];
    for (const fields of attempts) {
      const modern = await bench.open(5);
      modern.send(packets.connect({ ...fields, clientId: bench.clientId("bad") }));
      await expectRefusal(modern, BAD_CREDENTIALS, NOT_AUTHORIZED);
      const old = await bench.open(4);
      old.send(packets.connect({ ...fields, level: 4, clientId: bench.clientId("bad") }));
      await expectRefusal(old, V3_BAD_CREDENTIALS, V3_NOT_AUTHORIZED);
    }
  },
);

suite.check(
  "password: anonymous clients are refused when credentials are asked for [MQTT-3.1.4-2]",
  async (bench) => {
    const modern = await bench.open(5);
    modern.send(packets.connect({ clientId: bench.clientId("anonymous") }));
    await expectRefusal(modern, BAD_CREDENTIALS, NOT_AUTHORIZED);
    const old = await bench.open(4);
    old.send(packets.connect({ level: 4, clientId: bench.clientId("anonymous") }));
    await expectRefusal(old, V3_NOT_AUTHORIZED, V3_BAD_CREDENTIALS);
  },
);

suite.check(
  "password: nothing sent behind a refused CONNECT is processed [MQTT-3.1.4-6]",
  async (bench) => {
    const watcher = await bench.connect({ username: "ada", password: "lovelace" });
    await watcher.subscribe(bench.topic("#"));
    const refused = await bench.open();
    refused.send(
      packets.connect({ username: "ada", password: "wrong", clientId: bench.clientId("bad") }),
      packets.publish({ topic: bench.topic("sneaked"), payload: "in" }),
    );
    await refused.closed;
    watcher.send(packets.publish({ topic: bench.topic("end"), payload: "end" }));
    await watcher.expectPublish("end");
  },
);

suite.check("session: belongs to the user who made it [MQTT-3.1.3-2]", async (bench) => {
  const session = {
    clientId: bench.clientId("shared"),
    cleanStart: false,
    properties: [property.sessionExpiry(60)],
  };
  const owner = await bench.connect({ ...session, username: "ada", password: "lovelace" });
  await owner.subscribe(bench.topic("private"), 1);
  const thief = await bench.open();
  thief.send(packets.connect({ ...session, username: "grüße", password: "pässwörd" }));
  const connack = await thief.expect("connack");
  assert.ok(connack.reasonCode >= 0x80, hex(connack.reasonCode));
  assert.equal(connack.sessionPresent, false);
  await owner.expectQuiet();
});

/** Sends CONNECT with the first SCRAM message; returns the server's. */
async function beginScram(bench: Bench, scram: ScramClient): Promise<[RawClient, string]> {
  const client = await bench.open();
  const properties = [property.authMethod(METHOD), property.authData(scram.first)];
  client.send(packets.connect({ clientId: bench.clientId("scram"), properties }));
  return [client, await serverStep(client)];
}

/** An AUTH 0x18 with the method repeated; its data. */
async function serverStep(client: RawClient): Promise<string> {
  const auth = await client.expect("auth");
  assert.equal(hex(auth.reasonCode), hex(CONTINUE), "[MQTT-4.12.0-2]");
  assert.equal(auth.properties.authMethod, METHOD, "[MQTT-4.12.0-5]");
  return textOf(auth.properties.authData ?? new Uint8Array(0));
}

function authPacket(reasonCode: number, content: string, method = METHOD): Uint8Array {
  return packets.auth(reasonCode, [property.authMethod(method), property.authData(content)]);
}

/** The whole exchange of CONNECT. */
async function connectScram(bench: Bench, user: string, password: string): Promise<RawClient> {
  const scram = new ScramClient(user, password);
  const [client, serverFirst] = await beginScram(bench, scram);
  client.send(authPacket(CONTINUE, scram.final(serverFirst)));
  const connack = await client.expect("connack");
  assert.equal(connack.reasonCode, 0);
  assert.equal(connack.properties.authMethod, METHOD, "[MQTT-4.12.0-5]");
  scram.checkServerFinal(textOf(connack.properties.authData ?? new Uint8Array(0)));
  return client;
}

suite.check(
  "AUTH: SCRAM-SHA-256 lets in who knows the password [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-3.2.0-1]",
  async (bench) => {
    const client = await connectScram(bench, "ada", "lovelace");
    await client.subscribe(bench.topic("a"), 1);
    await client.expectQuiet();
  },
);

suite.check("AUTH: a wrong password is refused at the end [MQTT-4.12.0-4]", async (bench) => {
  const scram = new ScramClient("ada", "guessed");
  const [client, serverFirst] = await beginScram(bench, scram);
  client.send(authPacket(CONTINUE, scram.final(serverFirst)));
  await expectRefusal(client, NOT_AUTHORIZED, BAD_CREDENTIALS);
});

suite.check(
  "AUTH: an unknown user is asked like a known one, and refused [MQTT-4.12.0-4]",
  async (bench) => {
    const salts: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const scram = new ScramClient("nobody", "x");
      const [client, serverFirst] = await beginScram(bench, scram);
      salts.push(/s=([^,]+)/.exec(serverFirst)?.[1] ?? "");
      client.send(authPacket(CONTINUE, scram.final(serverFirst)));
      await expectRefusal(client, NOT_AUTHORIZED, BAD_CREDENTIALS);
    }
    assert.equal(salts[0], salts[1], "the same salt each time, as for a real user");
  },
);

suite.check("AUTH: malformed exchange data is refused [MQTT-4.12.0-4]", async (bench) => {
  for (const first of ["", "nonsense", "n,,n=ada", "p=tls-unique,,n=ada,r=x", "n,,n=ada,r="]) {
    const client = await bench.open();
    const properties = [property.authMethod(METHOD), property.authData(first)];
    client.send(packets.connect({ clientId: bench.clientId("mal"), properties }));
    await expectRefusal(
      client,
      NOT_AUTHORIZED,
      BAD_CREDENTIALS,
      BAD_METHOD,
      MALFORMED,
      PROTOCOL_ERROR,
    );
  }
});

suite.check(
  "AUTH: another method in the exchange ends the connection [MQTT-4.12.0-5]",
  async (bench) => {
    const scram = new ScramClient("ada", "lovelace");
    const [client, serverFirst] = await beginScram(bench, scram);
    client.send(authPacket(CONTINUE, scram.final(serverFirst), "OTHER"));
    await expectRefusal(client, PROTOCOL_ERROR, BAD_METHOD, NOT_AUTHORIZED);
  },
);

suite.check(
  "AUTH: before CONNACK only AUTH and DISCONNECT are legal [MQTT-3.1.2-30]",
  async (bench) => {
    for (const packet of [packets.pingreq(), packets.publish({ topic: "x" })]) {
      const [client] = await beginScram(bench, new ScramClient("ada", "lovelace"));
      client.send(packet);
      await expectRefusal(client, PROTOCOL_ERROR);
    }
    const [client] = await beginScram(bench, new ScramClient("ada", "lovelace"));
    client.send(packets.disconnect());
    await client.expectClose();
  },
);

suite.check(
  "AUTH: re-authentication goes on beside ordinary traffic [MQTT-4.12.1-1] [MQTT-4.12.0-5]",
  async (bench) => {
    const client = await connectScram(bench, "ada", "lovelace");
    const scram = new ScramClient("ada", "lovelace");
    client.send(authPacket(RE_AUTHENTICATE, scram.first));
    const serverFirst = await serverStep(client);
    await client.expectQuiet();
    client.send(authPacket(CONTINUE, scram.final(serverFirst)));
    const done = await client.expect("auth");
    assert.equal(done.reasonCode, 0);
    assert.equal(done.properties.authMethod, METHOD);
    scram.checkServerFinal(textOf(done.properties.authData ?? new Uint8Array(0)));
    await client.expectQuiet();
  },
);

suite.check("AUTH: failed re-authentication ends the connection [MQTT-4.12.1-2]", async (bench) => {
  const client = await connectScram(bench, "ada", "lovelace");
  const scram = new ScramClient("ada", "forgotten");
  client.send(authPacket(RE_AUTHENTICATE, scram.first));
  client.send(authPacket(CONTINUE, scram.final(await serverStep(client))));
  await client.expectFault(NOT_AUTHORIZED);
});

suite.check(
  "AUTH: re-authentication as another user ends the connection [MQTT-4.12.1-2]",
  async (bench) => {
    const client = await connectScram(bench, "ada", "lovelace");
    const scram = new ScramClient("bob", "builder");
    client.send(authPacket(RE_AUTHENTICATE, scram.first));
    client.send(authPacket(CONTINUE, scram.final(await serverStep(client))));
    await client.expectFault(NOT_AUTHORIZED);
  },
);

suite.check(
  "AUTH: re-authentication by another method is a protocol error [MQTT-4.12.1-1]",
  async (bench) => {
    const client = await connectScram(bench, "ada", "lovelace");
    client.send(authPacket(RE_AUTHENTICATE, "x", "OTHER"));
    await client.expectFault(PROTOCOL_ERROR, BAD_METHOD);
  },
);

suite.check(
  "AUTH: 0x18 without an exchange under way is a protocol error [MQTT-4.12.0-3]",
  async (bench) => {
    const client = await connectScram(bench, "ada", "lovelace");
    client.send(authPacket(CONTINUE, "x"));
    await client.expectFault(PROTOCOL_ERROR, NOT_AUTHORIZED);
  },
);

suite.check(
  "AUTH: the server's packets fit a small maximum packet size or are refused cleanly [MQTT-3.15.2-2] [MQTT-3.15.2-3]",
  async (bench) => {
    const scram = new ScramClient("ada", "lovelace");
    const client = await bench.open();
    const properties = [
      property.authMethod(METHOD),
      property.authData(scram.first),
      property.maximumPacketSize(300),
    ];
    client.send(packets.connect({ clientId: bench.clientId("scram"), properties }));
    client.send(authPacket(CONTINUE, scram.final(await serverStep(client))));
    assert.equal((await client.expect("connack")).reasonCode, 0);
  },
);
