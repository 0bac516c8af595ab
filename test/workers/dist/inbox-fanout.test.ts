/** One insert, each inbox once, within the tenant's limits. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import type { SubscriptionOptions } from "../../../src/shared/mqtt/subscription-options.ts";
import {
  DEFAULT_TENANT_SETTINGS,
  type TenantSettings,
} from "../../../src/shared/tenant/tenant-settings.ts";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { PublishOutcome } from "../../../src/workers/dist/dist-api.ts";
import { InboxFanout, type SharedMessage } from "../../../src/workers/dist/inbox-fanout.ts";
import { PendingPublish } from "../../../src/workers/dist/pending-publish.ts";
import {
  type InboxClient,
  type InboxReceiver,
  InsertStatus,
} from "../../../src/workers/inbox/inbox-api.ts";
import { message } from "../../helpers/service-workers.ts";
import { clientOf, incarnationOf, options } from "./dist-workers.ts";

interface Insert {
  readonly message: Message;
  readonly receivers: readonly InboxReceiver[];
  readonly isAwaited: boolean;
  readonly done: ((statuses: Uint8Array) => void) | null;
}

function makeFanout() {
  const inserts: Insert[] = [];
  const redispatched: SharedMessage[] = [];
  const insert: InboxClient["insert"] = (stored, receivers, done) => {
    inserts.push({ message: stored, receivers, isAwaited: done !== null, done });
  };
  const insertQosZero: InboxClient["insertQosZero"] = (passing, receivers) => {
    insert(passing, receivers, null);
  };
  // The methods of the client that fan-out calls.
  const client = { insert, insertQosZero } as InboxClient;
  const fanout = new InboxFanout(client, (shared, done) => {
    redispatched.push(shared);
    done(InsertStatus.STORED);
  });
  return { inserts, fanout, redispatched };
}

function publishOf(fields: Parameters<typeof message>[0] = {}): BorrowedPublish {
  const publish = new BorrowedPublish();
  publish.loadMessage(message(fields), 0);
  return publish;
}

function settings(fields: Partial<TenantSettings>): TenantSettings {
  return { ...DEFAULT_TENANT_SETTINGS, ...fields };
}

function route(clientId: string, fields: Partial<SubscriptionOptions> = {}) {
  const incarnation = incarnationOf(clientId);
  const wanted = options({ qos: 1, ...fields });
  return { clientId, incarnation, source: 1, isStale: false, options: wanted };
}

const pending = () => new PendingPublish(() => {});

test("inbox fan-out: one insert for inboxes on all workers", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf();
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  for (const client of ["a", "b", "c"]) assert.ok(fanout.add(publish, route(client)));
  fanout.send(publish, pending(), 0);
  const seen = inserts.map(({ receivers }) => receivers.map((r) => clientOf(r.incarnation)));
  assert.deepEqual(seen, [["a", "b", "c"]]);
});

test("inbox fan-out: overlapping subscriptions of one session are one entry [MQTT-3.3.4-2] [MQTT-3.3.4-4]", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ qos: 2, retain: true });
  fanout.begin(settings({ MaxPersistentFanout: 1 }), publish.payloadLength);
  fanout.add(publish, route("a", { qos: 0, subscriptionIdentifier: 3 }));
  fanout.add(publish, route("a", { qos: 2 }));
  fanout.add(publish, route("a", { qos: 1, subscriptionIdentifier: 4, retainAsPublished: true }));
  fanout.send(publish, null, 0);
  assert.deepEqual(inserts[0]?.receivers, [
    {
      incarnation: incarnationOf("a"),
      qos: 2,
      retain: true,
      subscriptionIdentifiers: [3, 4],
      shareFilter: null,
    },
  ]);
  assert.equal(fanout.limited, 0);
});

test("inbox fan-out: a will that is published again goes to nobody at QoS 0", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ qos: 1 });
  for (const isAgain of [false, true]) {
    publish.isForStored = isAgain;
    fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
    fanout.add(publish, route("a", { qos: 0 }));
    fanout.add(publish, route("b"));
    fanout.send(publish, pending(), 0);
    const seen = inserts.splice(0).map(({ receivers }) => clientOf(receivers[0]!.incarnation));
    assert.deepEqual(seen, isAgain ? ["b"] : ["a", "b"]);
  }
});

test("inbox fan-out: No Local leaves the publisher out [MQTT-3.8.3-3]", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ publisherId: "a" });
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  assert.equal(fanout.add(publish, route("a", { noLocal: true })), false);
  assert.equal(fanout.add(publish, route("b", { noLocal: true })), true);
  fanout.send(publish, null, 0);
  assert.deepEqual(
    inserts[0]?.receivers.map(({ incarnation }) => clientOf(incarnation)),
    ["b"],
  );
});

test("inbox fan-out: QoS and RETAIN as granted [MQTT-3.8.4-8] [MQTT-3.3.1-12]", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ qos: 1, retain: true });
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  fanout.add(publish, route("a", { qos: 2 }));
  fanout.add(publish, route("b", { qos: 0, retainAsPublished: true }));
  fanout.send(publish, null, 0);
  assert.deepEqual(
    inserts.map(({ receivers }) => receivers.map(({ qos, retain }) => [qos, retain])),
    [[[0, true]], [[1, false]]],
  );
});

test("inbox fan-out: only QoS 1 and 2 are waited for", () => {
  for (const qos of [0, 1, 2]) {
    const { inserts, fanout } = makeFanout();
    const publish = publishOf({ qos: 2 });
    fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
    fanout.add(publish, route("a", { qos }));
    fanout.send(publish, pending(), 0);
    assert.equal(inserts[0]?.isAwaited, qos > 0);
  }
});

test("inbox fan-out: MaxPersistentFanout and MaxPersistentFanoutBytes leave out the rest, counted", () => {
  for (const limit of [{ MaxPersistentFanout: 2 }, { MaxPersistentFanoutBytes: 20 }]) {
    const { inserts, fanout } = makeFanout();
    const publish = publishOf({ payload: "ten bytes." });
    fanout.begin(settings(limit), publish.payloadLength);
    const added = ["a", "b", "c", "d"].map((client) => fanout.add(publish, route(client)));
    assert.deepEqual(added, [true, true, false, false]);
    assert.equal(fanout.limited, 2);
    fanout.send(publish, null, 0);
    assert.equal(inserts[0]?.receivers.length, 2);
    fanout.begin(settings(limit), publish.payloadLength);
    assert.equal(fanout.limited, 0);
    assert.ok(fanout.add(publish, route("d")));
  }
});

test("inbox fan-out: a group's member gets its copy beside its own subscription", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf();
  const member = {
    ...route("a", { subscriptionIdentifier: 9 }),
    isInbox: true,
    thread: 1,
    loadWord: 0,
    slot: 0,
    generation: 0,
    subscription: null,
  };
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  fanout.add(publish, route("a"));
  fanout.addShared(publish, member, "$share/g/a");
  fanout.send(publish, null, 0);
  assert.deepEqual(
    inserts[0]?.receivers.map((one) => [one.shareFilter, one.subscriptionIdentifiers]),
    [
      ["$share/g/a", [9]],
      [null, []],
    ],
  );
});

test("inbox fan-out: nothing of one publish is left for the next", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf();
  for (let round = 0; round < 2; round += 1) {
    fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
    fanout.add(publish, route("a"));
    fanout.send(publish, null, 0);
  }
  fanout.send(publish, null, 0);
  assert.deepEqual(
    inserts.map(({ receivers }) => receivers.length),
    [1, 1],
  );
});

test("inbox fan-out: two lives of one name are two sessions", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf();
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  fanout.add(publish, { ...route("a"), incarnation: 7 });
  fanout.add(publish, { ...route("a"), incarnation: 8 });
  fanout.send(publish, null, 0);
  assert.deepEqual(
    inserts[0]?.receivers.map(({ incarnation }) => incarnation),
    [7, 8],
  );
});

test("inbox fan-out: what a group's member cannot get any more goes to another, a few times, and then counts as not stored", () => {
  const { DELIVERED, FAILED } = PublishOutcome;
  for (const [attempt, expected, outcome] of [
    [0, 1, DELIVERED],
    [7, 1, DELIVERED],
    [8, 0, FAILED],
  ] as const) {
    const { inserts, fanout, redispatched } = makeFanout();
    const publish = publishOf();
    const rest = { isInbox: true, thread: 1, loadWord: 0, slot: 0, generation: 0 };
    fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
    fanout.addShared(publish, { ...route("gone"), ...rest, subscription: null }, "$share/g/a");
    fanout.add(publish, route("a"));
    const outcomes: unknown[] = [];
    const awaited = new PendingPublish((outcome) => outcomes.push(outcome));
    fanout.send(publish, awaited, attempt);
    awaited.seal(PublishOutcome.DELIVERED, false);
    inserts[0]?.done?.(Uint8Array.of(InsertStatus.NO_INBOX, InsertStatus.STORED));
    assert.deepEqual(
      redispatched.map(({ shareFilter, attempt: next }) => [shareFilter, next]),
      expected === 1 ? [["$share/g/a", attempt + 1]] : [],
    );
    assert.deepEqual(outcomes, [outcome]);
  }
});
