/**
 * The state machine behind one inbox range: batches of commands in, changes of the sessions and
 * outputs out.
 *
 * Besides the commands of the log it takes what does not go through it, from its worker alone: QoS
 * 0, credit for it, what timers are due.
 * Flow: publish to a stored session, behind the log, before the session's worker. Thread: the
 * worker that stores the range. Scope: one per range.
 */

import { assert } from "../../base/assert.ts";
import type { RecordReader } from "../../bytes/record-reader.ts";
import type { KeyValueReader, KeyValueWriter } from "../../range/key-value.ts";
import type { RangeDescriptor } from "../../range/range-descriptor.ts";
import type { ApplyContext, RangeStateMachine } from "../../range/range-state-machine.ts";
import type { Steps } from "../../range/steps.ts";
import { readLogCommands } from "../log-command.ts";
import { CommandApplier } from "./command-applier.ts";
import type { DeliveryForm, StoredMessage } from "./delivery.ts";
import { Changed, type Inbox, type Subscribed } from "./inbox.ts";
import { InboxGauges } from "./inbox-gauges.ts";
import { endBucket, firstBucket } from "./inbox-key.ts";
import type { InboxOutput } from "./inbox-output.ts";
import { wake } from "./inbox-parts.ts";
import { type QosZeroLimits, QosZeroQueue } from "./qos-zero-queue.ts";
import { RangeCollector } from "./range-collector.ts";
import { absorbRange, middleCut, splitRange } from "./range-cut.ts";
import { loadRange } from "./range-loader.ts";
import { RangeState } from "./range-state.ts";
import type { Buckets } from "./shared-messages.ts";
import { resumeTransmit } from "./transmit.ts";

/**
 * Sessions that one call of `pollDue` names: a command for each costs some 10 µs, so the wills of a
 * cut cable hold the worker up for 40 ms at a time. The event loop calls four times per second.
 */
const DUE_PER_CALL = 4000;
/** What is due and was proposed is proposed again after this time, should the command get lost. */
const DUE_AGAIN_MS = 10_000;
/** Objects and strings of a sleeping session, about: its messages count by themselves. */
const SESSION_BYTES = 800;

/** The last token that an attachment can have. */
export const LAST_TOKEN = 0xffff_ffff;

export interface InboxRangeOptions {
  readonly output: InboxOutput;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
}

export class InboxRange implements RangeStateMachine {
  readonly #options: InboxRangeOptions;
  readonly #state: RangeState;
  readonly #applier: CommandApplier;
  readonly #collector: RangeCollector;
  /** Between the steps of a split: what has left already, which counts here until the end. */
  #leaving: InboxRange | null = null;

  /** Empty; see `load`. */
  constructor(
    bounds: Pick<RangeDescriptor, "start" | "end">,
    reader: KeyValueReader,
    options: InboxRangeOptions,
  ) {
    const { output, counters } = options;
    const buckets = { first: firstBucket(bounds.start), end: endBucket(bounds.end) };
    this.#options = options;
    this.#state = new RangeState(reader, buckets, output, new InboxGauges(counters));
    this.#applier = new CommandApplier(this.#state);
    this.#collector = new RangeCollector(this.#state);
  }

  /** For tests. */
  get state(): RangeState {
    return this.#state;
  }

  get buckets(): Buckets {
    return this.#state.buckets;
  }

  /** Everything that was in the log at start is applied. */
  get isLive(): boolean {
    return this.#state.isLive;
  }

  /** Tenants that have sessions here. */
  tenants(): string[] {
    const tenants = [...this.#state.tenants.values()];
    return tenants.filter(({ inboxes }) => inboxes.size > 0).map(({ tenantId }) => tenantId);
  }

  /** Sessions of a tenant, attached or not. */
  sessionCount(tenantId: string): number {
    const leaving = this.#leaving?.sessionCount(tenantId) ?? 0;
    return (this.#state.tenants.get(tenantId)?.inboxes.size ?? 0) + leaving;
  }

  /** Sessions of a tenant that have ended in this life because their client stayed away. */
  expiredCount(tenantId: string): number {
    return this.#state.expired.get(tenantId) ?? 0;
  }

  /** Reads what the store has. */
  load(): void {
    loadRange(this.#state);
  }

  apply(commands: RecordReader, context: ApplyContext): void {
    this.#applier.begin(context);
    readLogCommands(commands, this.#applier);
  }

  get isDirty(): boolean {
    return this.#collector.isDirty;
  }

  collect(writer: KeyValueWriter): void {
    this.#collector.collect(writer);
  }

  collected(): void {
    this.#collector.collected();
  }

  /**
   * Whoever was attached in an earlier life, of the process or of this worker, is attached no more;
   * and what is owed is done once more.
   */
  goLive(): void {
    const state = this.#state;
    state.isLive = true;
    for (const [boot, attachments] of state.attachments) {
      let lastToken = 0;
      for (const token of attachments.keys()) lastToken = Math.max(lastToken, token);
      state.output.lost(boot, lastToken, state.buckets.first);
    }
    for (const record of state.outbox.records()) state.output.owe(record);
  }

  /** `isGone` says which workers' lives are over: their attachments are to be given up. */
  loseWorkers(isGone: (boot: number, thread: number) => boolean): void {
    for (const [boot, attachments] of this.#state.attachments) {
      for (const { thread } of attachments.values()) {
        if (isGone(boot, thread)) {
          this.#state.output.lost(boot, LAST_TOKEN, this.#state.buckets.first);
        }
        // All of one life are of one thread.
        break;
      }
    }
  }

  /** Bytes of all waiting messages and those in flight. */
  get heldBytes(): number {
    return this.#state.heldBytes + (this.#leaving?.heldBytes ?? 0);
  }

  /** The same of one tenant. */
  tenantBytes(tenantId: string): number {
    const leaving = this.#leaving?.tenantBytes(tenantId) ?? 0;
    return (this.#state.tenants.get(tenantId)?.bytes ?? 0) + leaving;
  }

  /** Tenants that have anything here. */
  knownTenants(): Iterable<string> {
    return this.#state.tenants.keys();
  }

  /** Hands over each tenant that has more or fewer sessions or bytes than at the last call. */
  drainChangedTenants(take: (tenantId: string) => void): void {
    const { notedTenants } = this.#state;
    for (const tenant of notedTenants) {
      tenant.isNoted = false;
      take(tenant.tenantId);
    }
    notedTenants.length = 0;
  }

  /** Wall clock; Infinity when nothing is due. */
  get nextDeadlineMs(): number {
    return this.#state.deadlines.nextDeadlineMs;
  }

  /**
   * Names the sessions for which something is due, so many at a time; `propose` is to propose DUE
   * for each.
   */
  pollDue(nowMs: number, propose: (incarnation: number) => void): void {
    const { deadlines } = this.#state;
    for (let left = DUE_PER_CALL; left > 0; left--) {
      const inbox = deadlines.pollDue(nowMs);
      if (inbox === null) return;
      deadlines.schedule(inbox, nowMs + DUE_AGAIN_MS);
      propose(inbox.id);
    }
  }

  /** A QoS 0 message: pushed if the session is attached, else gone. */
  insertQosZero(
    incarnation: number,
    stored: StoredMessage,
    form: DeliveryForm,
    limits: QosZeroLimits,
    nowMs: number,
  ): void {
    const inbox = this.#state.inboxes.get(incarnation);
    if (inbox === undefined || inbox.isEnded) return;
    if (form.shareFilter !== null) {
      inbox.isGroupMember = true;
      this.#state.output.loadChanged(inbox);
    }
    // A detached session stores no QoS 0: MQTT5 §4.1 leaves that to the server.
    if (!inbox.isReachable) return;
    inbox.qosZero ??= new QosZeroQueue(this.#state, inbox);
    inbox.qosZero.offer(stored, form, limits, nowMs);
  }

  /** The session has taken `bytes` of QoS 0. */
  credit(boot: number, token: number, bytes: number, nowMs: number): void {
    this.#state.attached(boot, token)?.qosZero?.credit(bytes, nowMs);
  }

  /** The way to `thread` is free again: what stopped for it goes on. */
  resume(thread: number, nowMs: number): void {
    for (const attachments of this.#state.attachments.values()) {
      for (const inbox of attachments.values()) {
        if (inbox.thread !== thread) break;
        inbox.qosZero?.pump(nowMs);
        resumeTransmit(this.#state, inbox);
      }
    }
  }

  /**
   * Is the session of that incarnation alive, and subscribed to `filter`, as the client sent it?
   */
  wants(incarnation: number, filter: string): boolean {
    const state = this.#state;
    const inbox = state.inboxes.get(incarnation);
    if (inbox === undefined || inbox.isEnded) return false;
    if (!inbox.isAwake) {
      wake(state, inbox);
      // The next collection puts it to sleep again.
      state.change(inbox, Changed.NOTHING);
    }
    return inbox.subscriptions?.has(filter) ?? false;
  }

  /**
   * What the sessions that live are subscribed to. Good across changes: who comes or goes meanwhile
   * may be in it or not.
   */
  *subscriptions(): Generator<readonly [Inbox, Subscribed]> {
    const state = this.#state;
    for (const inbox of state.inboxes.values()) {
      if (inbox.isEnded || inbox.subscriptionCount === 0) continue;
      if (!inbox.isAwake) {
        wake(state, inbox);
        state.change(inbox, Changed.NOTHING);
      }
      for (const subscribed of [...(inbox.subscriptions?.values() ?? [])]) {
        if (!inbox.isEnded) yield [inbox, subscribed];
      }
    }
  }

  /** Of a session that lives; null when there is none. */
  find(tenantId: string, clientId: string): Inbox | null {
    return this.#state.find(tenantId, clientId);
  }

  *planSplit(at: Uint8Array | null): Steps<Uint8Array | null> {
    return at ?? (yield* middleCut(this.#state));
  }

  *splitOff(at: Uint8Array, reader: KeyValueReader): Steps<InboxRange> {
    assert(!this.#collector.isCollecting, "no split during a collection");
    const right = new InboxRange({ start: at, end: null }, reader, this.#options);
    this.#leaving = right;
    yield* splitRange(this.#state, right.#state);
    this.#leaving = null;
    return right;
  }

  *absorb(right: RangeStateMachine): Steps<void> {
    assert(right instanceof InboxRange, "ranges of one service are merged");
    assert(!this.#collector.isCollecting, "no merge during a collection");
    yield* absorbRange(this.#state, right.#state);
    right.close();
  }

  get keyCount(): number {
    let messages = 0;
    for (const { inline, shared } of this.#state.tenants.values()) {
      messages += inline.count + shared.count;
    }
    return this.#state.inboxes.size + this.#state.outbox.size + messages;
  }

  get stateBytes(): number {
    return this.#state.inboxes.size * SESSION_BYTES + this.#state.heldBytes;
  }

  close(): void {
    this.#state.gauges.close();
  }
}
