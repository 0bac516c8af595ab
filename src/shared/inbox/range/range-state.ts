/**
 * Everything that one inbox range holds, and the notes of what the store does not have of it.
 *
 * The files beside it change it: session-life.ts, subscriptions.ts and outbound.ts by commands;
 * range-loader.ts, inbox-parts.ts and range-collector.ts between memory and store; range-cut.ts
 * when ranges are split and merged. Thread: the worker that stores the range. Scope: one per range.
 */

import { DeadlineHeap } from "../../collections/deadline-heap.ts";
import { Counter } from "../../metrics/counter-table.ts";
import type { KeyValueReader } from "../../range/key-value.ts";
import { TakenPublishes } from "../../repeats/taken-publishes.ts";
import { DropReason } from "../inbox-types.ts";
import type { Delivery, StoredMessage } from "./delivery.ts";
import { ErasedKeys } from "./erased-keys.ts";
import { Changed, type Inbox } from "./inbox.ts";
import type { InboxGauges } from "./inbox-gauges.ts";
import { bucketOfId, makeId } from "./inbox-key.ts";
import type { InboxOutput, Requester } from "./inbox-output.ts";
import { dropsOf } from "./inbox-parts.ts";
import { Outbox, type Owed } from "./outbox.ts";
import { type Buckets, SharedMessages } from "./shared-messages.ts";
import { TenantShare } from "./tenant-share.ts";
import type { QueueStore } from "./waiting-queue.ts";

/** A queue is searched for expired messages this long after the first one has expired. */
const SWEEP_MS = 60_000;

export class RangeState implements QueueStore {
  readonly reader: KeyValueReader;
  readonly output: InboxOutput;
  readonly gauges: InboxGauges;
  buckets: Buckets;
  /** The log is applied as far as it was at start: outputs leave. */
  isLive = false;
  readonly tenants = new Map<string, TenantShare>();
  /** By identifier; those that have ended and still have messages too. */
  inboxes = new Map<number, Inbox>();
  /** Attached ones, by worker's life, then by token. */
  attachments = new Map<number, Map<number, Inbox>>();
  readonly deadlines = new DeadlineHeap<Inbox>();
  readonly shared: SharedMessages;
  readonly outbox = new Outbox();
  readonly taken = new TakenPublishes();
  /** Of sessions, messages and outbox records. */
  lastNumber = 0;
  isCounterChanged = false;
  readonly erased = new ErasedKeys();
  /** Of tenants' records. */
  lastSlot = -1;
  /** Inboxes with changes. */
  listed: Inbox[] = [];
  changedTenants: TenantShare[] = [];
  /** Bytes of all waiting messages and those in flight. */
  heldBytes = 0;
  /** Those whose sessions or bytes are more or less than when last asked. */
  readonly notedTenants: TenantShare[] = [];
  /** Sessions that have expired in this life of the process, by tenant. */
  readonly expired = new Map<string, number>();

  constructor(reader: KeyValueReader, buckets: Buckets, output: InboxOutput, gauges: InboxGauges) {
    this.reader = reader;
    this.buckets = buckets;
    this.output = output;
    this.gauges = gauges;
    this.shared = new SharedMessages(reader, buckets, this.erased);
  }

  get counters(): Float64Array {
    return this.gauges.counters;
  }

  find(tenantId: string, clientId: string): Inbox | null {
    return this.tenants.get(tenantId)?.inboxes.get(clientId) ?? null;
  }

  attached(boot: number, token: number): Inbox | null {
    return this.attachments.get(boot)?.get(token) ?? null;
  }

  setBuckets(buckets: Buckets): void {
    this.buckets = buckets;
    this.shared.buckets = buckets;
  }

  /** Sessions of a tenant, attached or not. */
  sessionCount(tenantId: string): number {
    return this.tenants.get(tenantId)?.inboxes.size ?? 0;
  }

  /** A session has come or, with -1, gone. */
  countSession(tenant: TenantShare, sign: 1 | -1): void {
    this.gauges.sessions(sign);
    this.#noteUsage(tenant);
  }

  /** A shared message has come or, with -1, gone. */
  countShared(tenant: TenantShare, footprint: number, sign: 1 | -1): void {
    tenant.shared.count += sign;
    tenant.shared.bytes += sign * footprint;
    this.heldBytes += sign * footprint;
    this.gauges.bytes(sign * footprint, sign);
    this.#noteUsage(tenant);
    this.changeTenant(tenant);
  }

  /** Found or made. */
  tenant(tenantId: string): TenantShare {
    let tenant = this.tenants.get(tenantId);
    if (tenant === undefined) {
      tenant = new TenantShare(tenantId);
      this.tenants.set(tenantId, tenant);
    }
    return tenant;
  }

  /** A tenant without sessions and bytes needs no place. */
  forgetIfEmpty(tenant: TenantShare): void {
    const isEmpty = tenant.inboxes.size === 0 && tenant.bytes === 0;
    if (isEmpty && tenant.slot < 0 && !tenant.isChanged) this.tenants.delete(tenant.tenantId);
  }

  countExpired(tenantId: string): void {
    if (this.isLive) this.expired.set(tenantId, (this.expired.get(tenantId) ?? 0) + 1);
  }

  /** An identifier never used in this bucket. */
  newId(bucket: number): number {
    this.lastNumber += 1;
    this.isCounterChanged = true;
    return makeId(this.lastNumber, bucket);
  }

  /** Notes that the parts `bits` (Changed) differ from the store. */
  change(inbox: Inbox, bits: number): void {
    inbox.changed |= bits | Changed.HEAD;
    if (inbox.isListed) return;
    inbox.isListed = true;
    this.listed.push(inbox);
  }

  changeTenant(tenant: TenantShare): void {
    if (tenant.isChanged) return;
    tenant.isChanged = true;
    this.changedTenants.push(tenant);
  }

  /** An effect that survives the process; done when the worker says so by a command. */
  owe(inbox: Inbox, owed: Owed, requester: Requester | null): void {
    const record = { id: this.newId(bucketOfId(inbox.id)), owed, requester };
    this.outbox.add(record);
    if (this.isLive) this.output.owe(record);
  }

  /** `delivery` has got its message. */
  acquire(inbox: Inbox, stored: StoredMessage): void {
    const { tenant } = inbox;
    this.gauges.messages(1);
    if (!stored.isShared) {
      inbox.inlineCount += 1;
      inbox.inlineBytes += stored.footprint;
      tenant.inline.count += 1;
      tenant.inline.bytes += stored.footprint;
      this.heldBytes += stored.footprint;
      this.gauges.bytes(stored.footprint, 1);
      this.#noteUsage(tenant);
      return;
    }
    inbox.sharedCount += 1;
    if (stored.id === 0) this.shared.add(stored, this.newId(bucketOfId(inbox.id)));
    if (this.shared.acquire(stored)) this.countShared(tenant, stored.footprint, 1);
  }

  /** Takes the message out of `delivery`. */
  release(inbox: Inbox, delivery: Delivery): void {
    const { stored } = delivery;
    if (stored === null) return;
    const { tenant } = inbox;
    delivery.stored = null;
    this.gauges.messages(-1);
    if (!stored.isShared) {
      inbox.inlineCount -= 1;
      inbox.inlineBytes -= stored.footprint;
      tenant.inline.count -= 1;
      tenant.inline.bytes -= stored.footprint;
      this.heldBytes -= stored.footprint;
      this.gauges.bytes(-stored.footprint, -1);
      this.#noteUsage(tenant);
      return;
    }
    inbox.sharedCount -= 1;
    if (this.shared.release(stored)) this.countShared(tenant, stored.footprint, -1);
  }

  hold(id: number, footprint: number, expiresAtMs: number): StoredMessage {
    return this.shared.hold(id, footprint, expiresAtMs);
  }

  letGo(delivery: Delivery): void {
    const { stored } = delivery;
    if (stored?.isShared === true) this.shared.unhold(stored);
  }

  /** The session does not get a message; it will be told. */
  drop(inbox: Inbox, reason: DropReason, position: number, nowMs: number): void {
    if (this.isLive) {
      const isExpired = reason === DropReason.EXPIRED;
      const column = isExpired ? Counter.DROPPED_EXPIRED : Counter.DROPPED_QUEUE_FULL;
      this.counters[column]! += 1;
    }
    dropsOf(this, inbox).add(reason, position, nowMs);
    inbox.hasDrops = true;
    this.change(inbox, Changed.DROPS);
  }

  /** When something happens by itself next: will, end, or a search for expired messages. */
  schedule(inbox: Inbox): void {
    const dueMs = Math.min(inbox.willDueMs, inbox.endDueMs, inbox.earliestExpiryMs + SWEEP_MS);
    this.deadlines.schedule(inbox, dueMs);
  }

  #noteUsage(tenant: TenantShare): void {
    if (tenant.isNoted) return;
    tenant.isNoted = true;
    this.notedTenants.push(tenant);
  }
}
