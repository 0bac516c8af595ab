/**
 * The inboxes of one owner with their outputs written down, for tests of the pure inbox.
 */

import { type Delivery, MessageStore, StoredMessage } from "../../src/shared/inbox/delivery.ts";
import type { Inbox } from "../../src/shared/inbox/inbox.ts";
import type { InboxContext, InboxLimits } from "../../src/shared/inbox/inbox-context.ts";
import type {
  InboxOutput,
  PushTarget,
  Requester,
  RouteChange,
} from "../../src/shared/inbox/inbox-output.ts";
import type {
  AttachReply,
  InboxSubscribeStatus,
  SubscriptionOptions,
} from "../../src/shared/inbox/inbox-types.ts";
import type { QueueBudget } from "../../src/shared/inbox/queue-budget.ts";
import { COUNTER_COLUMNS } from "../../src/shared/metrics/counter-table.ts";
import type { Message } from "../../src/shared/mqtt/message.ts";
import { message, payloadOf } from "./service-workers.ts";

export const NO_BUDGET: QueueBudget = {
  sessionBytes: Number.MAX_SAFE_INTEGER,
  tenantBytes: Number.MAX_SAFE_INTEGER,
  workerBytes: Number.MAX_SAFE_INTEGER,
};

export const LIMITS: InboxLimits = {
  SessionInboxSize: 1000,
  QoS0DropOldest: false,
  MaxTopicFiltersPerInbox: 0,
};

export interface RecordedPush {
  readonly token: number;
  readonly payload: string | null;
  readonly packetId: number;
  readonly qos: number;
  readonly dup: boolean;
}

export class InboxRecorder implements InboxOutput {
  readonly counters = new Float64Array(COUNTER_COLUMNS);
  readonly context: InboxContext;
  readonly pushes: RecordedPush[] = [];
  readonly replies: { token: number; reply: AttachReply }[] = [];
  readonly routes: { change: RouteChange; added: boolean }[] = [];
  readonly wills: Message[] = [];
  readonly redispatched: string[] = [];
  readonly refusals: InboxSubscribeStatus[] = [];
  readonly online = new Set<string>();
  readonly loads = new Map<string, number>();
  missed = 0;
  isBlocked = false;
  onPush: ((push: RecordedPush) => void) | null = null;

  constructor(windowBytes = 1 << 20, budget: QueueBudget = NO_BUDGET) {
    const messages = new MessageStore(this.counters);
    this.context = { messages, counters: this.counters, output: this, windowBytes, budget };
  }

  /** "payload#id", "payload#id!" with DUP, "PUBREL#id"; since the last call. */
  takePushes(): string[] {
    return this.pushes.splice(0).map(({ payload, packetId, dup }) => {
      const name = payload ?? "PUBREL";
      return `${name}#${packetId}${dup ? "!" : ""}`;
    });
  }

  attached(target: PushTarget, reply: AttachReply): void {
    this.replies.push({ token: target.token, reply });
  }

  subscribeRefused(_requester: Requester, status: InboxSubscribeStatus): void {
    this.refusals.push(status);
  }

  unsubscribeMissed(): void {
    this.missed += 1;
  }

  addRoute(change: RouteChange, _options: SubscriptionOptions): void {
    this.routes.push({ change, added: true });
  }

  removeRoute(change: RouteChange): void {
    this.routes.push({ change, added: false });
  }

  onlineChanged(inbox: Inbox, isOnline: boolean): void {
    if (isOnline) this.online.add(inbox.clientId);
    else this.online.delete(inbox.clientId);
  }

  loadChanged(inbox: Inbox): void {
    this.loads.set(inbox.clientId, inbox.load);
  }

  committed(): void {}

  inserted(): void {}

  canPush(): boolean {
    return !this.isBlocked;
  }

  push(target: PushTarget, delivery: Delivery, dup: boolean): void {
    const stored = delivery.stored;
    const push = {
      token: target.token,
      payload: stored === null ? null : payloadOf(stored.message),
      packetId: delivery.packetId,
      qos: delivery.qos,
      dup,
    };
    this.pushes.push(push);
    this.onPush?.(push);
  }

  publishWill(will: Message): void {
    this.wills.push(will);
  }

  redispatch(given: Message, shareFilter: string): void {
    this.redispatched.push(`${shareFilter} ${payloadOf(given)}`);
  }
}

export function stored(
  payload: string,
  fields: { qos?: number; expirySeconds?: number; receivedAtMs?: number } = {},
): StoredMessage {
  return new StoredMessage(message({ payload, receivedAtMs: 0, ...fields }));
}
