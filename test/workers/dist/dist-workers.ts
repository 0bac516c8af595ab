/**
 * The dist service of several workers over a FakeMesh: real index, routes, members, link and
 * publisher; receivers, inboxes and the retained store write down what they are told.
 */

import assert from "node:assert/strict";
import type { StoredRoute } from "../../../src/shared/dist/dist-log-command.ts";
import { COUNTER_COLUMNS, counterRow } from "../../../src/shared/metrics/counter-table.ts";
import { sharedWordsSize } from "../../../src/shared/metrics/shared-words.ts";
import type { Message } from "../../../src/shared/mqtt/message.ts";
import type { PublishOrigin } from "../../../src/shared/mqtt/publish-origin.ts";
import type { SubscriptionOptions } from "../../../src/shared/mqtt/subscription-options.ts";
import {
  DEFAULT_TENANT_SETTINGS,
  type TenantSettings,
} from "../../../src/shared/tenant/tenant-settings.ts";
import { FIXED_HASH_KEY } from "../../../src/shared/topic/level-hash.ts";
import { splitShareFilter } from "../../../src/shared/topic/share-filter.ts";
import type { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { DeliverLink } from "../../../src/workers/dist/deliver-link.ts";
import { DistClient } from "../../../src/workers/dist/dist-client.ts";
import { MatchIndex } from "../../../src/workers/dist/match-index.ts";
import { MemberTable } from "../../../src/workers/dist/member-table.ts";
import { DistPublisher } from "../../../src/workers/dist/publisher.ts";
import { RouteTable } from "../../../src/workers/dist/route-table.ts";
import type { ShareStrategy } from "../../../src/workers/dist/share-group.ts";
import { type LocalReceiver, Subscription } from "../../../src/workers/dist/subscription.ts";
import type {
  InboxClient,
  InboxReceiver,
  InsertStatus,
} from "../../../src/workers/inbox/inbox-api.ts";
import type { RetainClient, RetainStatus } from "../../../src/workers/retain/retain-api.ts";
import { FakeMesh } from "../../helpers/fake-ring.ts";
import { payloadOf } from "../../helpers/service-workers.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

export const QOS_0: SubscriptionOptions = {
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  subscriptionIdentifier: 0,
};

export function options(fields: Partial<SubscriptionOptions>): SubscriptionOptions {
  return { ...QOS_0, ...fields };
}

/** A stored session's route; `group` "" = not shared. */
export function storedRoute(filter: string, clientId: string, fields: Partial<StoredRoute> = {}) {
  const incarnation = incarnationOf(clientId);
  return { tenantId: "t", filter, group: "", isOrdered: false, clientId, incarnation, ...fields };
}

/** One delivery as a session saw it. */
export interface SeenDelivery {
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly identifiers: readonly number[] | null;
  /** Filter of the shared subscription as the client sent it; null when not shared. */
  readonly share: string | null;
}

export class FakeReceiver implements LocalReceiver {
  readonly clientId: string;
  matchStamp = 0;
  matchQos = 0;
  matchRetain = false;
  matchIdentifiers: readonly number[] | null = null;
  mergedIdentifiers: number[] | null = null;
  readonly seen: SeenDelivery[] = [];
  onDelivery: ((delivery: SeenDelivery) => void) | null = null;

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  deliver(
    publish: BorrowedPublish,
    qos: number,
    retain: boolean,
    identifiers: readonly number[] | null,
    share: Subscription | null,
  ): void {
    const { payloadBytes, payloadOffset, payloadLength } = publish;
    const bytes = payloadBytes.slice(payloadOffset, payloadOffset + payloadLength);
    const payload = decoder.decode(bytes);
    const delivery = { payload, qos, retain, identifiers, share: share?.requestedFilter ?? null };
    this.seen.push(delivery);
    this.onDelivery?.(delivery);
  }

  /** One by one, so that each is seen. */
  deliverRun(): boolean {
    return false;
  }

  /** Payloads since the last call. */
  takePayloads(): string[] {
    return this.seen.splice(0).map((delivery) => delivery.payload);
  }
}

/** `requested` as the client sent it, share prefix included. */
export function subscriptionOf(
  receiver: LocalReceiver,
  requested: string,
  fields: Partial<SubscriptionOptions> = {},
): Subscription {
  const share = splitShareFilter(requested);
  const filter = share === null ? requested : share.filter;
  return new Subscription(receiver, requested, filter, share, options(fields));
}

const clients: string[] = [];

/** The incarnation of a stored session in these tests: one number per client identifier. */
export function incarnationOf(clientId: string): number {
  if (!clients.includes(clientId)) clients.push(clientId);
  return clients.indexOf(clientId) + 1;
}

export function clientOf(incarnation: number): string {
  return clients[incarnation - 1] ?? "nobody";
}

interface SeenInsert {
  readonly payload: string | null;
  readonly origin: PublishOrigin | null;
  readonly receivers: readonly InboxReceiver[];
  readonly done: ((statuses: Uint8Array) => void) | null;
}

/** Takes inserts; the rest of the inbox service is none of the publisher's business. */
class FakeInbox implements InboxClient {
  readonly inserts: SeenInsert[] = [];

  insert(
    message: Message,
    receivers: readonly InboxReceiver[],
    done: ((statuses: Uint8Array) => void) | null,
  ): void {
    const { origin } = message;
    this.inserts.push({ payload: payloadOf(message), origin, receivers: [...receivers], done });
  }

  insertQosZero(message: Message, receivers: readonly InboxReceiver[]): void {
    this.insert(message, receivers, null);
  }

  readonly questions: { shareFilter: string; done: (status: InsertStatus) => void }[] = [];

  askTaken(_message: Message, shareFilter: string, done: (status: InsertStatus) => void): void {
    this.questions.push({ shareFilter, done });
  }

  /** Shared filters of noted publishes. */
  readonly notes: string[] = [];

  noteTaken(_message: Message, shareFilter: string): void {
    this.notes.push(shareFilter);
  }

  /** "client client" of each insert since the last call. */
  takeInserts(): string[] {
    return this.inserts.splice(0).map(({ receivers }) => {
      return receivers.map(({ incarnation }) => clientOf(incarnation)).join(" ");
    });
  }

  attach(): void {
    assert.fail("not called by dist");
  }

  detach(): void {
    assert.fail("not called by dist");
  }

  subscribe(): void {
    assert.fail("not called by dist");
  }

  unsubscribe(): void {
    assert.fail("not called by dist");
  }

  commit(): void {
    assert.fail("not called by dist");
  }

  replay(): void {
    assert.fail("not called by dist");
  }
}

class FakeRetain implements RetainClient {
  readonly stores: {
    readonly message: Message;
    readonly done: ((status: RetainStatus) => void) | null;
  }[] = [];

  store(message: Message, done: ((status: RetainStatus) => void) | null): void {
    this.stores.push({ message, done });
  }

  scan(): never {
    assert.fail("not called by dist");
  }
}

export interface DistWorker {
  readonly index: MatchIndex;
  readonly table: RouteTable;
  readonly members: MemberTable;
  readonly client: DistClient;
  readonly link: DeliverLink;
  readonly publisher: DistPublisher;
  readonly inbox: FakeInbox;
  readonly retain: FakeRetain;
  readonly counters: Float64Array;
}

export class DistWorkers {
  readonly mesh: FakeMesh;
  readonly loads: Int32Array;
  settings: TenantSettings = DEFAULT_TENANT_SETTINGS;
  strategy: ShareStrategy = "least_inflight";
  nowMs = 1_000_000;
  random = 0;
  areRoutesWhole = true;
  #clients = 0;
  readonly #workers: DistWorker[] = [];

  /** All have started and know each other's (empty) routes. */
  constructor(workerCount: number) {
    this.mesh = new FakeMesh(workerCount);
    this.loads = new Int32Array(new SharedArrayBuffer(sharedWordsSize(workerCount)));
    for (let thread = 1; thread <= workerCount; thread += 1) {
      this.#start(thread).client.synchronize([], () => {});
    }
  }

  worker(thread: number): DistWorker {
    const worker = this.#workers[thread];
    assert.ok(worker !== undefined);
    return worker;
  }

  get all(): readonly DistWorker[] {
    return this.#workers.filter((worker) => worker !== undefined);
  }

  counter(thread: number, column: number): number {
    return this.worker(thread).counters[column] ?? 0;
  }

  /** Load of the member in `slot` of a worker. */
  load(word: number): number {
    return Atomics.load(this.loads, word);
  }

  flush(): void {
    for (const worker of this.all) worker.client.flush();
  }

  /** Duty cycles until nothing is on the way. */
  run(): void {
    this.mesh.pump(() => this.flush());
  }

  /** The worker dies; the others are told. It comes back empty and has not synchronized. */
  replace(thread: number): DistWorker {
    this.mesh.replace(thread);
    for (const [peer, worker] of this.#workers.entries()) {
      if (worker !== undefined && peer !== thread) worker.client.peerLost(thread);
    }
    return this.#start(thread);
  }

  /** Peers of `thread`, all alive. */
  peersOf(thread: number): number[] {
    return [...this.#workers.keys()].filter((peer) => peer > 0 && peer !== thread);
  }

  /** A new client subscribes and does not wait. */
  subscribe(thread: number, requested: string, fields: Partial<SubscriptionOptions> = {}) {
    this.#clients += 1;
    const receiver = new FakeReceiver(`client ${this.#clients}`);
    const subscription = subscriptionOf(receiver, requested, fields);
    this.worker(thread).client.subscribe("t", subscription, () => {});
    return { receiver, subscription };
  }

  /** What `thread` matches: worker numbers, `inbox client`, `group of members`, sorted. */
  matches(thread: number, topic: string, tenantId = "t"): string[] {
    const { index } = this.worker(thread);
    const bytes = encoder.encode(topic);
    const count = index.match(tenantId, bytes, 0, bytes.length);
    const found: string[] = [];
    for (let at = 0; at < count; at += 1) {
      const low = index.matchedWorkersLow(at);
      for (let bit = 0; bit < 31; bit += 1) {
        if ((low & (1 << bit)) !== 0) found.push(`worker ${bit + 1}`);
      }
      const entry = index.matched(at);
      for (const clientId of entry?.inboxes?.keys() ?? []) found.push(`inbox ${clientId}`);
      for (const group of entry?.shares?.values() ?? []) {
        const names = [...group.members()].map(({ clientId }) => clientId).sort();
        found.push(`${group.shareFilter}: ${names.join(", ")}`);
      }
    }
    return found.sort();
  }

  /** Members of a shared group that `thread` would choose among now: the online ones, if any. */
  membersOf(thread: number, filter: string, group: string, isOrdered = false): string[] {
    const found = this.worker(thread).table.findGroup("t", filter, group, isOrdered);
    const picked = new Set<string>();
    for (let round = 0; round < 2 * (found?.size ?? 0); round += 1) {
      picked.add(found!.pick("round_robin", this.loads, "p", 0, 0)!.clientId);
    }
    return [...picked].sort();
  }

  #start(thread: number): DistWorker {
    const endpoint = this.mesh.endpoint(thread);
    const index = new MatchIndex(FIXED_HASH_KEY);
    const table = new RouteTable(index);
    const members = new MemberTable(this.loads, thread);
    const client = new DistClient(endpoint, index, table, members);
    const counters = counterRow(new SharedArrayBuffer(COUNTER_COLUMNS * 8), 0);
    const link = new DeliverLink(endpoint, counters);
    const inbox = new FakeInbox();
    const retain = new FakeRetain();
    const publisher = new DistPublisher({
      endpoint,
      index,
      table,
      members,
      link,
      loads: this.loads,
      counters,
      inbox,
      retain,
      nowMs: () => this.nowMs,
      random: () => this.random,
      settings: () => this.settings,
      shareStrategy: () => this.strategy,
      areRoutesWhole: () => this.areRoutesWhole,
    });
    const worker = { index, table, members, client, link, publisher, inbox, retain, counters };
    this.#workers[thread] = worker;
    return worker;
  }
}
