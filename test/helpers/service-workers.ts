/**
 * Several workers' services over a FakeMesh, with everything around them under the test's control:
 * time, settings, the confirmation of routes, and what is published.
 */

import type { BrokerConfig } from "../../src/shared/config/config.ts";
import type { StoredRoute } from "../../src/shared/dist/dist-log-command.ts";
import type { InboxRange } from "../../src/shared/inbox/range/inbox-range.ts";
import type { OwedMissed } from "../../src/shared/inbox/range/outbox.ts";
import { COUNTER_COLUMNS } from "../../src/shared/metrics/counter-table.ts";
import { sharedWordsSize } from "../../src/shared/metrics/shared-words.ts";
import { Message } from "../../src/shared/mqtt/message.ts";
import type { SubscriptionOptions } from "../../src/shared/mqtt/subscription-options.ts";
import {
  clearQuotas,
  createQuotaMemory,
  QuotaLedger,
} from "../../src/shared/quota/quota-ledger.ts";
import { ServiceId } from "../../src/shared/range/service-id.ts";
import {
  DEFAULT_TENANT_SETTINGS,
  type TenantSettings,
} from "../../src/shared/tenant/tenant-settings.ts";
import { FIXED_HASH_KEY } from "../../src/shared/topic/level-hash.ts";
import { createServices, type Services } from "../../src/workers/create-services.ts";
import { type InboxRoutes, PublishOutcome } from "../../src/workers/dist/dist-api.ts";
import { DistClient } from "../../src/workers/dist/dist-client.ts";
import { MatchIndex } from "../../src/workers/dist/match-index.ts";
import { MemberTable } from "../../src/workers/dist/member-table.ts";
import { RouteTable } from "../../src/workers/dist/route-table.ts";
import {
  type AttachReply,
  type AttachRequest,
  type InboxHost,
  type InboxPush,
  type InboxReceiver,
  type InboxSession,
  InsertStatus,
} from "../../src/workers/inbox/inbox-api.ts";
import type { RangeClient } from "../../src/workers/ranges/range-client-api.ts";
import type { RangeHost } from "../../src/workers/ranges/range-host-api.ts";
import { FakeRanges } from "./fake-ranges.ts";
import { FakeMesh } from "./fake-ring.ts";
import { InstantRanges } from "./instant-ranges.ts";

/** An incarnation that nobody has: of bucket 0, number 0. */
const NO_SESSION = 0;

/** What a shared message that is handed on meets, where a publish meets the outcome. */
const REDISPATCHED: Readonly<Record<PublishOutcome, InsertStatus>> = {
  [PublishOutcome.DELIVERED]: InsertStatus.STORED,
  [PublishOutcome.NO_SUBSCRIBER]: InsertStatus.NO_INBOX,
  [PublishOutcome.QUOTA]: InsertStatus.QUOTA,
  [PublishOutcome.FAILED]: InsertStatus.UNAVAILABLE,
  [PublishOutcome.NO_ROOM]: InsertStatus.NO_ROOM,
  [PublishOutcome.IN_PART]: InsertStatus.STORED,
};

export const WINDOW_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface MessageFields {
  readonly tenantId?: string;
  readonly topic?: string;
  readonly payload?: string;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly expirySeconds?: number;
  readonly receivedAtMs?: number;
  readonly publisherId?: string;
}

export function message(fields: MessageFields = {}): Message {
  return new Message(
    fields.tenantId ?? "t",
    encoder.encode(fields.topic ?? "a/b"),
    encoder.encode(fields.payload ?? "payload"),
    new Uint8Array(0),
    fields.qos ?? 1,
    fields.retain ?? false,
    fields.expirySeconds ?? -1,
    fields.receivedAtMs ?? 1_000_000,
    fields.publisherId ?? "publisher",
  );
}

export function payloadOf(message: Message | null): string | null {
  return message === null ? null : decoder.decode(message.payload);
}

export function topicOf(message: Message): string {
  return decoder.decode(message.topic);
}

export function receiver(incarnation: number, fields: Partial<InboxReceiver> = {}): InboxReceiver {
  return {
    incarnation,
    qos: 1,
    retain: false,
    subscriptionIdentifiers: [],
    shareFilter: null,
    ...fields,
  };
}

export const OPTIONS: SubscriptionOptions = {
  qos: 1,
  noLocal: false,
  retainAsPublished: false,
  subscriptionIdentifier: 0,
};

/** A push as the session saw it, with the payload as text. */
export interface SeenPush {
  readonly payload: string | null;
  readonly packetId: number;
  readonly qos: number;
  readonly dup: boolean;
}

export class FakeSession implements InboxSession {
  readonly tenantId: string;
  readonly clientId: string;
  readonly epoch: number;
  readonly pushes: SeenPush[] = [];
  readonly messages: (Message | null)[] = [];
  readonly identifiers: (readonly number[])[] = [];
  lost = 0;

  constructor(tenantId: string, clientId: string, epoch: number) {
    this.tenantId = tenantId;
    this.clientId = clientId;
    this.epoch = epoch;
  }

  handleInboxPush(push: InboxPush): void {
    const { packetId, qos, dup } = push;
    this.messages.push(push.message);
    this.identifiers.push(push.subscriptionIdentifiers);
    this.pushes.push({ payload: payloadOf(push.message), packetId, qos, dup });
  }

  handleInboxLost(): void {
    this.lost += 1;
  }

  /** Payloads pushed since the last call. */
  takePayloads(): (string | null)[] {
    return this.pushes.splice(0).map((push) => push.payload);
  }
}

/** Routes of all owners; a change is confirmed at once unless `isHeld`. */
export class FakeRoutes implements InboxRoutes {
  /** "tenant|share|filter|client"; share is empty, "group", or "ordered group". */
  readonly live = new Set<string>();
  readonly #incarnations = new Map<string, number>();
  /** "tenant|client" of sessions with a connection. */
  readonly online = new Set<string>();
  /** By "tenant|client": what share groups were told last. */
  readonly loads = new Map<string, number>();
  isHeld = false;
  /** So many removals fail first. */
  failures = 0;
  readonly #held: ((isDone: boolean) => void)[] = [];

  addInboxRoute(
    route: StoredRoute,
    _options: SubscriptionOptions,
    done: (isDone: boolean) => void,
  ): void {
    this.live.add(nameOf(route));
    this.#incarnations.set(nameOf(route), route.incarnation);
    this.#confirm(done);
  }

  removeInboxRoute(route: StoredRoute, done: (isDone: boolean) => void): void {
    if (this.failures > 0) {
      this.failures -= 1;
      done(false);
      return;
    }
    const isLater = (this.#incarnations.get(nameOf(route)) ?? 0) > route.incarnation;
    if (!isLater) this.live.delete(nameOf(route));
    this.#confirm(done);
  }

  hasInboxRoute(route: StoredRoute): boolean {
    const isLive = this.live.has(nameOf(route));
    return isLive && this.#incarnations.get(nameOf(route)) === route.incarnation;
  }

  setInboxOnline(tenantId: string, clientId: string, isOnline: boolean): void {
    if (isOnline) this.online.add(`${tenantId}|${clientId}`);
    else this.online.delete(`${tenantId}|${clientId}`);
  }

  setInboxLoad(tenantId: string, clientId: string, load: number): void {
    this.loads.set(`${tenantId}|${clientId}`, load);
  }

  /** Confirms everything held so far. */
  confirmHeld(): void {
    for (const done of this.#held.splice(0)) done(true);
  }

  #confirm(done: (isDone: boolean) => void): void {
    if (this.isHeld) this.#held.push(done);
    else done(true);
  }
}

function nameOf({ tenantId, filter, group, isOrdered, clientId }: StoredRoute): string {
  return [tenantId, isOrdered ? `ordered ${group}` : group, filter, clientId].join("|");
}

/** What waiting messages may take. */
interface QueueBytes {
  readonly sessionQueueBytes: number;
  readonly tenantQueueBytes: number;
  readonly processQueueBytes: number;
}

const AMPLE: QueueBytes = {
  sessionQueueBytes: 2 ** 30,
  tenantQueueBytes: 2 ** 30,
  processQueueBytes: 2 ** 30,
};

interface Worker {
  services: Services;
  dist: DistClient;
  counters: Float64Array;
  rangeHost: RangeHost;
}

/** The ranges that the workers' services register with. */
interface RangesOfWorkers {
  /** What a worker that starts gets. */
  start(thread: number): { readonly client: RangeClient; readonly host: RangeHost };
  /** Its services have registered. */
  open(thread: number): void;
  /** It has died. */
  lost(thread: number): void;
  mainTurn(): void;
  /** Before the services of a worker flush. */
  hostTurn(thread: number): void;
  /** After that. */
  clientTurn(thread: number): void;
  /** Something waits that is not in a ring. */
  readonly isBusy: boolean;
}

class WorkersOver<Ranges extends RangesOfWorkers> {
  readonly mesh: FakeMesh;
  readonly ranges: Ranges;
  readonly routes = new FakeRoutes();
  readonly published: Message[] = [];
  readonly redispatched: { payload: string | null; shareFilter: string }[] = [];
  readonly missed: OwedMissed[] = [];
  settings: TenantSettings = DEFAULT_TENANT_SETTINGS;
  nowMs = 1_000_000;
  /** What becomes of wills and shared messages that are handed on. */
  outcome: PublishOutcome = PublishOutcome.DELIVERED;
  /** Those of `published` that are for stored sessions alone. */
  readonly publishedForStored: Message[] = [];
  readonly #workers: Worker[] = [];
  readonly #words: Int32Array;
  readonly #quotas: SharedArrayBuffer;
  readonly #queueBytes: QueueBytes;
  #incarnation = 0;

  constructor(
    workerCount: number,
    rangesOf: (mesh: FakeMesh, nowMs: () => number) => Ranges,
    queueBytes: Partial<QueueBytes> = {},
  ) {
    this.#queueBytes = { ...AMPLE, ...queueBytes };
    this.mesh = new FakeMesh(workerCount);
    this.#words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(workerCount)));
    this.#quotas = createQuotaMemory(workerCount);
    this.ranges = rangesOf(this.mesh, () => this.nowMs);
    for (let thread = 1; thread <= workerCount; thread++) this.#start(thread);
    this.run();
  }

  services(thread: number): Services {
    return this.#workers[thread]!.services;
  }

  counter(thread: number, column: number): number {
    return this.#workers[thread]!.counters[column]!;
  }

  /** The sum of one column over all workers. */
  total(column: number): number {
    return this.#workers.reduce((sum, { counters }) => sum + counters[column]!, 0);
  }

  /** Runs duty cycles until nothing is on the way. */
  run(): void {
    this.mesh.pump(() => {
      do this.flush();
      while (this.ranges.isBusy);
    });
  }

  flush(): void {
    this.ranges.mainTurn();
    this.#workers.forEach(({ services, dist }, thread) => {
      this.ranges.hostTurn(thread);
      services.flush();
      dist.flush();
      this.ranges.clientTurn(thread);
    });
  }

  /** Lets time pass; timers run once at the end of it. */
  advance(ms: number): void {
    this.nowMs += ms;
    for (const worker of this.#workers) worker?.services.handleTimeout(this.nowMs);
    this.run();
  }

  /** The worker dies and comes back with its ranges; the others are told. */
  restart(thread: number): void {
    this.mesh.replace(thread);
    clearQuotas(this.#quotas, thread);
    this.ranges.lost(thread);
    this.#workers.forEach((worker, peer) => {
      if (peer === thread) return;
      worker.dist.peerLost(thread);
      worker.services.peerLost(thread);
    });
    this.#start(thread);
  }

  /** Attaches a new session on `thread` and returns it with its answer. */
  attach(
    thread: number,
    session: FakeSession,
    fields: Partial<AttachRequest> = {},
  ): AttachReply | null {
    const request: AttachRequest = {
      tenantId: session.tenantId,
      clientId: session.clientId,
      userId: "user",
      epoch: session.epoch,
      cleanStart: false,
      sessionExpirySeconds: 3600,
      receiveMaximum: 10,
      will: null,
      ...fields,
    };
    const replies: AttachReply[] = [];
    this.services(thread).inboxClient.attach(request, session, (reply) => replies.push(reply));
    this.run();
    return replies[0] ?? null;
  }

  /** Stores one message per payload in the client's inbox, from `thread`. */
  insert(thread: number, clientId: string, payloads: string[], qos = 1): number[] {
    const client = this.services(thread).inboxClient;
    const incarnation = this.incarnation(clientId);
    const statuses: number[] = [];
    for (const payload of payloads) {
      const published = message({ payload, qos, receivedAtMs: this.nowMs });
      if (qos === 0) client.insertQosZero(published, [receiver(incarnation, { qos })]);
      else client.insert(published, [receiver(incarnation, { qos })], (s) => statuses.push(...s));
    }
    this.run();
    return statuses;
  }

  /** Of a session that lives; one that nobody has otherwise. */
  incarnation(clientId: string, tenantId = "t"): number {
    return this.inboxRange(clientId, tenantId)?.find(tenantId, clientId)?.id ?? NO_SESSION;
  }

  /** That has the client's session; null when none has. */
  inboxRange(clientId: string, tenantId = "t"): InboxRange | null {
    const machines = this.#workers.flatMap(({ rangeHost }) => {
      return rangeHost.ownedBy(ServiceId.INBOX).map(({ machine }) => machine as InboxRange);
    });
    return machines.find((machine) => machine.find(tenantId, clientId) !== null) ?? null;
  }

  #start(thread: number): void {
    this.#incarnation += 1;
    const counters = new Float64Array(COUNTER_COLUMNS);
    const host: InboxHost = {
      routes: this.routes,
      publisher: {
        publish: (published, done, isForStored) => {
          (isForStored === true ? this.publishedForStored : this.published).push(published);
          done?.(this.outcome);
        },
      },
      redispatch: (given, shareFilter, done) => {
        this.redispatched.push({ payload: payloadOf(given), shareFilter });
        done(REDISPATCHED[this.outcome]);
      },
      mayPublishWill: () => true,
      missed: (missed) => this.missed.push(missed),
      settings: () => this.settings,
      nowMs: () => this.nowMs,
    };
    const config = {
      limits: {
        connectionOutputBytes: WINDOW_BYTES,
        ...this.#queueBytes,
      },
    } as BrokerConfig;
    const boot = { incarnation: this.#incarnation, config };
    const endpoint = this.mesh.endpoint(thread);
    const members = new MemberTable(this.#words, thread);
    const index = new MatchIndex(FIXED_HASH_KEY);
    const dist = new DistClient(endpoint, index, new RouteTable(index), members);
    const ranges = this.ranges.start(thread);
    const quotas = new QuotaLedger(this.#quotas, thread);
    const services = createServices({ endpoint, boot, counters, dist, quotas, ranges, host });
    this.ranges.open(thread);
    services.serve();
    this.#workers[thread] = { services, dist, counters, rangeHost: ranges.host };
  }
}

/** All services over real ranges, whose commits take no time. */
export class ServiceWorkers extends WorkersOver<InstantRanges> {
  constructor(workerCount: number, queueBytes: Partial<QueueBytes> = {}) {
    super(workerCount, (mesh, nowMs) => new InstantRanges(mesh, nowMs), queueBytes);
  }
}

/** The inbox service over logs that take, refuse and apply what and when the test says. */
export class InboxWorkers extends WorkersOver<FakeRanges> {
  constructor(workerCount: number, queueBytes: Partial<QueueBytes> = {}) {
    const rangesOf = (_mesh: FakeMesh, nowMs: () => number) => {
      return new FakeRanges(ServiceId.INBOX, workerCount, nowMs);
    };
    super(workerCount, rangesOf, queueBytes);
  }
}
