/**
 * Property: whatever a client acknowledges, whenever its connection breaks and whenever the broker
 * is killed, at the end it has every QoS 1 message at least once, every QoS 2 message exactly once,
 * first copies in queue order, and never more in flight than it allows.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InboxOp } from "../../../../src/shared/inbox/inbox-types.ts";
import { Counter } from "../../../../src/shared/metrics/counter-table.ts";
import { InboxRig, type RecordedPush } from "../../../helpers/inbox-rig.ts";
import { message } from "../../../helpers/service-workers.ts";

/** What a client does with a push, later or never. */
interface Answer {
  readonly kind: "PUBACK" | "PUBREC" | "PUBCOMP";
  readonly packetId: number;
}

class ModelClient {
  readonly rig = new InboxRig();
  /** Every message the application got, in order, repetitions of QoS 1 included. */
  readonly delivered: string[] = [];
  /** What the client could send on this connection. */
  answers: Answer[] = [];
  readonly #heldIds = new Set<number>();
  /** By identifier: sent by the broker, not finished by the client. */
  readonly #sentBefore = new Map<number, string>();
  #unacknowledged = 0;
  #receiveMaximum = 0;
  #token = 1;
  #isConnected = false;

  constructor() {
    this.rig.attach("c", this.#token);
    this.rig.detach("c", this.#token);
  }

  connect(receiveMaximum: number): void {
    this.answers = [];
    this.#unacknowledged = 0;
    this.#receiveMaximum = receiveMaximum;
    this.#token += 1;
    this.#isConnected = true;
    this.rig.recorder.onPush = (push) => this.#receive(push);
    this.rig.attach("c", this.#token, { receiveMaximum });
  }

  disconnect(): void {
    this.answers = [];
    this.#isConnected = false;
    this.rig.detach("c", this.#token);
  }

  kill(): void {
    this.answers = [];
    this.#isConnected = false;
    this.rig.crash();
  }

  offer(payload: string, qos: number): void {
    const incarnation = this.rig.incarnation("c");
    const form = { retain: false, subscriptionIdentifiers: [], shareFilter: null };
    this.rig.insert(message({ payload, qos }), [{ incarnation, qos, ...form }]);
  }

  /** Sends one of the answers that are possible; the broker's reaction may add others. */
  answer(index: number): void {
    if (this.answers.length === 0) return;
    const [{ kind, packetId }] = this.answers.splice(index % this.answers.length, 1) as [Answer];
    if (kind === "PUBREC") {
      this.rig.commit("c", this.#token, InboxOp.RECEIVED, packetId);
      // The broker sends PUBREL as soon as that is stored.
      this.#release(packetId);
      return;
    }
    this.#unacknowledged -= 1;
    this.#sentBefore.delete(packetId);
    this.rig.commit("c", this.#token, InboxOp.ACKNOWLEDGED, packetId);
  }

  #release(packetId: number): void {
    this.#heldIds.delete(packetId);
    this.answers.push({ kind: "PUBCOMP", packetId });
  }

  #receive({ payload, packetId, qos, dup, token }: RecordedPush): void {
    assert.ok(this.#isConnected && token === this.#token, "pushes go to the present attachment");
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

type Step = readonly [kind: string, n: number];

function step(weight: number, kind: string, n: fc.Arbitrary<number>) {
  return { weight, arbitrary: fc.tuple(fc.constant(kind), n) };
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  step(5, "offer", fc.integer({ min: 1, max: 2 })),
  step(6, "answer", fc.nat(20)),
  step(2, "connect", fc.integer({ min: 1, max: 5 })),
  step(1, "disconnect", fc.constant(0)),
  step(1, "kill", fc.constant(0)),
  step(2, "collect", fc.constant(0)),
  step(2, "flush", fc.constant(0)),
);

function walk(client: ModelClient, [kind, n]: Step, name: string): void {
  if (kind === "offer") client.offer(name, n);
  else if (kind === "answer") client.answer(n);
  else if (kind === "connect") client.connect(n);
  else if (kind === "disconnect") client.disconnect();
  else if (kind === "kill") client.kill();
  else if (kind === "collect") client.rig.collect();
  else client.rig.flush();
}

test("inbox range: nothing lost, QoS 2 never twice, order and window kept, over random sessions and kills", () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 30, maxLength: 120, size: "max" }), (given) => {
      const client = new ModelClient();
      const offered: { name: string; qos: number }[] = [];
      for (const next of given) {
        const name = `m${offered.length}`;
        if (next[0] === "offer") offered.push({ name, qos: next[1] });
        walk(client, next, name);
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
      const inbox = client.rig.range.find("t", "c")!;
      assert.deepEqual([inbox.load, inbox.inlineBytes, inbox.outstandingBytes], [0, 0, 0]);
      assert.equal(client.rig.counters[Counter.INBOX_MESSAGES], 0);
      assert.equal(client.rig.counters[Counter.INBOX_BYTES], 0);
    }),
    { numRuns: 100 },
  );
});
