/**
 * Publishes between workers: what arrives is what was sent, and the written answer to a full ring.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { Message } from "../../../src/shared/mqtt/message.ts";
import { RecordType } from "../../../src/shared/protocol/ring-message.ts";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { DeliverLink } from "../../../src/workers/dist/deliver-link.ts";
import type { ShareMember } from "../../../src/workers/dist/share-group.ts";
import { FakeMesh } from "../../helpers/fake-ring.ts";
import { QOS_0 } from "./dist-workers.ts";

interface Arrived {
  readonly message: Message;
  readonly slot: number;
  readonly generation: number;
  readonly source: number;
}

function makeLinks() {
  const mesh = new FakeMesh(3);
  const counters = new Float64Array(64);
  const links = [1, 2, 3].map((thread) => new DeliverLink(mesh.endpoint(thread), counters));
  const arrived: Arrived[] = [];
  const incoming = new BorrowedPublish();
  for (const type of [RecordType.DELIVER, RecordType.DELIVER_SHARED]) {
    mesh.endpoint(3).setHandler(type, (bytes, offset, _length, source) => {
      const { slot, generation } = links[2]!.load(bytes, offset, incoming, 5000);
      arrived.push({ message: incoming.own(), slot, generation, source });
    });
  }
  return { mesh, counters, links, arrived };
}

function borrowed(message: Message): BorrowedPublish {
  const publish = new BorrowedPublish();
  publish.loadMessage(message, message.receivedAtMs);
  return publish;
}

const MEMBER: ShareMember = {
  clientId: "c",
  thread: 3,
  isInbox: false,
  incarnation: 0,
  isStale: false,
  options: QOS_0,
  loadWord: 0,
  slot: 0xffff_fffe,
  generation: 0xffff_ffff,
  subscription: null,
};

/** Any text but lone surrogates, which no packet can carry. */
const anyText = fc.string({ unit: "grapheme", maxLength: 100 });
const anyBytes = fc.uint8Array({ maxLength: 200 });

const anyMessage = fc
  .record({
    tenantId: anyText,
    publisherId: anyText,
    topic: anyBytes,
    payload: fc.oneof(anyBytes, fc.constant(new Uint8Array(70_000).fill(7))),
    properties: anyBytes,
    qos: fc.nat(2),
    retain: fc.boolean(),
    expirySeconds: fc.integer({ min: -1, max: 0x7fff_ffff }),
    receivedAtMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  })
  .map(
    (f) =>
      new Message(
        f.tenantId,
        f.topic,
        f.payload,
        f.properties,
        f.qos,
        f.retain,
        f.expirySeconds,
        f.receivedAtMs,
        f.publisherId,
      ),
  );

test("deliver link: any publish arrives as it was sent, from any worker, shared or not", () => {
  const { mesh, links, arrived } = makeLinks();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyMessage, fc.constantFrom(1, 2), fc.boolean()), { maxLength: 8 }),
      (sends) => {
        arrived.length = 0;
        for (const [message, source, isShared] of sends) {
          const link = links[source - 1]!;
          assert.ok(link.send(3, borrowed(message), isShared ? MEMBER : null));
        }
        while (mesh.deliver(1, 3)) {}
        while (mesh.deliver(2, 3)) {}
        const inOrder = [1, 2].flatMap((from) => sends.filter(([, source]) => source === from));
        assert.equal(arrived.length, inOrder.length);
        inOrder.forEach(([message, source, isShared], index) => {
          const got = arrived[index]!;
          assert.deepEqual(got.message, message);
          assert.equal(got.source, source);
          assert.equal(got.slot, isShared ? MEMBER.slot : 0);
          assert.equal(got.generation, isShared ? MEMBER.generation : 0);
        });
      },
    ),
  );
});

test("deliver link: the longest identifiers travel whole", () => {
  const { mesh, links, arrived } = makeLinks();
  const long = "漢".repeat(21_845);
  const none = new Uint8Array(0);
  const message = new Message(long, none, none, none, 1, false, -1, 0, long);
  links[0]!.send(3, borrowed(message), null);
  mesh.deliver(1, 3);
  assert.equal(arrived[0]?.message.tenantId, long);
  assert.equal(arrived[0]?.message.publisherId, long);
});

test("deliver link: an expiry beyond 68 years travels as none", () => {
  const { mesh, links, arrived } = makeLinks();
  const none = new Uint8Array(0);
  const message = new Message("t", none, none, none, 1, false, 0xffff_ffff, 0, "p");
  links[0]!.send(3, borrowed(message), null);
  mesh.deliver(1, 3);
  assert.equal(arrived[0]?.message.expirySeconds, -1);
});

function sized(qos: number, size: number): BorrowedPublish {
  const none = new Uint8Array(0);
  const payload = new Uint8Array(size).fill(1);
  return borrowed(new Message("t", none, payload, none, qos, false, -1, 0, "p"));
}

test("deliver link: full ring: QoS 0 is dropped and counted, QoS 1 and 2 wait in the queue", () => {
  const { mesh, links, arrived, counters } = makeLinks();
  mesh.endpoint(1).pretendQueuedBytes = 1;
  const link = links[0]!;
  assert.equal(link.send(3, sized(0, 10), null), false);
  assert.equal(counters[Counter.DROPPED_RING_FULL], 1);
  assert.equal(link.send(3, sized(1, 10), null), true);
  assert.equal(link.send(3, sized(2, 10), MEMBER), true);
  assert.equal(counters[Counter.DROPPED_RING_FULL], 1);
  while (mesh.deliver(1, 3)) {}
  assert.deepEqual(
    arrived.map(({ message }) => message.qos),
    [1, 2],
  );
});

test("deliver link: a publish too large for one record travels in parts, QoS 0 unless congested", () => {
  const { mesh, links, arrived, counters } = makeLinks();
  const endpoint = mesh.endpoint(1);
  const size = endpoint.maxClaimSize + 1;
  const link = links[0]!;
  for (const qos of [0, 1]) assert.equal(link.send(3, sized(qos, size), null), true);
  endpoint.isCongested = true;
  assert.equal(link.send(3, sized(0, size), null), false);
  assert.equal(counters[Counter.DROPPED_RING_FULL], 1);
  assert.equal(link.send(3, sized(1, size), null), true);
  while (mesh.deliver(1, 3)) {}
  assert.deepEqual(
    arrived.map(({ message }) => [message.qos, message.payload.length]),
    [
      [0, size],
      [1, size],
      [1, size],
    ],
  );
});
