/**
 * Subscribers of a fan-out that read the same bytes: faults that all of them see are still counted
 * for each.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { KnownChunks } from "../../../bench/load/known-chunks.ts";
import { LoadRun } from "../../../bench/load/load-run.ts";
import type { DeliveryCheck, LoadShape } from "../../../bench/load/load-shape.ts";
import { PacketType } from "../../../src/shared/mqtt/packet-type.ts";

const SUBSCRIBERS = 10;
const SHAPE: LoadShape = {
  pattern: "fan-out",
  publishers: 1,
  subscribers: SUBSCRIBERS,
  filters: 0,
  qos: 0,
  payloadBytes: 64,
  protocolVersion: 4,
  pace: { kind: "closed", window: 8 },
  isPersistent: false,
};
/** Of packets below 128 bytes. */
const PACKET_HEAD = 2;
const CONNACK = Buffer.of(PacketType.CONNACK << 4, 2, 0, 0);
/** Many windows, so that chunks are known to most subscribers. */
const PUBLISHES = 200;

/** What a subscriber is sent in place of the publish with this sequence number. */
type Distort = (packet: Buffer, sequence: number) => Buffer[];

test("known chunks: what was kept is found by its first sequence number and its bytes", () => {
  const chunks = new KnownChunks();
  const bytes = Buffer.from("--abcabc--");
  chunks.startRecording(7);
  chunks.addDelivery(100);
  chunks.addDelivery(200);
  chunks.finishRecording(bytes, { start: 2, end: 8 }, { first: 7, next: 9 }, Buffer.from("ack"));
  const found = chunks.find(7);
  assert.ok(found);
  assert.deepEqual([found.length, found.deliveries, found.sent[1]], [6, 2, 200]);
  assert.equal(found.answer.toString(), "ack");
  assert.equal(found.isPrefixOf(Buffer.from("abcabcabc"), 0, 9), true);
  assert.equal(found.isPrefixOf(Buffer.from("abcabd"), 0, 6), false);
  assert.equal(found.isPrefixOf(Buffer.from("abcab"), 0, 5), false);
  assert.equal(chunks.find(8), null);
});

test("known chunks: what was not in order, or not the same for all, is not kept", () => {
  const chunks = new KnownChunks();
  const bytes = Buffer.from("abc");
  const range = { start: 0, end: 3 };
  chunks.startRecording(7);
  chunks.addDelivery(100);
  chunks.finishRecording(bytes, range, { first: 7, next: 9 }, bytes);
  assert.equal(chunks.find(7), null);
  chunks.startRecording(7);
  chunks.addDelivery(100);
  chunks.giveUp();
  chunks.finishRecording(bytes, range, { first: 7, next: 8 }, bytes);
  assert.equal(chunks.find(7), null);
});

test("known chunks: a run without faults has none, and every delivery counted", async () => {
  const check = await runAgainst((packet) => [packet]);
  const { expected, received, ...faults } = check;
  assert.ok(expected >= PUBLISHES * SUBSCRIBERS);
  assert.equal(received, expected);
  assert.deepEqual(faults, { lost: 0, repeated: 0, disordered: 0, corrupt: 0 });
});

test("known chunks: what every subscriber gets twice, or damaged, counts for every one", async () => {
  const check = await runAgainst((packet, sequence) => {
    if (sequence === 20) return [packet, packet];
    if (sequence !== 31) return [packet];
    const damaged = Buffer.from(packet);
    damaged[damaged.length - 1]! ^= 1;
    return [damaged, packet];
  });
  assert.equal(check.repeated, SUBSCRIBERS);
  assert.equal(check.corrupt, SUBSCRIBERS);
  assert.equal(check.lost, 0);
});

/** A broker that knows one topic, and relays each publish to everybody in the same bytes. */
async function runAgainst(distort: Distort): Promise<DeliveryCheck> {
  const subscribers = new Set<Socket>();
  let relayAll = (): void => {};
  const relayed = new Promise<void>((resolve) => {
    relayAll = resolve;
  });
  const relay = (packet: Buffer, sequence: number) => {
    const sent = Buffer.concat(distort(packet, sequence));
    for (const subscriber of subscribers) subscriber.write(sent);
    if (sequence === PUBLISHES) relayAll();
  };
  const server = createServer({ noDelay: true }, (socket) => serve(socket, subscribers, relay));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const target = { transport: "tcp", host: "127.0.0.1", port, ca: "", pid: 0 } as const;
  const run = new LoadRun({ kind: "load", shape: SHAPE, target, prefix: "t", frozen: null });
  try {
    await run.prepare();
    run.openWindow();
    run.begin();
    await relayed;
    run.closeWindow();
    return (await run.finish()).check;
  } finally {
    server.close();
  }
}

function serve(
  socket: Socket,
  subscribers: Set<Socket>,
  relay: (packet: Buffer, sequence: number) => void,
): void {
  let unread = Buffer.alloc(0);
  let sequence = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length > 1 && unread.length >= PACKET_HEAD + unread[1]!) {
      const packet = unread.subarray(0, PACKET_HEAD + unread[1]!);
      unread = unread.subarray(packet.length);
      const type = packet[0]! >> 4;
      if (type === PacketType.CONNECT) socket.write(CONNACK);
      if (type === PacketType.PUBLISH) relay(packet, sequence++);
      if (type !== PacketType.SUBSCRIBE) continue;
      socket.write(Buffer.of(PacketType.SUBACK << 4, 3, packet[2]!, packet[3]!, 0));
      subscribers.add(socket);
    }
  });
}
