/**
 * Publishes on their way between workers: writes DELIVER records straight into the ring of the
 * target, and loads arriving ones without copying.
 *
 * Full ring: a QoS 0 publish is dropped and counted; QoS 1 and 2 wait in the sender's queue, and
 * the worker stops reading its publishers until the queue has drained. Flow: publish 6/8. Thread:
 * worker. Scope: one per worker.
 */

import { copyBytes } from "../../shared/bytes/copy-bytes.ts";
import { DELIVER_HEADER_SIZE, DeliverHeader } from "../../shared/dist/deliver-codec.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import { RING_FULL, type RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { BorrowedPublish } from "./borrowed-publish.ts";
import type { ShareMember } from "./share-group.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/**
 * Tenant and client identifiers in UTF-8; at most 65,535 bytes each on the wire. Callers are
 * synchronous.
 */
const tenantScratch = new Uint8Array(65_535 * 3);
const publisherScratch = new Uint8Array(65_535 * 3);

const NO_VIEW: DataView = new DataView(new ArrayBuffer(0));

export class DeliverLink {
  readonly #endpoint: RingEndpoint;
  readonly #counters: Float64Array;
  readonly #header = new DeliverHeader();
  /** Identifiers repeat from record to record: remember the last of each. */
  readonly #tenantIn = new LastText();
  readonly #publisherIn = new LastText();
  #tenantOut = "";
  #tenantOutLength = 0;
  #publisherOut = "";
  #publisherOutLength = 0;
  /** Over the memory last written to on the way to each thread, and that last read from. */
  readonly #viewsOut: DataView[];
  #viewIn: DataView = NO_VIEW;

  constructor(endpoint: RingEndpoint, counters: Float64Array) {
    this.#endpoint = endpoint;
    this.#counters = counters;
    this.#viewsOut = new Array<DataView>(endpoint.threadCount).fill(NO_VIEW);
  }

  /**
   * Hands the publish to worker `target`; false when it was dropped. `member` null: to all
   * subscribers there.
   */
  send(target: number, publish: BorrowedPublish, member: ShareMember | null): boolean {
    const type = member === null ? RecordType.DELIVER : RecordType.DELIVER_SHARED;
    const size = this.#prepare(publish, member);
    if (size <= this.#endpoint.maxClaimSize) {
      const offset = this.#endpoint.tryClaim(target, type, size);
      if (offset !== RING_FULL) {
        this.#write(target, this.#endpoint.claimBytes, offset, publish);
        this.#endpoint.commit();
        return true;
      }
    }
    if (publish.qos === 0 && size <= this.#endpoint.maxClaimSize) {
      this.#counters[Counter.DROPPED_RING_FULL]! += 1;
      return false;
    }
    if (publish.qos === 0 && this.#endpoint.isCongested) {
      this.#counters[Counter.DROPPED_RING_FULL]! += 1;
      return false;
    }
    const record = new Uint8Array(size);
    this.#write(target, record, 0, publish);
    this.#endpoint.enqueue(target, type, record, 0, size);
    return true;
  }

  /**
   * Loads a record's publish; the header (for slot and generation) is borrowed until the next call.
   */
  load(bytes: Uint8Array, offset: number, publish: BorrowedPublish, nowMs: number): DeliverHeader {
    const header = this.#header;
    this.#viewIn = viewOf(bytes, this.#viewIn);
    header.read(this.#viewIn, offset);
    const tenantAt = offset + DELIVER_HEADER_SIZE;
    const publisherAt = tenantAt + header.tenantLength;
    const topicAt = publisherAt + header.publisherLength;
    const forwardAt = topicAt + header.topicLength;
    const tenantId = this.#tenantIn.read(bytes, tenantAt, header.tenantLength);
    const publisherId = this.#publisherIn.read(bytes, publisherAt, header.publisherLength);
    publish.loadRecord(tenantId, publisherId, header.receivedAtMs, nowMs);
    publish.topicBytes = bytes;
    publish.topicOffset = topicAt;
    publish.topicLength = header.topicLength;
    publish.forwardBytes = bytes;
    publish.forwardOffset = forwardAt;
    publish.forwardLength = header.forwardLength;
    publish.payloadBytes = bytes;
    publish.payloadOffset = forwardAt + header.forwardLength;
    publish.payloadLength = header.payloadLength;
    publish.qos = header.qos;
    publish.retain = header.retain;
    publish.expirySeconds = header.expirySeconds;
    return header;
  }

  #prepare(publish: BorrowedPublish, member: ShareMember | null): number {
    if (publish.tenantId !== this.#tenantOut) {
      this.#tenantOut = publish.tenantId;
      this.#tenantOutLength = encoder.encodeInto(publish.tenantId, tenantScratch).written;
    }
    if (publish.publisherId !== this.#publisherOut) {
      this.#publisherOut = publish.publisherId;
      this.#publisherOutLength = encoder.encodeInto(publish.publisherId, publisherScratch).written;
    }
    const header = this.#header;
    header.qos = publish.qos;
    header.retain = publish.retain;
    header.expirySeconds = publish.expirySeconds;
    header.receivedAtMs = publish.receivedAtMs;
    header.tenantLength = this.#tenantOutLength;
    header.publisherLength = this.#publisherOutLength;
    header.topicLength = publish.topicLength;
    header.forwardLength = publish.forwardLength;
    header.payloadLength = publish.payloadLength;
    header.slot = member === null ? 0 : member.slot;
    header.generation = member === null ? 0 : member.generation;
    return header.recordSize;
  }

  #write(thread: number, target: Uint8Array, offset: number, publish: BorrowedPublish): void {
    const view = viewOf(target, this.#viewsOut[thread]!);
    this.#viewsOut[thread] = view;
    this.#header.write(view, offset);
    let at = offset + DELIVER_HEADER_SIZE;
    copyBytes(target, at, tenantScratch, 0, this.#tenantOutLength);
    at += this.#tenantOutLength;
    copyBytes(target, at, publisherScratch, 0, this.#publisherOutLength);
    at += this.#publisherOutLength;
    copyBytes(target, at, publish.topicBytes, publish.topicOffset, publish.topicLength);
    at += publish.topicLength;
    copyBytes(target, at, publish.forwardBytes, publish.forwardOffset, publish.forwardLength);
    at += publish.forwardLength;
    copyBytes(target, at, publish.payloadBytes, publish.payloadOffset, publish.payloadLength);
  }
}

/**
 * A DataView over the same memory as `bytes`, index for index; `last` while that has stayed the
 * same.
 */
function viewOf(bytes: Uint8Array, last: DataView): DataView {
  const isSame = last.buffer === bytes.buffer && last.byteOffset === bytes.byteOffset;
  if (isSame && last.byteLength === bytes.byteLength) return last;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Turns bytes into text, for free when they are the same as last time. */
class LastText {
  #text = "";
  #bytes = new Uint8Array(0);

  read(bytes: Uint8Array, offset: number, length: number): string {
    if (length === this.#bytes.length) {
      let at = 0;
      while (at < length && bytes[offset + at] === this.#bytes[at]) at += 1;
      if (at === length) return this.#text;
    }
    this.#bytes = bytes.slice(offset, offset + length);
    this.#text = decoder.decode(this.#bytes);
    return this.#text;
  }
}
