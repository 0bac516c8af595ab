import assert from "node:assert/strict";
import test from "node:test";
import { Findings } from "./findings.ts";
import { Stream } from "./stream.ts";
import { SubscriptionLedger } from "./subscription-ledger.ts";

/** Each step of a case takes one tick; what is found is compared by rule. */
class LedgerRig {
  readonly stream: Stream;
  readonly findings = new Findings();
  readonly ledger: SubscriptionLedger;
  #tick = 0;

  constructor(qos: 1 | 2, isGroup = false) {
    const fields = { publisher: "p", topic: "a/b", qos, isRetained: false, isCleared: false };
    this.stream = new Stream(0, fields);
    const { findings } = this;
    this.ledger = new SubscriptionLedger({ name: "s", streams: [this.stream], findings, isGroup });
  }

  subscribe(qos = 2, filter = "a/#"): this {
    this.ledger.asked(filter, qos, this.#tick++);
    this.ledger.granted(filter, this.#tick++);
    return this;
  }

  unsubscribe(): this {
    this.ledger.leaving("a/#", this.#tick++);
    this.ledger.left("a/#", this.#tick++);
    return this;
  }

  newSession(): this {
    this.ledger.ending(this.#tick++);
    this.ledger.ended(this.#tick++);
    return this;
  }

  send(sequence = this.stream.append(false)): this {
    this.stream.sent(sequence, this.#tick++);
    return this;
  }

  store(sequence: number): this {
    this.stream.stored(sequence, this.#tick++);
    return this;
  }

  get(
    sequence: number,
    { qos = this.stream.qos as number, isDup = false, packetId = 1 } = {},
  ): this {
    this.ledger.take({ stream: 0, sequence }, { qos, isDup, packetId });
    return this;
  }

  /** Numbers of missing messages. */
  get missing(): number[] {
    return this.ledger.missing(100).map(({ sequence }) => sequence);
  }

  get found(): string[] {
    return this.findings.list.map(({ rule }) => rule);
  }
}

test("crash ledger: an acknowledged message is owed to a subscription that was there before", () => {
  const rig = new LedgerRig(1).subscribe().send().store(0).send();
  assert.deepEqual(rig.missing, [0], "the second is not acknowledged");
  rig.get(0);
  assert.deepEqual(rig.missing, []);
  assert.deepEqual(rig.store(1).missing, [1]);
  rig.ledger.closeMissing(5);
  assert.deepEqual(rig.found, ["lost"]);
  assert.deepEqual(rig.missing, [], "told once");
});

test("crash ledger: nothing is owed before SUBACK, after UNSUBSCRIBE, or to a session that ended", () => {
  assert.deepEqual(new LedgerRig(1).send().subscribe().store(0).missing, []);
  assert.deepEqual(new LedgerRig(1).subscribe().send().unsubscribe().store(0).missing, []);
  assert.deepEqual(new LedgerRig(1).subscribe().send().store(0).newSession().missing, []);
  const rig = new LedgerRig(1).subscribe().send().store(0).unsubscribe();
  assert.deepEqual(rig.missing, [0], "what was stored before is still owed");
});

test("crash ledger: a subscription that is made again is owed what follows", () => {
  const rig = new LedgerRig(1).subscribe().newSession().subscribe().send().store(0);
  assert.deepEqual(rig.missing, [0]);
  const again = new LedgerRig(1).subscribe().unsubscribe().send().subscribe().send();
  assert.deepEqual(again.store(0).store(1).missing, [1]);
});

test("crash ledger: a QoS 2 message that comes twice is found, also with DUP", () => {
  const rig = new LedgerRig(2).subscribe().send().store(0).get(0);
  assert.deepEqual(rig.get(0, { isDup: true }).found, ["twice"]);
});

test("crash ledger: a QoS 1 message comes again only with DUP and its identifier", () => {
  const rig = () => new LedgerRig(1).subscribe().send().store(0).get(0, { packetId: 7 });
  assert.deepEqual(rig().get(0, { isDup: true, packetId: 7 }).found, []);
  assert.deepEqual(rig().get(0, { isDup: true, packetId: 8 }).found, ["repeated"]);
  assert.deepEqual(rig().get(0, { packetId: 7 }).found, ["repeated"]);
  assert.deepEqual(rig().send(0).get(0, { packetId: 9 }).found, [], "it was published twice");
});

test("crash ledger: first deliveries keep their order, repeats may follow", () => {
  const rig = new LedgerRig(1).subscribe().send().send().send();
  rig.get(0).get(1).send(0).get(0);
  assert.deepEqual(rig.found, []);
  assert.deepEqual(new LedgerRig(1).subscribe().send().send().get(1).get(0).found, ["disorder"]);
  const early = new LedgerRig(1).send().subscribe().send().get(1).send(0).get(0);
  assert.deepEqual(early.found, [], "the first attempt came before the subscription");
});

test("crash ledger: strangers are found", () => {
  assert.deepEqual(new LedgerRig(1).subscribe().get(0).found, ["stranger"], "never sent");
  assert.deepEqual(new LedgerRig(1).send().get(0).found, ["stranger"], "not subscribed");
  assert.deepEqual(new LedgerRig(1).subscribe(2, "c").send().get(0).found, ["stranger"]);
  assert.deepEqual(new LedgerRig(2).subscribe(1).send().get(0).found, ["stranger"], "QoS");
  assert.deepEqual(new LedgerRig(2).subscribe(1).send().get(0, { qos: 1 }).found, []);
  const before = new LedgerRig(1).send().store(0).subscribe().get(0);
  assert.deepEqual(before.found, ["stranger"], "over before SUBSCRIBE");
  const under = new LedgerRig(1).send().subscribe().get(0).store(0);
  assert.deepEqual(under.found, [], "it was still on its way");
  const left = new LedgerRig(1).subscribe().unsubscribe().send().get(0);
  assert.deepEqual(left.found, ["stranger"], "first sent after UNSUBACK");
  const queued = new LedgerRig(1).subscribe().send().unsubscribe().get(0);
  assert.deepEqual(queued.found, [], "what was queued may still come");
});

test("crash ledger: a group owes each message once, in any order", () => {
  const rig = new LedgerRig(2, true).subscribe().send().send().store(0).store(1);
  rig.get(1);
  assert.deepEqual(rig.missing, [0]);
  assert.deepEqual(rig.get(0).found, []);
  assert.deepEqual(rig.get(0).found, ["twice"]);
});
