/**
 * Messages into inboxes: receivers are gathered by range, each range gets one command, and what is
 * QoS 0 goes straight to the worker of its range.
 *
 * Receivers of one message in several ranges are stored by several logs, so some may have it while
 * others refuse; the publisher learns of each.
 * Flow: publish to a stored session, after fan-out, before the log. Thread: worker. Scope: one per
 * InboxClient.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { writeQosZero } from "../../shared/inbox/direct-command.ts";
import { type InboxReceiver, InsertStatus } from "../../shared/inbox/inbox-types.ts";
import { writeInsert } from "../../shared/inbox/insert-codec.ts";
import { writeInsertHeader } from "../../shared/inbox/log-command.ts";
import { insertFootprint } from "../../shared/inbox/range/delivery.ts";
import { bucketOfId } from "../../shared/inbox/range/inbox-key.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { InboxQuotas } from "./inbox-quotas.ts";
import { type InboxRanges, NO_RANGE_INDEX } from "./inbox-ranges.ts";
import { Insertion, type Insertions } from "./insertions.ts";

/** Receivers of one message that are asked together. */
interface Group {
  readonly bucket: number;
  readonly receivers: readonly InboxReceiver[];
  /** Their places among all receivers of the message. */
  readonly indexes: readonly number[];
}

/** While receivers are put into it. */
interface GrowingGroup extends Group {
  readonly receivers: InboxReceiver[];
  readonly indexes: number[];
}

/** Of a message's only receiver. */
const FIRST: readonly number[] = Object.freeze([0]);

export class InsertWriter {
  readonly #endpoint: RingEndpoint;
  readonly #ranges: InboxRanges;
  readonly #insertions: Insertions;
  readonly #quotas: InboxQuotas;
  readonly #scratch = new RecordWriter();

  constructor(
    endpoint: RingEndpoint,
    ranges: InboxRanges,
    insertions: Insertions,
    quotas: InboxQuotas,
  ) {
    this.#endpoint = endpoint;
    this.#ranges = ranges;
    this.#insertions = insertions;
    this.#quotas = quotas;
  }

  /** `done` null: nobody waits. */
  insert(
    message: Message,
    receivers: readonly InboxReceiver[],
    done: ((statuses: Uint8Array) => void) | null,
  ): void {
    const insertion = done === null ? null : new Insertion(receivers.length, done);
    // Most messages for stored sessions have one receiver.
    if (receivers.length === 1) {
      const bucket = bucketOfId(receivers[0]!.incarnation);
      this.#insertGroup(message, { bucket, receivers, indexes: FIRST }, insertion);
      return;
    }
    this.#insertGroups(message, this.#group(receivers, null), insertion);
  }

  /**
   * A command that an older directory has led to the wrong range: the same again. `request` is its
   * number, 0 when nobody waits.
   */
  insertAgain(message: Message, receivers: readonly InboxReceiver[], request: number): void {
    const part = request === 0 ? null : this.#insertions.take(request);
    const insertion = part?.insertion ?? null;
    this.#insertGroups(message, this.#group(receivers, part?.indexes ?? null), insertion);
  }

  /** Nothing that needs more of the disk is proposed. */
  refuse(receivers: readonly InboxReceiver[], done: ((statuses: Uint8Array) => void) | null): void {
    done?.(new Uint8Array(receivers.length).fill(InsertStatus.NO_ROOM));
  }

  /** QoS 0: at most once, nobody waits. */
  insertQosZero(message: Message, receivers: readonly InboxReceiver[]): void {
    for (const group of this.#group(receivers, null)) {
      const owner = this.#ranges.threadOf(group.bucket);
      if (owner === 0) continue;
      const scratch = this.#scratch;
      writeQosZero(scratch, message, group.receivers);
      this.#endpoint.enqueue(owner, RecordType.INBOX_COMMAND, scratch.bytes, 0, scratch.size);
      scratch.clear();
    }
  }

  #insertGroups(message: Message, groups: Iterable<Group>, insertion: Insertion | null): void {
    for (const group of groups) this.#insertGroup(message, group, insertion);
  }

  #insertGroup(
    message: Message,
    { bucket, receivers, indexes }: Group,
    insertion: Insertion | null,
  ): void {
    const owner = this.#ranges.threadOf(bucket);
    const { tenantId } = message;
    // Who waits for no answer stores nothing.
    const bytes = insertion === null ? 0 : insertFootprint(message, receivers.length);
    const limits = this.#quotas.reserveBytes(tenantId, bytes);
    const request =
      insertion === null ? 0 : this.#insertions.add({ owner, insertion, indexes, tenantId, bytes });
    const writer = this.#ranges.writer(bucket);
    writeInsertHeader(writer, request, limits, message.origin);
    writeInsert(writer, message, receivers);
  }

  /** By range. `indexes`: places of the receivers among all, null: their own order. */
  #group(receivers: readonly InboxReceiver[], indexes: readonly number[] | null): Iterable<Group> {
    const groups = new Map<number, GrowingGroup>();
    for (let at = 0; at < receivers.length; at++) {
      const receiver = receivers[at]!;
      const bucket = bucketOfId(receiver.incarnation);
      const range = this.#ranges.indexOf(bucket);
      // Without a range each bucket is asked for by itself: the directory to come decides.
      const key = range === NO_RANGE_INDEX ? -1 - bucket : range;
      let group = groups.get(key);
      if (group === undefined) {
        group = { bucket, receivers: [], indexes: [] };
        groups.set(key, group);
      }
      group.receivers.push(receiver);
      group.indexes.push(indexes === null ? at : indexes[at]!);
    }
    return groups.values();
  }
}
