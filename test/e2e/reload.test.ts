/**
 * SIGHUP: passwords, rules, certificates and limits change under running clients, and nobody is
 * dropped.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { CertificateAuthority } from "../helpers/certs.ts";
import { withDeadline } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { passwordLine } from "../helpers/password-line.ts";
import { RawClient } from "../helpers/raw-client.ts";

const BAD_CREDENTIALS = 0x86;
const NOT_AUTHORIZED = 0x87;
const RETAIN_NOT_SUPPORTED = 0x9a;

const authority = new CertificateAuthority();

function certificateFiles(commonName: string): Record<string, string> {
  const { cert, key } = authority.issue({ commonName, altNames: ["localhost", "127.0.0.1"] });
  return { "cert.pem": cert, "key.pem": key };
}

const LISTENERS = [
  { id: "tcp", protocol: "mqtt", host: "127.0.0.1", port: 0 },
  {
    id: "tls",
    protocol: "mqtts",
    host: "127.0.0.1",
    port: 0,
    tls: { cert_file: "cert.pem", key_file: "key.pem" },
  },
];
const AUTH = { password_file: "passwords", acl_file: "rules", allow_anonymous: "none" };
const ADMIN = { host: "127.0.0.1", port: 0 };
const OPEN_RULES = "user ada\ntopic readwrite #\nuser bob\ntopic readwrite #\n";

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    config: { listeners: LISTENERS, auth: AUTH },
    files: {
      ...certificateFiles("first"),
      passwords: passwordLine("ada", "one") + passwordLine("bob", "two"),
      rules: OPEN_RULES,
    },
  });
});
after(async () => {
  await broker.stop();
});

/** Sends SIGHUP and waits for its result. */
async function reload(expected: "reloaded" | "reload_failed" = "reloaded"): Promise<void> {
  const from = broker.logs.length;
  broker.signal("SIGHUP");
  await broker.waitForLog(expected, from);
}

function login(username: string, password: string, clientId = username): Promise<RawClient> {
  return RawClient.connect({ port: broker.port }, { username, password, clientId });
}

async function loginCode(username: string, password: string): Promise<number> {
  const client = await RawClient.open({ port: broker.port });
  client.send(packets.connect({ clientId: `${username}-try`, username, password }));
  const { reasonCode } = await client.expect("connack");
  client.destroy();
  return reasonCode;
}

test("reload: a changed password counts for new connections, open ones stay [MQTT-3.1.4-2]", async () => {
  const client = await login("ada", "one");
  assert.equal(await loginCode("ada", "three"), BAD_CREDENTIALS);
  broker.writeFile("passwords", passwordLine("ada", "three") + passwordLine("bob", "two"));
  await reload();
  assert.equal(await loginCode("ada", "one"), BAD_CREDENTIALS);
  assert.equal(await loginCode("ada", "three"), 0);
  await client.expectQuiet();
  client.destroy();
  broker.writeFile("passwords", passwordLine("ada", "one") + passwordLine("bob", "two"));
  await reload();
});

test("reload: a broken password file changes nothing", async () => {
  broker.writeFile("passwords", "this is no password line\n");
  await reload("reload_failed");
  assert.equal(await loginCode("ada", "one"), 0);
  broker.writeFile("passwords", passwordLine("ada", "one") + passwordLine("bob", "two"));
  await reload();
  assert.equal(await loginCode("ada", "one"), 0);
});

test("reload: rules reach live subscriptions and publishers [MQTT5 §5.4]", async () => {
  const ada = await login("ada", "one");
  await ada.subscribe([
    { filter: "secret/#", qos: 1 },
    { filter: "public", qos: 1 },
  ]);
  const bob = await login("bob", "two");
  await bob.publish({ topic: "secret/a", qos: 1, payload: "before" });
  await ada.expectPublish("before");
  broker.writeFile("rules", "user ada\ntopic readwrite public\nuser bob\ntopic readwrite #\n");
  await reload();
  await bob.publish({ topic: "secret/a", qos: 1, payload: "after" });
  await bob.publish({ topic: "public", qos: 1, payload: "open" });
  await ada.expectPublish("open");
  assert.equal(await ada.publish({ topic: "secret/b", qos: 1 }), NOT_AUTHORIZED);
  ada.send(packets.subscribe({ packetId: 9, filters: [{ filter: "secret/#" }] }));
  assert.deepEqual((await ada.expect("suback")).reasonCodes, [NOT_AUTHORIZED]);
  broker.writeFile("rules", OPEN_RULES);
  await reload();
  assert.ok((await ada.publish({ topic: "secret/b", qos: 1 })) < 0x80);
  ada.destroy();
  bob.destroy();
});

async function presentedName(): Promise<string> {
  const socket: TLSSocket = connectTls({
    port: broker.portOf("tls"),
    host: "127.0.0.1",
    ca: authority.cert,
  });
  await withDeadline(once(socket, "secureConnect"), "the TLS handshake");
  const certificate: PeerCertificate = socket.getPeerCertificate();
  socket.destroy();
  return String(certificate.subject.CN);
}

test("reload: a new certificate is presented, TLS clients stay connected", async () => {
  const target = {
    port: broker.portOf("tls"),
    transport: "tls",
    tls: { ca: authority.cert },
  } as const;
  const fields = { username: "ada", password: "one", clientId: "over-tls" };
  const client = await RawClient.connect(target, fields);
  assert.equal(await presentedName(), "first");
  for (const [name, content] of Object.entries(certificateFiles("second"))) {
    broker.writeFile(name, content);
  }
  await reload();
  assert.equal(await presentedName(), "second");
  await client.expectQuiet();
  client.destroy();
});

test("reload: a broken certificate changes nothing", async () => {
  const before = await presentedName();
  broker.writeFile("cert.pem", "-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n");
  await reload("reload_failed");
  assert.equal(await presentedName(), before);
  for (const [name, content] of Object.entries(certificateFiles("third"))) {
    broker.writeFile(name, content);
  }
  await reload();
  assert.equal(await presentedName(), "third");
});

test("reload: tenant settings reach live connections [MQTT-3.2.2-14]", async () => {
  const client = await login("ada", "one");
  await client.publish({ topic: "kept", qos: 1, retain: true, payload: "x" });
  const changed = {
    listeners: LISTENERS,
    admin: ADMIN,
    auth: AUTH,
    data_dir: `${broker.directory}/data`,
    tenants: { defaults: { RetainEnabled: false } },
  };
  broker.writeFile("ratatosk.yaml", JSON.stringify(changed));
  await reload();
  client.send(packets.publish({ topic: "kept", qos: 1, packetId: 5, retain: true, payload: "y" }));
  await client.expectFault(RETAIN_NOT_SUPPORTED);
});

test("reload: a configuration with a mistake is refused and named", async () => {
  const client = await login("bob", "two");
  const from = broker.logs.length;
  broker.writeFile("ratatosk.yaml", "listenersss: []\n");
  broker.signal("SIGHUP");
  const event = await broker.waitForLog("reload_failed", from);
  assert.match(JSON.stringify(event), /listenersss/);
  await client.expectQuiet();
  client.destroy();
});
