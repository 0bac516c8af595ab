/**
 * What the machines of one node tell their worker, held back until the end of the turn: a process
 * that dies before has told nobody. Routes are learnt at once, as the index is a part of the
 * process.
 */

import type { StoredRoute } from "../../../../src/shared/dist/dist-log-command.ts";
import type {
  DistAnswer,
  DistOutput,
  RouteRecord,
} from "../../../../src/shared/dist/dist-range.ts";
import type { Delivery } from "../../../../src/shared/inbox/range/delivery.ts";
import type { Inbox, Subscribed } from "../../../../src/shared/inbox/range/inbox.ts";
import type {
  InboxOutput,
  PushTarget,
  Requester,
  SubscribeAnswer,
} from "../../../../src/shared/inbox/range/inbox-output.ts";
import type { OutboxRecord } from "../../../../src/shared/inbox/range/outbox.ts";
import type { SubscriptionOptions } from "../../../../src/shared/mqtt/subscription-options.ts";
import type { RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import type { RetainOutput } from "../../../../src/shared/retain/retain-range.ts";
import { payloadOf } from "../../../helpers/service-workers.ts";
import type { MachineOutputs } from "../host/machine-kit.ts";

/** Where in the logs something was said, and at which time of the log. */
export interface Origin {
  readonly range: RangeId;
  /** Of the process. */
  readonly boot: number;
  readonly index: number;
  readonly nowMs: number;
}

export interface SimPush {
  readonly token: number;
  /** Null: PUBREL. */
  readonly payload: string | null;
  readonly packetId: number;
  readonly qos: number;
  readonly isDup: boolean;
  readonly expiresAtMs: number;
  /** In memory. */
  readonly bytes: number;
}

/** A subscription that every worker must match. */
export interface RouteOrder {
  readonly tenantId: string;
  readonly clientId: string;
  readonly incarnation: number;
  readonly filter: string;
  readonly options: SubscriptionOptions;
  /** 0 = nobody. */
  readonly request: number;
}

type Attached = Parameters<InboxOutput["attached"]>[1];

/** Who hears of it. */
export interface TapListener {
  attached(token: number, reply: Attached, origin: Origin): void;
  pushed(push: SimPush, origin: Origin): void;
  /** `values`: statuses, or what else the answer says. */
  answered(request: number, values: readonly number[], origin: Origin): void;
  addRoute(order: RouteOrder, origin: Origin): void;
  owe(record: OutboxRecord, origin: Origin): void;
  lost(bucket: number, boot: number, lastToken: number): void;
  /** `isDone`: it took effect; else nothing of it did, because its boundary was an older one. */
  settled(range: RangeId, proposal: number, isDone: boolean): void;
}

interface Held {
  readonly origin: Origin;
  readonly tell: (listener: TapListener) => void;
}

export class OutputTap implements InboxOutput, RetainOutput, DistOutput {
  /** As every worker of the node matches. */
  readonly index = new Map<string, RouteRecord>();
  /** Of what is being applied. */
  origin: Origin = { range: 0, boot: 0, index: 0, nowMs: 0 };
  /** The way to the sessions is full. */
  isCongested = false;
  #held: Held[] = [];

  get outputs(): MachineOutputs {
    return { inbox: this, retain: this, dist: this };
  }

  /** What was said since the last call. */
  take(): readonly Held[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** A batch was applied. */
  settled(range: RangeId, proposal: number, isDone: boolean): void {
    this.#hold((listener) => listener.settled(range, proposal, isDone));
  }

  attached({ token }: PushTarget, reply: Attached): void {
    this.#hold((listener, origin) => listener.attached(token, reply, origin));
  }

  detached({ request }: Requester): void {
    this.#answer(request, []);
  }

  subscribeRefused({ request }: Requester, status: number): void {
    this.#answer(request, [status]);
  }

  unsubscribeMissed({ request }: Requester): void {
    this.#answer(request, [0]);
  }

  addRoute(inbox: Inbox, { filter, options }: Subscribed, answer: SubscribeAnswer | null): void {
    const { tenant, clientId, id: incarnation } = inbox;
    const request = answer === null ? 0 : answer.requester.request;
    const order = { tenantId: tenant.tenantId, clientId, incarnation, filter, options, request };
    this.#hold((listener, origin) => listener.addRoute(order, origin));
  }

  retainRefused(): void {}

  onlineChanged(): void {}

  loadChanged(): void {}

  committed({ request }: Requester, isStale: boolean): void {
    this.#answer(request, [isStale ? 1 : 0]);
  }

  inserted({ request }: Requester, statuses: Uint8Array, count: number): void {
    this.#answer(request, [...statuses.subarray(0, count)]);
  }

  canPush(): boolean {
    return !this.isCongested;
  }

  push({ token }: PushTarget, delivery: Delivery, isDup: boolean): void {
    const { stored, packetId, qos } = delivery;
    const payload = stored === null ? null : payloadOf(stored.message);
    const expiresAtMs = stored?.expiresAtMs ?? Number.POSITIVE_INFINITY;
    const bytes = stored?.footprint ?? 0;
    const push = { token, payload, packetId, qos, isDup, expiresAtMs, bytes };
    this.#hold((listener, origin) => listener.pushed(push, origin));
  }

  owe(record: OutboxRecord): void {
    this.#hold((listener, origin) => listener.owe(record, origin));
  }

  lost(boot: number, lastToken: number, bucket: number): void {
    this.#hold((listener) => listener.lost(bucket, boot, lastToken));
  }

  stored(_thread: number, request: number, status: number): void {
    this.#answer(request, [status]);
  }

  routeAdded(route: StoredRoute, options: SubscriptionOptions, answer: DistAnswer | null): void {
    this.index.set(routeName(route), { route, options });
    if (answer !== null) this.#answer(answer.request, []);
  }

  routeRemoved(route: StoredRoute, answer: DistAnswer | null): void {
    this.index.delete(routeName(route));
    if (answer !== null) this.#answer(answer.request, []);
  }

  unchanged({ request }: DistAnswer): void {
    this.#answer(request, []);
  }

  #answer(request: number, values: readonly number[]): void {
    this.#hold((listener, origin) => listener.answered(request, values, origin));
  }

  #hold(tell: (listener: TapListener, origin: Origin) => void): void {
    const { origin } = this;
    this.#held.push({ origin, tell: (listener) => tell(listener, origin) });
  }
}

export function routeName(route: Omit<StoredRoute, "incarnation">): string {
  const { tenantId, filter, group, isOrdered, clientId } = route;
  return [tenantId, filter, isOrdered ? "o" : "s", group, clientId].join("|");
}
