/** One insert command per owning worker, each inbox once, within the tenant's limits. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import {
  DEFAULT_TENANT_SETTINGS,
  type TenantSettings,
} from "../../../src/shared/tenant/tenant-settings.ts";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import type { DeliveryOptions } from "../../../src/workers/dist/dist-api.ts";
import { InboxFanout } from "../../../src/workers/dist/inbox-fanout.ts";
import { PendingPublish } from "../../../src/workers/dist/pending-publish.ts";
import type { InboxClient, InboxReceiver } from "../../../src/workers/inbox/inbox-api.ts";
import { message } from "../../helpers/service-workers.ts";
import { options } from "./dist-workers.ts";

interface Insert {
  readonly owner: number;
  readonly message: Message;
  readonly receivers: readonly InboxReceiver[];
  readonly isAwaited: boolean;
}

function makeFanout() {
  const inserts: Insert[] = [];
  const insert: InboxClient["insert"] = (owner, stored, receivers, done) => {
    inserts.push({ owner, message: stored, receivers, isAwaited: done !== null });
  };
  // The methods of the client that fan-out calls.
  const ownerThread: InboxClient["ownerThread"] = (_tenantId, clientId) => {
    return clientId === "far" ? 2 : 1;
  };
  return { inserts, fanout: new InboxFanout({ insert, ownerThread } as InboxClient) };
}

function publishOf(fields: Parameters<typeof message>[0] = {}): BorrowedPublish {
  const publish = new BorrowedPublish();
  publish.loadMessage(message(fields), 0);
  return publish;
}

function settings(fields: Partial<TenantSettings>): TenantSettings {
  return { ...DEFAULT_TENANT_SETTINGS, ...fields };
}

function route(clientId: string, fields: Partial<DeliveryOptions> = {}) {
  return { clientId, incarnation: 1, source: 1, options: options({ qos: 1, ...fields }) };
}

const pending = () => new PendingPublish(() => {});

test("inbox fan-out: one command per owning worker, all with one message", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf();
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  for (const client of ["a", "far", "c"]) assert.ok(fanout.add(publish, route(client)));
  fanout.send(publish, pending());
  const seen = inserts.map(({ owner, receivers }) => [owner, receivers.map((r) => r.clientId)]);
  assert.deepEqual(seen, [
    [1, ["a", "c"]],
    [2, ["far"]],
  ]);
  assert.equal(inserts[0]?.message, inserts[1]?.message);
});

test("inbox fan-out: overlapping subscriptions of one session are one entry [MQTT-3.3.4-2] [MQTT-3.3.4-4]", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ qos: 2, retain: true });
  fanout.begin(settings({ MaxPersistentFanout: 1 }), publish.payloadLength);
  fanout.add(publish, route("a", { qos: 0, subscriptionIdentifier: 3 }));
  fanout.add(publish, route("a", { qos: 2 }));
  fanout.add(publish, route("a", { qos: 1, subscriptionIdentifier: 4, retainAsPublished: true }));
  fanout.send(publish, null);
  assert.deepEqual(inserts[0]?.receivers, [
    {
      clientId: "a",
      qos: 2,
      retain: true,
      subscriptionIdentifiers: [3, 4],
      shareFilter: null,
    },
  ]);
  assert.equal(fanout.limited, 0);
});

test("inbox fan-out: No Local leaves the publisher out [MQTT-3.8.3-3]", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ publisherId: "a" });
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  assert.equal(fanout.add(publish, route("a", { noLocal: true })), false);
  assert.equal(fanout.add(publish, route("b", { noLocal: true })), true);
  fanout.send(publish, null);
  assert.deepEqual(
    inserts[0]?.receivers.map(({ clientId }) => clientId),
    ["b"],
  );
});

test("inbox fan-out: QoS and RETAIN as granted [MQTT-3.8.4-8] [MQTT-3.3.1-12]", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf({ qos: 1, retain: true });
  fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
  fanout.add(publish, route("a", { qos: 2 }));
  fanout.add(publish, route("b", { qos: 0, retainAsPublished: true }));
  fanout.send(publish, null);
  assert.deepEqual(
    inserts[0]?.receivers.map(({ qos, retain }) => [qos, retain]),
    [
      [1, false],
      [0, true],
    ],
  );
});

test("inbox fan-out: only QoS 1 and 2 are waited for", () => {
  for (const qos of [0, 1, 2]) {
    const { inserts, fanout } = makeFanout();
    const publish = publishOf({ qos: 2 });
    fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
    fanout.add(publish, route("a", { qos }));
    fanout.send(publish, pending());
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
    fanout.send(publish, null);
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
  fanout.send(publish, null);
  assert.deepEqual(
    inserts[0]?.receivers.map((one) => [one.shareFilter, one.subscriptionIdentifiers]),
    [
      [null, []],
      ["$share/g/a", [9]],
    ],
  );
});

test("inbox fan-out: nothing of one publish is left for the next", () => {
  const { inserts, fanout } = makeFanout();
  const publish = publishOf();
  for (let round = 0; round < 2; round += 1) {
    fanout.begin(DEFAULT_TENANT_SETTINGS, publish.payloadLength);
    fanout.add(publish, route("a"));
    fanout.send(publish, null);
  }
  fanout.send(publish, null);
  assert.deepEqual(
    inserts.map(({ receivers }) => receivers.length),
    [1, 1],
  );
});
