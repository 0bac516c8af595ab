import assert from "node:assert/strict";
import test from "node:test";
import type { PublishPacket } from "../helpers/raw-client.ts";
import type { ServerPacket } from "../helpers/server-packets.ts";
import { ClientSession } from "./client-session.ts";
import { CrashWorld } from "./crash-world.ts";
import type { MessageKey } from "./event-trace.ts";
import type { ExchangeHost } from "./exchange-host.ts";
import type { Rule } from "./findings.ts";
import { IncomingExchanges } from "./incoming-exchanges.ts";
import { OutgoingExchanges } from "./outgoing-exchanges.ts";

const NO_PROPERTIES = { order: [], userProperties: [], subscriptionIdentifiers: [] };
const FIRST_BYTES: Readonly<Record<number, string>> = {
  50: "PUBLISH 1",
  58: "PUBLISH 1 DUP",
  52: "PUBLISH 2",
  60: "PUBLISH 2 DUP",
  64: "PUBACK",
  80: "PUBREC",
  98: "PUBREL",
  112: "PUBCOMP",
};
const WINDOW = 4;

/** A client without a connection: what its two halves send and complain of is written down. */
class HalvesRig implements ExchangeHost {
  readonly name = "c";
  readonly level = 5;
  readonly world = new CrashWorld();
  readonly session = new ClientSession();
  readonly actor = this.world.trace.actor("c");
  readonly isConnected = true;
  readonly sent: string[] = [];
  readonly rules: Rule[] = [];
  readonly delivered: string[] = [];
  readonly outgoing = new OutgoingExchanges(this, 10);
  readonly incoming = new IncomingExchanges(this, {
    receiveMaximum: WINDOW,
    identify: ({ topic }) => ({ stream: 0, sequence: Number(topic) }),
    deliver: ({ sequence }: MessageKey) => this.delivered.push(String(sequence)),
  });
  readonly #streams = ([1, 2] as const).map((qos) => {
    const plain = { isRetained: false, isCleared: false };
    return this.world.addStream({ publisher: "c", topic: `t/${qos}`, qos, ...plain });
  });

  constructor() {
    this.outgoing.resume(undefined);
    this.incoming.resume(true);
  }

  send(bytes: Uint8Array): void {
    this.sent.push(FIRST_BYTES[bytes[0]!] ?? "?");
  }

  complain(rule: Rule): void {
    this.rules.push(rule);
  }

  publish(qos: 1 | 2): void {
    this.outgoing.publish(this.#streams[qos - 1]!, false);
  }

  get(qos: 1 | 2, packetId: number, message: number, dup = false): void {
    const topic = String(message);
    const fields = { topic, payload: new Uint8Array(0), retain: false, properties: NO_PROPERTIES };
    const packet: PublishPacket = { type: "publish", qos, packetId, dup, ...fields };
    this.incoming.takePublish(packet);
  }

  reconnect(): void {
    this.incoming.stop();
    this.sent.length = 0;
    this.incoming.resume(true);
    this.outgoing.resume(undefined);
  }
}

type AckPacket = Extract<ServerPacket, { type: "puback" | "pubrec" | "pubrel" | "pubcomp" }>;

function ack(type: AckPacket["type"], packetId: number, reasonCode = 0): AckPacket {
  return { type, packetId, reasonCode, properties: NO_PROPERTIES };
}

test("crash client: sends again what is unacknowledged, in order, with DUP [MQTT-4.4.0-1]", () => {
  const rig = new HalvesRig();
  rig.publish(1);
  rig.publish(2);
  rig.publish(2);
  rig.outgoing.takePubrec(ack("pubrec", 2));
  rig.reconnect();
  assert.deepEqual(rig.sent, ["PUBLISH 1 DUP", "PUBLISH 2 DUP", "PUBREL"]);
  rig.outgoing.takePuback(ack("puback", 1));
  rig.outgoing.takePubcomp(ack("pubcomp", 2));
  rig.outgoing.takePubrec(ack("pubrec", 3, 0x97));
  assert.equal(rig.session.outgoing.size, 0, "a refusal ends an exchange");
  assert.deepEqual([rig.outgoing.storedCount, rig.outgoing.refusedCount], [2, 1]);
  assert.deepEqual(rig.rules, []);
});

test("crash client: finds acknowledgements for nothing, and such that overtake others", () => {
  const rig = new HalvesRig();
  rig.outgoing.takePuback(ack("puback", 1));
  rig.publish(1);
  rig.outgoing.takePubrec(ack("pubrec", 1));
  rig.outgoing.takePubcomp(ack("pubcomp", 1));
  assert.deepEqual(rig.rules, ["acknowledgement", "acknowledgement", "acknowledgement"]);
  rig.rules.length = 0;
  rig.publish(1);
  rig.outgoing.takePuback(ack("puback", 2));
  assert.deepEqual(rig.rules, ["acknowledgement"], "the first one still waits");
});

test("crash client: a QoS 2 message is given to the application once per exchange", () => {
  const rig = new HalvesRig();
  rig.get(2, 5, 0);
  rig.reconnect();
  rig.get(2, 5, 0, true);
  assert.deepEqual([rig.delivered, rig.sent, rig.rules], [["0"], ["PUBREC"], []]);
  rig.incoming.takePubrel(5);
  rig.get(2, 5, 1);
  assert.deepEqual(rig.delivered, ["0", "1"], "the identifier is free again");
  assert.deepEqual(rig.rules, []);
});

test("crash client: finds identifiers that change hands, and missing DUP, after a reconnect", () => {
  const rig = new HalvesRig();
  rig.incoming.ackIntervalMs = 60_000;
  rig.get(1, 5, 0);
  rig.get(2, 6, 1);
  rig.reconnect();
  rig.get(1, 5, 2, true);
  rig.get(2, 6, 1);
  assert.deepEqual(rig.rules, ["identifier", "resume"]);
  rig.incoming.stop();
});

test("crash client: finds identifiers in use, too many publishes, DUP in a new session", () => {
  const rig = new HalvesRig();
  rig.incoming.ackIntervalMs = 60_000;
  rig.get(1, 1, 0);
  rig.get(1, 1, 1);
  assert.deepEqual(rig.rules, ["identifier", "identifier"], "in use, and another message's");
  rig.rules.length = 0;
  for (let id = 2; id <= WINDOW; id++) rig.get(1, id, id);
  assert.deepEqual(rig.rules, []);
  rig.get(1, WINDOW + 1, WINDOW + 1);
  assert.deepEqual(rig.rules, ["window"]);
  rig.incoming.stop();
  const fresh = new HalvesRig();
  fresh.incoming.resume(false);
  fresh.get(1, 1, 0, true);
  assert.deepEqual(fresh.rules, ["resume"]);
});
