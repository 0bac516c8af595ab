/** One client "c" that comes and goes, for tests of a stored session's life. */

import { test } from "node:test";
import type { AttachReply, AttachRequest } from "../../src/shared/inbox/inbox-types.ts";
import { Counter } from "../../src/shared/metrics/counter-table.ts";
import { InboxRig } from "./inbox-rig.ts";
import { message, payloadOf } from "./service-workers.ts";

/** Everything is saved after each step when `isStored`. */
export class SessionFixture {
  readonly rig = new InboxRig();
  readonly #isStored: boolean;
  token = 0;

  constructor(isStored = false) {
    this.#isStored = isStored;
  }

  attach(fields: Partial<AttachRequest> = {}): AttachReply {
    this.token += 1;
    const reply = this.rig.attach("c", this.token, { sessionExpirySeconds: 100, ...fields });
    this.#save();
    return reply;
  }

  detach(fields: { expirySeconds?: number; discardWill?: boolean } = {}): void {
    const { expirySeconds = -1, discardWill = false } = fields;
    this.rig.detach("c", this.token, expirySeconds, discardWill);
    this.#save();
  }

  subscribe(filter: string): void {
    this.rig.subscribe("c", this.token, filter);
    this.#save();
  }

  insert(payload: string, fields: { expirySeconds?: number; shareFilter?: string } = {}): number {
    const { expirySeconds = -1, shareFilter = null } = fields;
    const incarnation = this.rig.incarnation("c");
    const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter };
    const sent = message({ payload, expirySeconds, receivedAtMs: this.rig.nowMs });
    const [status] = this.rig.insert(sent, [{ incarnation, ...form }]);
    this.#save();
    return status!;
  }

  /** To that moment. */
  timeIs(nowMs: number): void {
    this.rig.advance(nowMs - this.rig.nowMs);
    this.#save();
  }

  get sessions(): number {
    return this.rig.counters[Counter.PERSISTENT_SESSIONS]!;
  }

  get messages(): number {
    return this.rig.counters[Counter.INBOX_MESSAGES]!;
  }

  /** Wills owed since the last call. */
  get wills(): (string | null)[] {
    return this.rig.settle().flatMap(({ owed }) => {
      return owed.kind === "will" ? [payloadOf(owed.message)] : [];
    });
  }

  #save(): void {
    if (this.#isStored) this.rig.save();
  }
}

export function will(delaySeconds: number, name = "will", expirySeconds = -1) {
  return { message: message({ payload: name, expirySeconds, receivedAtMs: 0 }), delaySeconds };
}

/** In memory, and with everything out of memory that can be. */
export function both(name: string, run: (fixture: SessionFixture) => void): void {
  test(name, () => run(new SessionFixture()));
  test(`${name} (stored)`, () => run(new SessionFixture(true)));
}
