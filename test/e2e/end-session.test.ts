/**
 * The operator ends a session: one that its client cannot get at any more, because users have
 * changed, and one with a connection.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { startBroker } from "../helpers/broker-process.ts";
import * as packets from "../helpers/packets.ts";
import { passwordLine } from "../helpers/password-line.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { runCli } from "../main/cli/run-cli.ts";

const NOT_AUTHORIZED = 0x87;
const SESSION_TAKEN_OVER = 0x8e;
const KEPT = { cleanStart: false, properties: [packets.property.sessionExpiry(0xffff_ffff)] };
const ALICE = { username: "alice", password: "secret" };

test("sessions end: who is bound to another user begins anew, a connection is closed", async (t) => {
  const auth = { password_file: "passwords", allow_anonymous: "loopback" };
  const files = { passwords: passwordLine("alice", "secret") };
  const broker = await startBroker({ workers: 2, config: { auth }, files });
  t.after(() => broker.stop());
  const { port } = broker;
  const url = `http://127.0.0.1:${broker.adminPort}`;
  const end = (clientId: string) => runCli(["sessions", "end", clientId, "--url", url]);
  for (const clientId of ["dev/1", "dev/2"]) {
    const session = await RawClient.connect({ port }, { clientId, ...KEPT });
    await session.subscribe("a", 1);
    await session.disconnect();
    const refused = await RawClient.open({ port });
    refused.send(packets.connect({ clientId, cleanStart: true, ...ALICE }));
    assert.equal((await refused.expect("connack")).reasonCode, NOT_AUTHORIZED);
    const ended = await end(clientId);
    assert.equal(ended.code, 0, ended.stderr);
    const fresh = await RawClient.connect({ port }, { clientId, ...KEPT, ...ALICE });
    assert.equal(fresh.connack?.sessionPresent, false);
    await fresh.disconnect();
  }
  const online = await RawClient.connect({ port }, { clientId: "dev/1", ...KEPT, ...ALICE });
  assert.equal(online.connack?.sessionPresent, true);
  assert.equal((await end("dev/1")).code, 0);
  await online.expectDisconnect(SESSION_TAKEN_OVER);
  const { code, stderr } = await end("dev/1");
  assert.equal(code, 1);
  assert.match(stderr, /no such session is stored/);
});
