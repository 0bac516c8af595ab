/** A subscriber of the load generator: subscribes, has every delivery judged, acknowledges. */

import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { isAccepted, type PacketSink, subscribePacket, walkPackets } from "./client-codec.ts";
import { readClock } from "./clock.ts";
import { DeliveryJudge } from "./delivery-judge.ts";
import type { KnownChunk, KnownChunks } from "./known-chunks.ts";
import type { LoadConnection } from "./load-connection.ts";
import type { LoadRun } from "./load-run.ts";
import type { LoadShape } from "./load-shape.ts";
import { ageOf, payloadSentWord } from "./payload.ts";
import { FILTERS_PER_SUBSCRIBE, type HeardRoute } from "./routes.ts";

const FAILURE = 0x80;

export interface SubscriberOptions {
  readonly shape: LoadShape;
  readonly heard: HeardRoute;
  readonly payloadBytes: number;
  readonly isFrozen: boolean;
  /** Shared by all subscribers that hear the same. */
  readonly known: KnownChunks | null;
}

export class SubscriberSink implements PacketSink {
  received = 0;
  readonly #run: LoadRun;
  readonly #connection: LoadConnection;
  readonly #shape: LoadShape;
  readonly #filters: readonly string[];
  readonly #judge: DeliveryJudge;
  /** Deliveries to this subscriber are neither expected nor judged: it is made to stop reading. */
  readonly #isFrozen: boolean;
  /** Null where subscribers do not read the same bytes. */
  readonly #known: KnownChunks | null;
  #subscribed = 0;

  constructor(run: LoadRun, connection: LoadConnection, options: SubscriberOptions) {
    this.#run = run;
    this.#connection = connection;
    this.#shape = options.shape;
    this.#filters = options.heard.filters;
    this.#judge = new DeliveryJudge(run, options.heard, options.payloadBytes);
    this.#isFrozen = options.isFrozen;
    this.#known = options.isFrozen ? null : options.known;
  }

  /** Walks over what is new, and passes over what another subscriber has had judged already. */
  takeChunk(bytes: Buffer, range: { start: number; end: number }): number {
    const hasProperties = this.#shape.protocolVersion === 5;
    const known = this.#known;
    if (known === null) return walkPackets(bytes, range, hasProperties, this);
    const { end } = range;
    let { start } = range;
    let first = this.#judge.next(0);
    for (let chunk = known.find(first); chunk !== null; chunk = known.find(first)) {
      if (!chunk.isPrefixOf(bytes, start, end)) break;
      this.#takeKnown(chunk);
      start += chunk.length;
      first = this.#judge.next(0);
    }
    if (start === end) return end;
    const answered = this.#connection.gathered.length;
    known.startRecording(first);
    const done = walkPackets(bytes, { start, end }, hasProperties, this);
    const answer = this.#connection.gathered.subarray(answered);
    known.finishRecording(
      bytes,
      { start, end: done },
      { first, next: this.#judge.next(0) },
      answer,
    );
    return done;
  }

  handlePublish(
    bytes: Uint8Array,
    offset: number,
    end: number,
    qos: number,
    packetId: number,
  ): void {
    if (qos > 0)
      this.#connection.acknowledge(qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId);
    this.received += 1;
    if (this.#isFrozen) return;
    const known = this.#known;
    if (known === null) {
      this.#judge.judge(bytes, offset, end);
      return;
    }
    const expected = this.#judge.next(0);
    this.#judge.judge(bytes, offset, end);
    if (this.#judge.next(0) === expected + 1) known.addDelivery(payloadSentWord(bytes, offset));
    else known.giveUp();
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    if (type === PacketType.PUBREL) {
      this.#connection.acknowledge(
        PacketType.PUBCOMP,
        (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!,
      );
      return;
    }
    this.#known?.giveUp();
    if (type === PacketType.CONNACK && isAccepted(bytes, bodyOffset)) {
      this.#subscribe();
    } else if (type === PacketType.SUBACK && bytes[bodyOffset + bodyLength - 1]! < FAILURE) {
      this.#subscribed += FILTERS_PER_SUBSCRIBE;
      if (this.#subscribed >= this.#filters.length) this.#run.markReady();
      else this.#subscribe();
    } else {
      this.#run.refuse(`subscriber: unexpected packet of type ${type}`);
    }
  }

  #takeKnown(chunk: KnownChunk): void {
    const { first, deliveries, sent } = chunk;
    this.received += deliveries;
    this.#judge.moveTo(0, first + deliveries);
    if (chunk.answer.length > 0) this.#connection.gather(chunk.answer);
    for (let index = 0; index < deliveries; index += 1) {
      this.#run.takeDelivery(0, first + index, ageOf(sent[index]!, readClock.micros));
    }
  }

  /** One SUBSCRIBE at a time, until all filters are acknowledged. */
  #subscribe(): void {
    const some = this.#filters.slice(this.#subscribed, this.#subscribed + FILTERS_PER_SUBSCRIBE);
    this.#connection.gather(subscribePacket(some, this.#shape.qos, this.#shape.protocolVersion));
  }
}
