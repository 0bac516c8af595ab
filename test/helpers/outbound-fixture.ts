/** One client "c" with a stored session, for tests of what goes out to it. */

import { test } from "node:test";
import { InboxOp, type InsertLimits } from "../../src/shared/inbox/inbox-types.ts";
import type { Inbox } from "../../src/shared/inbox/range/inbox.ts";
import { InboxRig, NO_LIMITS } from "./inbox-rig.ts";
import { message } from "./service-workers.ts";

/** Everything is saved after each step when `isStored`. */
export class OutboundFixture {
  readonly rig = new InboxRig();
  readonly #isStored: boolean;
  token = 0;

  constructor(isStored = false) {
    this.#isStored = isStored;
    this.attach(10);
    this.detach();
  }

  attach(receiveMaximum: number): void {
    this.token += 1;
    this.rig.attach("c", this.token, { receiveMaximum });
    this.#save();
  }

  detach(): void {
    this.rig.detach("c", this.token);
    this.#save();
  }

  /** `offer("a b", 2)` offers two messages at QoS 2. */
  offer(payloads: string, qos = 1, limits: InsertLimits = NO_LIMITS): number[] {
    return payloads.split(" ").map((payload) => this.offerOne({ payload, qos }, limits));
  }

  offerOne(
    fields: { payload: string; qos?: number; expirySeconds?: number; shareFilter?: string },
    limits: InsertLimits = NO_LIMITS,
  ): number {
    const { qos = 1, shareFilter = null } = fields;
    const incarnation = this.rig.incarnation("c");
    const receiver = { incarnation, qos, retain: false, subscriptionIdentifiers: [], shareFilter };
    const sent = message({ ...fields, receivedAtMs: this.rig.nowMs });
    const [status] = this.rig.insert(sent, [receiver], limits);
    this.#save();
    return status!;
  }

  acknowledge(...packetIds: number[]): void {
    for (const packetId of packetIds) this.#commit(InboxOp.ACKNOWLEDGED, packetId);
  }

  receive(...packetIds: number[]): void {
    for (const packetId of packetIds) this.#commit(InboxOp.RECEIVED, packetId);
  }

  takePushes(): string[] {
    return this.rig.recorder.takePushes();
  }

  get waiting(): number {
    return this.rig.range.find("t", "c")!.waitingCount;
  }

  gauge(column: number): number {
    return this.rig.counters[column]!;
  }

  #commit(op: InboxOp, packetId: number): void {
    this.rig.commit("c", this.token, op, packetId);
    this.#save();
  }

  #save(): void {
    if (this.#isStored) this.rig.save();
  }
}

/** Waiting messages in memory. */
export function sizeOf(inbox: Inbox): number {
  return inbox.queue === null ? 0 : inbox.queue.size;
}

/** In memory, and with everything out of memory that can be. */
export function both(name: string, run: (fixture: OutboundFixture) => void): void {
  test(name, () => run(new OutboundFixture()));
  test(`${name} (stored)`, () => run(new OutboundFixture(true)));
}
