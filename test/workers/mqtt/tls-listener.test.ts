import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { TlsConfig } from "../../../src/shared/config/config.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { WORD_CONNECTIONS } from "../../../src/shared/metrics/shared-words.ts";
import type { ListenerDeps } from "../../../src/workers/mqtt/listener.ts";
import { CertificateAuthority } from "../../helpers/certs.ts";
import { LIMITS, ListenerFixture, listenerConfig } from "./listener-fixture.ts";
import { proxyV2, sslTlv, tlv } from "./proxy-builder.ts";
import { TlsFiles } from "./tls-files.ts";

async function openTls(
  t: TestContext,
  tls: TlsConfig,
  deps: Partial<ListenerDeps> = {},
): Promise<ListenerFixture> {
  const fixture = await ListenerFixture.open({ protocol: "mqtts", tls }, deps);
  t.after(() => fixture.close());
  return fixture;
}

function startClient(
  t: TestContext,
  fixture: ListenerFixture,
  files: TlsFiles,
  options: ConnectionOptions = {},
): TLSSocket {
  const socket = connect({
    port: fixture.port,
    host: "127.0.0.1",
    servername: "broker.test",
    ca: files.authority.cert,
    ...options,
  });
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  return socket;
}

/** Unlike `once`, which an "error" before the close rejects. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function commonNameSeen(socket: TLSSocket): Promise<string> {
  await once(socket, "secureConnect");
  return String(socket.getPeerCertificate().subject.CN);
}

test("tls: bytes arrive both ways, also more than the kernel takes at once", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config());
  const socket = startClient(t, fixture, files);
  await once(socket, "secureConnect");
  const client = await fixture.accepted();
  assert.equal(client.transport.protocol, "mqtts");
  assert.equal(client.transport.remoteAddress, "127.0.0.1");
  assert.equal(client.transport.isLoopback, true);
  assert.equal(client.transport.certificate, null);
  socket.write("up");
  await fixture.until(() => client.received.length === 2);
  const bytes = Buffer.alloc(12 * 1024 * 1024);
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = (index * 31) >> 3;
  client.write(bytes);
  client.transport.close();
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  assert.ok(Buffer.concat(chunks).equals(bytes));
  await fixture.until(() => client.closeCount === 1);
  await fixture.close();
  assert.equal(fixture.pool.outstandingCount, 0);
  assert.equal(fixture.words[WORD_CONNECTIONS], 0);
});

test("tls: many small flushes in a row arrive in order, every chunk comes back", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config());
  const socket = startClient(t, fixture, files);
  await once(socket, "secureConnect");
  const client = await fixture.accepted();
  let text = "";
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  let expected = "";
  for (let round = 0; round < 200; round += 1) {
    client.write(Buffer.from(`${round},`));
    expected += `${round},`;
    client.transport.flush();
    if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await fixture.until(() => text.length === expected.length);
  assert.equal(text, expected);
  await fixture.until(() => fixture.pool.outstandingCount === 0);
});

test("tls: the server name chooses the certificate, one label per wildcard", async (t) => {
  const files = new TlsFiles(t);
  const sni = {
    "a.example.org": files.server("a", "a.example.org"),
    "*.Example.org": files.server("wild", "*.example.org"),
  };
  const fixture = await openTls(t, files.config({ sni }));
  const seen = (servername: string) =>
    commonNameSeen(startClient(t, fixture, files, { servername, rejectUnauthorized: false }));
  assert.equal(await seen("a.example.org"), "a.example.org");
  assert.equal(await seen("A.EXAMPLE.ORG"), "a.example.org");
  assert.equal(await seen("b.example.org"), "*.example.org");
  assert.equal(await seen("b.b.example.org"), "broker.test");
  assert.equal(await seen("elsewhere.test"), "broker.test");
});

test("tls: a required client certificate is verified and named", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config({ clientCertificate: "required" }));
  const socket = startClient(t, fixture, files, files.client("sensor-7"));
  await once(socket, "secureConnect");
  const { transport } = await fixture.accepted();
  assert.deepEqual(transport.certificate, { commonName: "sensor-7", subject: "CN=sensor-7" });
});

for (const mode of ["required", "optional"] as const) {
  test(`tls: a client certificate of another authority is refused (${mode})`, async (t) => {
    const files = new TlsFiles(t);
    const fixture = await openTls(t, files.config({ clientCertificate: mode }));
    const stranger = new CertificateAuthority("Another authority");
    const issued = stranger.issue({ commonName: "sensor-7", usage: "client" });
    const socket = startClient(t, fixture, files, issued);
    await closed(socket);
    assert.equal(fixture.clients.length, 0);
    await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 1);
    assert.equal(fixture.logLines[0]?.event, "handshake_failed");
  });
}

test("tls: no client certificate is refused where one is required", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config({ clientCertificate: "required" }));
  const socket = startClient(t, fixture, files);
  await closed(socket);
  assert.equal(fixture.clients.length, 0);
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 1);
});

test("tls: no client certificate passes where it is optional", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config({ clientCertificate: "optional" }));
  startClient(t, fixture, files);
  const { transport } = await fixture.accepted();
  assert.equal(transport.certificate, null);
});

test("tls: asking for client certificates without an authority is a configuration error", async (t) => {
  const files = new TlsFiles(t);
  const tls = files.config({ clientCertificate: "required", caFile: null });
  await assert.rejects(ListenerFixture.open({ protocol: "mqtts", tls }), /caFile/);
});

test("tls: a reload shows new clients the new certificate and keeps the old ones", async (t) => {
  const files = new TlsFiles(t);
  const tls = files.config();
  const fixture = await openTls(t, tls);
  const before = startClient(t, fixture, files);
  assert.equal(await commonNameSeen(before), "broker.test");
  const first = await fixture.accepted();
  const renewed = { ...tls, ...files.server("renewed", "renewed.test") };
  fixture.listener.reload(listenerConfig({ protocol: "mqtts", tls: renewed }), LIMITS);
  const after = startClient(t, fixture, files, { rejectUnauthorized: false });
  assert.equal(await commonNameSeen(after), "renewed.test");
  before.write("still here");
  await fixture.until(() => first.received.toString() === "still here");
});

test("tls: a reload with a broken file throws and leaves the old certificate in use", async (t) => {
  const files = new TlsFiles(t);
  const tls = files.config();
  const fixture = await openTls(t, tls);
  const reload = (broken: Partial<TlsConfig>): void =>
    fixture.listener.reload(
      listenerConfig({ protocol: "mqtts", tls: { ...tls, ...broken } }),
      LIMITS,
    );
  assert.throws(() => reload({ certFile: "/nowhere/at/all.crt" }), /certFile.*all\.crt/);
  assert.throws(() => reload({ certFile: files.write("bad.crt", "no PEM") }), /bad\.crt/);
  const other = files.server("other", "other.test");
  assert.throws(() => reload({ certFile: other.certFile }), /other\.crt and its key/);
  assert.equal(await commonNameSeen(startClient(t, fixture, files)), "broker.test");
});

test("tls: versions below 1.2 are refused and counted, others go on", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config());
  const old = startClient(t, fixture, files, {
    minVersion: "TLSv1",
    maxVersion: "TLSv1.1",
    ciphers: "DEFAULT@SECLEVEL=0",
  });
  await closed(old);
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 1);
  assert.equal(fixture.clients.length, 0);
  const current = startClient(t, fixture, files, { maxVersion: "TLSv1.2" });
  await once(current, "secureConnect");
  assert.equal(current.getProtocol(), "TLSv1.2");
});

test("tls: the application protocol mqtt is agreed on", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config());
  const socket = startClient(t, fixture, files, { ALPNProtocols: ["other", "mqtt"] });
  await once(socket, "secureConnect");
  assert.equal(socket.alpnProtocol, "mqtt");
});

test("tls: plain MQTT to a TLS port is closed and counted", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config());
  const socket = connectTcp({ port: fixture.port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.end(Buffer.from("101000044d5154540402003c000461626364", "hex"));
  socket.resume();
  await closed(socket);
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 1);
  await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
});

test("tls: a client that never finishes its handshake is closed at the connect time limit", async (t) => {
  const files = new TlsFiles(t);
  const limits = { ...LIMITS, connectTimeoutMs: 50 };
  const fixture = await openTls(t, files.config(), { limits });
  const socket = connectTcp({ port: fixture.port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.resume();
  await closed(socket);
  assert.ok(fixture.logLines.some((line) => line.event === "handshake_timeout"));
  await fixture.until(() => fixture.words[WORD_CONNECTIONS] === 0);
});

test("tls: failed handshakes are logged once per second, all are counted", async (t) => {
  const files = new TlsFiles(t);
  const fixture = await openTls(t, files.config());
  for (let index = 0; index < 5; index += 1) {
    const socket = connectTcp({ port: fixture.port, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.end("garbage garbage garbage");
    socket.resume();
    await closed(socket);
  }
  await fixture.until(() => fixture.counters[Counter.HANDSHAKE_FAILURES] === 5);
  const lines = fixture.logLines.filter((line) => line.event === "handshake_failed");
  assert.ok(lines.length < 5);
});

test("tls: a PROXY header comes before the handshake, also in one piece with its first bytes", async (t) => {
  const files = new TlsFiles(t);
  const config = { protocol: "mqtts", tls: files.config(), proxyProtocol: "required" } as const;
  const fixture = await ListenerFixture.open(config);
  t.after(() => fixture.close());
  const certificate = sslTlv(0x07, 0, [tlv(0x22, Buffer.from("behind-proxy"))]);
  const header = proxyV2({ family: 1, body: "cb007107c6336401c3cb075b", tlvs: [certificate] });
  const raw = connectTcp({ port: fixture.port, host: "127.0.0.1", noDelay: true });
  t.after(() => raw.destroy());
  await once(raw, "connect");
  // Corked: header and client hello leave together, so the bytes behind the header have to be given
  // back.
  raw.cork();
  raw.write(header);
  const socket = connect({ socket: raw, servername: "broker.test", ca: files.authority.cert });
  process.nextTick(() => raw.uncork());
  await once(socket, "secureConnect");
  const client = await fixture.accepted();
  assert.equal(client.transport.remoteAddress, "203.0.113.7");
  assert.equal(client.transport.isLoopback, false);
  assert.equal(client.transport.certificate?.commonName, "behind-proxy");
  socket.write("hello");
  await fixture.until(() => client.received.toString() === "hello");
  client.write(Buffer.from("world"));
  const [bytes] = (await once(socket, "data")) as [Buffer];
  assert.equal(bytes.toString(), "world");
});
