/**
 * Property: whatever a client acknowledges and whenever its connection breaks, at the end it has
 * every QoS 1 message at least once, every QoS 2 message exactly once, first copies in queue order,
 * and never more in flight than it allows.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutboundQueue } from "../../../src/shared/inbox/outbound-queue.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { InboxRecorder, LIMITS, type RecordedPush, stored } from "../../helpers/inbox-recorder.ts";

/** What a client does with a push, later or never. */
interface Answer {
  readonly kind: "PUBACK" | "PUBREC" | "PUBCOMP";
  readonly packetId: number;
}

class ModelClient {
  readonly queue: OutboundQueue;
  readonly recorder = new InboxRecorder();
  /** Every message the application got, in order, repetitions of QoS 1 included. */
  readonly delivered: string[] = [];
  /** What the client could send on this connection. */
  answers: Answer[] = [];
  readonly #heldIds = new Set<number>();
  readonly #sentBefore = new Map<number, string>();
  #unacknowledged = 0;
  #receiveMaximum = 0;
  #token = 0;

  constructor() {
    this.queue = new OutboundQueue(this.recorder.context);
    this.recorder.onPush = (push) => this.#receive(push);
  }

  connect(receiveMaximum: number): void {
    this.answers = [];
    this.#unacknowledged = 0;
    this.#receiveMaximum = receiveMaximum;
    this.#token += 1;
    this.queue.attach({ thread: 1, token: this.#token }, receiveMaximum, 0);
  }

  disconnect(): void {
    this.answers = [];
    this.queue.detach();
  }

  /** Sends one of the answers that are possible; the broker's reaction may add others. */
  answer(index: number): void {
    if (this.answers.length === 0) return;
    const [{ kind, packetId }] = this.answers.splice(index % this.answers.length, 1) as [Answer];
    if (kind === "PUBREC") {
      this.queue.receive(packetId, 0);
      // The broker sends PUBREL as soon as that is stored.
      this.#release(packetId);
      return;
    }
    this.#unacknowledged -= 1;
    this.#sentBefore.delete(packetId);
    this.queue.acknowledge(packetId, 0);
  }

  #release(packetId: number): void {
    this.#heldIds.delete(packetId);
    this.answers.push({ kind: "PUBCOMP", packetId });
  }

  #receive({ payload, packetId, qos, dup, token }: RecordedPush): void {
    assert.equal(token, this.#token, "pushes go to the present attachment");
    this.#unacknowledged += 1;
    if (payload === null) {
      this.#release(packetId);
      return;
    }
    assert.ok(this.#unacknowledged <= this.#receiveMaximum, "[MQTT-3.3.4-9]");
    assert.equal(dup, this.#sentBefore.has(packetId), "[MQTT-3.3.1-1]");
    assert.equal(this.#sentBefore.get(packetId) ?? payload, payload, "[MQTT-2.2.1-4]");
    this.#sentBefore.set(packetId, payload);
    if (qos === 1) {
      this.delivered.push(payload);
      this.answers.push({ kind: "PUBACK", packetId });
      return;
    }
    if (!this.#heldIds.has(packetId)) this.delivered.push(payload);
    this.#heldIds.add(packetId);
    this.answers.push({ kind: "PUBREC", packetId });
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("offer" as const), n: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("answer" as const), n: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("connect" as const),
      n: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("disconnect" as const), n: fc.constant(0) }),
  },
);

test("outbound queue: nothing lost, QoS 2 never twice, order kept, window kept, over random sessions", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const client = new ModelClient();
      const offered: { name: string; qos: number }[] = [];
      for (const { do: action, n } of steps) {
        if (action === "offer") {
          const name = `m${offered.length}`;
          offered.push({ name, qos: n });
          const form = { qos: n, retain: false, subscriptionIdentifiers: [], shareFilter: null };
          client.queue.offer(stored(name), form, LIMITS, 0);
        } else if (action === "answer") {
          client.answer(n);
        } else if (action === "connect") {
          client.connect(n);
        } else {
          client.disconnect();
        }
      }
      client.connect(3);
      while (client.answers.length > 0) client.answer(0);

      const firstCopies = [...new Set(client.delivered)];
      assert.deepEqual(
        firstCopies,
        offered.map(({ name }) => name),
      );
      for (const { name, qos } of offered) {
        const copies = client.delivered.filter((delivered) => delivered === name).length;
        if (qos === 2) assert.equal(copies, 1, `${name} once`);
      }
      assert.equal(client.queue.inFlightCount, 0);
      assert.equal(client.queue.waitingCount, 0);
      assert.equal(client.recorder.counters[Counter.INBOX_MESSAGES], 0);
      assert.equal(client.recorder.counters[Counter.INBOX_BYTES], 0);
    }),
    { numRuns: 400 },
  );
});
