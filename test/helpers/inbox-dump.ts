/**
 * The whole state of an inbox range as plain values, wherever it is kept, to compare two ranges.
 * The range is of no use afterwards.
 */

import { RecordWriter } from "../../src/shared/bytes/record-writer.ts";
import type { Delivery } from "../../src/shared/inbox/range/delivery.ts";
import { writeHead } from "../../src/shared/inbox/range/head-codec.ts";
import type { Inbox } from "../../src/shared/inbox/range/inbox.ts";
import { wake } from "../../src/shared/inbox/range/inbox-parts.ts";
import type { InboxRange } from "../../src/shared/inbox/range/inbox-range.ts";
import { exchangesOf, takeFirst } from "../../src/shared/inbox/range/outbound.ts";
import { writeOwed } from "../../src/shared/inbox/range/outbox.ts";
import type { RangeState } from "../../src/shared/inbox/range/range-state.ts";
import { payloadOf } from "./service-workers.ts";

export function dumpRange(range: InboxRange): unknown {
  const { state } = range;
  const outbox = [...state.outbox.records()].sort((a, b) => a.id - b.id);
  const tenants = [...state.tenants.values()]
    .map(({ tenantId, inline, shared }) => ({ tenantId, inline, shared }))
    .filter(({ inline, shared }) => inline.count + shared.count > 0);
  const sums = {
    tenants: tenants
      .map((tenant) => structuredClone(tenant))
      .sort((a, b) => a.tenantId.localeCompare(b.tenantId)),
    heldBytes: state.heldBytes,
    lastNumber: state.lastNumber,
  };
  const inboxes = [...state.inboxes.values()].sort((left, right) => left.id - right.id);
  return {
    ...sums,
    taken: state.taken.dump(),
    outbox: outbox.map(({ id, owed }) => ({
      id,
      owed: bytesOf((writer) => writeOwed(writer, owed)),
    })),
    inboxes: inboxes.map((inbox) => dumpInbox(state, inbox)),
  };
}

function dumpInbox(state: RangeState, inbox: Inbox): unknown {
  wake(state, inbox);
  const head = bytesOf((writer) => writeHead(writer, inbox));
  const exchanges = exchangesOf(inbox).map((delivery) => ({
    packetId: delivery.packetId,
    order: delivery.order,
    awaiting: inbox.window?.awaiting(delivery.packetId),
    ...dumpDelivery(state, delivery),
  }));
  const repeats = [];
  for (let i = 0; i < (inbox.repeats?.size ?? 0); i++) {
    const delivery = inbox.repeats!.at(i);
    if (delivery.packetId !== 0 && delivery.stored !== null) repeats.push(delivery.packetId);
  }
  const parts = {
    id: inbox.id,
    head,
    will: payloadOf(inbox.will?.message ?? null),
    drops: inbox.hasDrops ? inbox.drops?.reports : [],
    inbound: [...(inbox.inbound ?? [])].sort((left, right) => left - right),
    replay: inbox.replay === null ? null : [inbox.replay.filter, ...inbox.replay.topics],
    subscriptions: [...(inbox.subscriptions?.values() ?? [])].sort((a, b) => a.slot - b.slot),
  };
  const waiting: unknown[] = [];
  for (;;) {
    const delivery = takeFirst(state, inbox);
    if (delivery === null) break;
    waiting.push(dumpDelivery(state, delivery));
  }
  return { ...parts, exchanges, repeats, waiting };
}

function dumpDelivery(state: RangeState, delivery: Delivery) {
  const { stored, qos, retain, subscriptionIdentifiers, shareFilter } = delivery;
  if (stored !== null) state.shared.load(stored);
  const payload = payloadOf(stored?.message ?? null);
  return { payload, qos, retain, subscriptionIdentifiers, shareFilter };
}

function bytesOf(write: (writer: RecordWriter) => void): string {
  const writer = new RecordWriter();
  write(writer);
  return Buffer.from(writer.bytes.subarray(0, writer.size)).toString("hex");
}
