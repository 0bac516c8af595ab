/**
 * Property: whatever the commands, a range that is read again from store and log, at any moment and
 * with the store at any earlier one, is the same and goes on the same.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type {
  InboxOp,
  InboxReceiver,
  ReplayStep,
} from "../../../../src/shared/inbox/inbox-types.ts";
import { Counter } from "../../../../src/shared/metrics/counter-table.ts";
import { dumpRange } from "../../../helpers/inbox-dump.ts";
import { InboxRig, NO_LIMITS } from "../../../helpers/inbox-rig.ts";
import { message } from "../../../helpers/service-workers.ts";

const CLIENTS = 3;
const client = fc.nat(CLIENTS - 1);

const steps = {
  attach: fc.record({
    kind: fc.constant("attach" as const),
    client,
    window: fc.integer({ min: 1, max: 4 }),
    clean: fc.constantFrom(false, false, false, false, false, true),
    expiry: fc.constantFrom(3600, 3600, 3600, 3600, 0, 5),
    willDelay: fc.constantFrom(-1, 0, 3),
  }),
  detach: fc.record({ kind: fc.constant("detach" as const), client, discard: fc.boolean() }),
  insert: fc.record({
    kind: fc.constant("insert" as const),
    receivers: fc.subarray([0, 1, 2], { minLength: 1 }),
    qos: fc.integer({ min: 1, max: 2 }),
    count: fc.integer({ min: 1, max: 4 }),
    size: fc.constantFrom(1, 700),
    expiry: fc.constantFrom(-1, -1, 2),
    shared: fc.boolean(),
    isReplay: fc.boolean(),
    room: fc.constantFrom(1000, 1000, 8),
    origin: fc.record({
      publisher: fc.integer({ min: 1, max: 2 }),
      epoch: fc.constantFrom(1, 1, 1, 2),
      packetId: fc.integer({ min: 1, max: 4 }),
      isRepeat: fc.boolean(),
      /** Publishes before it that are not answered. */
      open: fc.nat(3),
    }),
  }),
  commit: fc.record({
    kind: fc.constant("commit" as const),
    client,
    op: fc.constantFrom(0, 0, 1, 2, 3),
    packetId: fc.integer({ min: 1, max: 8 }),
  }),
  subscribe: fc.record({
    kind: fc.constant("subscribe" as const),
    client,
    filter: fc.constantFrom("a", "b/#", "$share/g/a"),
    isRemoval: fc.boolean(),
    isReplayOwed: fc.boolean(),
  }),
  replay: fc.record({
    kind: fc.constant("replay" as const),
    client,
    filter: fc.constantFrom("a", "b/#"),
    step: fc.constantFrom(0, 0, 1, 2),
  }),
  advance: fc.record({
    kind: fc.constant("advance" as const),
    ms: fc.constantFrom(500, 4000, 70_000),
  }),
  settle: fc.record({ kind: fc.constant("settle" as const) }),
  collect: fc.record({ kind: fc.constant("collect" as const) }),
  flush: fc.record({ kind: fc.constant("flush" as const) }),
  reopen: fc.record({ kind: fc.constant("reopen" as const) }),
};

type Step = typeof steps extends Record<string, fc.Arbitrary<infer T>> ? T : never;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: steps.attach },
  { weight: 2, arbitrary: steps.detach },
  { weight: 8, arbitrary: steps.insert },
  { weight: 8, arbitrary: steps.commit },
  { weight: 2, arbitrary: steps.subscribe },
  { weight: 1, arbitrary: steps.replay },
  { weight: 1, arbitrary: steps.advance },
  { weight: 1, arbitrary: steps.settle },
  { weight: 3, arbitrary: steps.collect },
  { weight: 3, arbitrary: steps.flush },
  { weight: 2, arbitrary: steps.reopen },
);

const walks = fc.array(step, { minLength: 20, maxLength: 80, size: "max" });

interface WalkerOptions {
  /** It is saved and read again where the steps say so. */
  readonly forgets: boolean;
  /** QoS 2 messages are from stored sessions. */
  readonly hasOrigins: boolean;
}

/** A rig that takes steps. */
class Walker {
  readonly rig = new InboxRig();
  readonly #options: WalkerOptions;
  /** By client: of its last attach. */
  readonly #tokens = new Array<number>(CLIENTS).fill(0);
  #lastToken = 0;
  #sent = 0;

  constructor(options: WalkerOptions) {
    this.#options = options;
  }

  take(step: Step): void {
    const { rig } = this;
    if (step.kind === "attach") this.#attach(step);
    else if (step.kind === "insert") for (let i = 0; i < step.count; i++) this.#insert(step);
    else if (step.kind === "advance") rig.advance(step.ms);
    else if (step.kind === "settle") rig.settle();
    else if (step.kind === "detach") {
      rig.detach(`c${step.client}`, this.#tokens[step.client]!, -1, step.discard);
    } else if (step.kind === "commit") {
      const token = this.#tokens[step.client]!;
      rig.commit(`c${step.client}`, token, step.op as InboxOp, step.packetId);
    } else if (step.kind === "subscribe") {
      const token = this.#tokens[step.client]!;
      if (step.isRemoval) rig.unsubscribe(`c${step.client}`, token, step.filter);
      else if (step.isReplayOwed) rig.subscribeOwed(`c${step.client}`, token, step.filter);
      else rig.subscribe(`c${step.client}`, token, step.filter);
    } else if (step.kind === "replay") {
      const token = this.#tokens[step.client]!;
      rig.replay(`c${step.client}`, token, step.step as ReplayStep, step.filter);
    } else if (this.#options.forgets) {
      if (step.kind === "collect") rig.collect();
      else if (step.kind === "flush") rig.flush();
      else rig.reopen();
    }
  }

  #attach(step: Extract<Step, { kind: "attach" }>): void {
    this.#lastToken += 1;
    this.#tokens[step.client] = this.#lastToken;
    const will = { message: message({ payload: "will" }), delaySeconds: step.willDelay };
    this.rig.attach(`c${step.client}`, this.#lastToken, {
      cleanStart: step.clean,
      receiveMaximum: step.window,
      sessionExpirySeconds: step.expiry,
      will: step.willDelay < 0 ? null : will,
    });
  }

  #insert(step: Extract<Step, { kind: "insert" }>): void {
    const { qos, size, expiry, shared, isReplay, room, receivers } = step;
    this.#sent += 1;
    const payload = `m${this.#sent}`.padEnd(size, ".");
    const topic = `t/${this.#sent % 7}`;
    const fields = { topic, payload, qos, expirySeconds: expiry, receivedAtMs: this.rig.nowMs };
    const all = receivers.map(
      (index): InboxReceiver => ({
        incarnation: this.rig.incarnation(`c${index}`),
        qos,
        retain: false,
        subscriptionIdentifiers: index === 2 ? [7] : [],
        shareFilter: shared ? "$share/g/a" : null,
        isReplay,
      }),
    );
    const inserted = message(fields);
    if (qos === 2 && this.#options.hasOrigins) {
      const { open, ...origin } = step.origin;
      const sequence = this.#sent;
      const settled = Math.max(0, sequence - 1 - open);
      inserted.origin = { ...origin, sequence, settled, fingerprint: 9, isForStored: false };
    }
    this.rig.insert(inserted, all, { ...NO_LIMITS, sessionInboxSize: room });
  }
}

/** All that was told, in the order of each kind. */
function outputsOf({ recorder }: InboxRig): unknown {
  const { pushes, replies, refusals, statuses, commits, missed, detaches } = recorder;
  const owed = recorder.owed.map(({ id, owed: { kind } }) => ({ id, kind }));
  return { pushes, replies, refusals, statuses, commits, missed, detaches, owed };
}

test("inbox range: read again at any moment it is the same, and tells the same", () => {
  fc.assert(
    fc.property(walks, (walk) => {
      const plain = new Walker({ forgets: false, hasOrigins: true });
      const forgetful = new Walker({ forgets: true, hasOrigins: true });
      for (const next of walk) {
        plain.take(next);
        forgetful.take(next);
        assert.deepEqual(outputsOf(forgetful.rig), outputsOf(plain.rig));
      }
      forgetful.rig.reopen();
      const gauges = [Counter.PERSISTENT_SESSIONS, Counter.INBOX_MESSAGES, Counter.INBOX_BYTES];
      for (const column of gauges) {
        assert.equal(forgetful.rig.counters[column], plain.rig.counters[column]);
      }
      assert.deepEqual(dumpRange(forgetful.rig.range), dumpRange(plain.rig.range));
    }),
    { numRuns: 80 },
  );
});

test("inbox range: a range that is emptied leaves nothing in the store but its counters", () => {
  fc.assert(
    fc.property(walks, (walk) => {
      const walker = new Walker({ forgets: true, hasOrigins: false });
      const { rig } = walker;
      for (const next of walk) walker.take(next);
      for (let index = 0; index < CLIENTS; index++) {
        rig.attach(`c${index}`, 10_000 + index, { cleanStart: true, sessionExpirySeconds: 0 });
      }
      rig.settle();
      rig.save();
      rig.save();
      assert.ok(rig.store.size <= 1, "only the counters may be left");
      const gauges = [Counter.PERSISTENT_SESSIONS, Counter.INBOX_MESSAGES, Counter.INBOX_BYTES];
      for (const column of gauges) assert.equal(rig.counters[column], 0);
      assert.equal(rig.range.state.shared.size, 0);
      assert.equal(rig.range.state.tenants.size, 0);
    }),
    { numRuns: 100 },
  );
});
