/**
 * Messages for clients that are away: stored sessions subscribe and leave, publishers publish, the
 * sessions come back and take everything, each message judged.
 *
 *   enqueue   publishing is measured, in a closed loop: operations are the stored copies of what
 *             was acknowledged, latency is that of the acknowledgement. Taking them is told in the
 *             figures.
 *   drain     so many messages are stored before, taking them is measured: operations are
 *             deliveries, latency counts from the clients' coming back.
 */

import { connectPacket, publishTemplate } from "./client-codec.ts";
import { nowMicros, readClock } from "./clock.ts";
import type { DeliveryTally } from "./delivery-judge.ts";
import { type GeneratorRun, MeasuredWindow, untilDone, untilStill } from "./generator-run.ts";
import { LatencyRecorder } from "./latency.ts";
import { LoadConnection } from "./load-connection.ts";
import { LoadPublisher } from "./load-publisher.ts";
import type { GeneratorCounts, LoadShape, LoadTarget } from "./load-shape.ts";
import { blankPayload } from "./payload.ts";
import { PublisherSink } from "./publisher-sink.ts";
import { type Routes, routesOf } from "./routes.ts";
import { StoredInbox } from "./stored-inbox.ts";

export interface StoredTask {
  readonly kind: "stored";
  /** Its pace is a closed loop. */
  readonly shape: LoadShape;
  readonly target: LoadTarget;
  readonly prefix: string;
  /** Messages of each publisher, all stored before taking them is measured; null: enqueue. */
  readonly drained: number | null;
  /** A client that receives nothing for so long has lost the rest. */
  readonly stallMs: number;
}

/** Clients that connect at once. */
const CONNECT_BATCH = 50;
const STALL_MS = 20_000;

export class StoredRun implements GeneratorRun, DeliveryTally {
  readonly #task: StoredTask;
  readonly #routes: Routes;
  readonly #payloadBytes: number;
  readonly #limit: number;
  readonly #publishWindow: number;
  readonly #window: MeasuredWindow;
  readonly #latency = new LatencyRecorder();
  readonly #inboxes: StoredInbox[] = [];
  readonly #publishers: LoadPublisher[] = [];
  readonly #dirty: LoadPublisher[] = [];
  #work: Promise<void> | null = null;
  #readyCount = 0;
  #stored = 0;
  #deliveries = 0;
  #repeated = 0;
  #disordered = 0;
  #corrupt = 0;
  #refused = "";
  #isStopped = false;
  #measureFromMicros = Number.POSITIVE_INFINITY;
  #collectMicros = 0;
  #lastDeliveryMicros = 0;

  constructor(task: StoredTask) {
    const { shape } = task;
    this.#task = task;
    this.#routes = routesOf(shape, task.prefix);
    this.#payloadBytes = blankPayload(shape.payloadBytes).length;
    this.#publishWindow = shape.pace.kind === "closed" ? shape.pace.window : 1;
    this.#limit = task.drained ?? Number.POSITIVE_INFINITY;
    this.#window = new MeasuredWindow(task.target);
  }

  get work(): Promise<void> | null {
    return this.#work;
  }

  async prepare(): Promise<void> {
    const { publishers } = this.#task.shape;
    const { subscribers } = this.#routes;
    for (let index = 0; index < subscribers; index += 1) this.#inboxes.push(this.#newInbox(index));
    await this.#inBatches("subscribing", this.#inboxes, (inbox) => inbox.subscribe());
    this.#readyCount = 0;
    for (let index = 0; index < publishers; index += 1) this.#addPublisher(index);
    await this.#untilReady(publishers, "connecting publishers");
    if (this.#task.drained === null) return;
    this.#beginPublishing();
    await this.#untilAcknowledged();
  }

  begin(): void {
    if (this.#task.drained === null) this.#beginPublishing();
    else this.#work = this.#collect();
  }

  openWindow(): void {
    this.#latency.reset();
    this.#window.open(this.#operations);
    this.#measureFromMicros = this.#window.openedMicros;
  }

  closeWindow(): void {
    this.#window.close(this.#operations);
    this.#isStopped = true;
  }

  async finish(): Promise<GeneratorCounts> {
    if (this.#task.drained === null) {
      await this.#untilAcknowledged();
      await this.#collect();
    }
    for (const inbox of this.#inboxes) inbox.abort();
    for (const { connection } of this.#publishers) connection.abort();
    if (this.#refused !== "") throw new Error(this.#refused);
    return this.#counts();
  }

  takeDelivery(): void {
    this.#deliveries += 1;
    this.#lastDeliveryMicros = readClock.micros;
    if (this.#task.drained !== null) {
      this.#latency.record(readClock.micros - this.#collectMicros);
    }
  }

  takeRepeat(): void {
    this.#deliveries += 1;
    this.#repeated += 1;
  }

  takeDisorder(): void {
    this.#disordered += 1;
  }

  takeCorrupt(): void {
    this.#corrupt += 1;
  }

  markReady(): void {
    this.#readyCount += 1;
  }

  markDirty(publisher: LoadPublisher): void {
    if (publisher.isDirty) return;
    publisher.isDirty = true;
    this.#dirty.push(publisher);
  }

  refuse(text: string): void {
    this.#refused = text;
  }

  /** What is counted: stored copies, or deliveries. */
  get #operations(): number {
    return this.#task.drained === null ? this.#stored : this.#deliveries;
  }

  get #expected(): number {
    return this.#publishers.reduce((sum, { published }, index) => {
      return sum + published * this.#routes.receiversOf(index);
    }, 0);
  }

  #newInbox(index: number): StoredInbox {
    const { target, prefix, shape } = this.#task;
    const options = {
      target,
      clientId: `${prefix}-inbox-${index}`,
      heard: this.#routes.heardRoute(index),
      qos: shape.qos,
      payloadBytes: this.#payloadBytes,
      protocolVersion: shape.protocolVersion,
      onReady: () => this.markReady(),
      onFault: (text: string) => this.refuse(text),
    };
    return new StoredInbox(options, this);
  }

  #addPublisher(index: number): void {
    const { target, prefix, shape } = this.#task;
    const { qos, protocolVersion } = shape;
    const route = this.#routes.publishRoute(index);
    const template = publishTemplate(route.topic, blankPayload(this.#payloadBytes), {
      qos,
      protocolVersion,
    });
    const receivers = this.#routes.receiversOf(index);
    const connection = new LoadConnection({
      target,
      hasProperties: protocolVersion === 5,
      createSink: (self) => {
        const publisher = new LoadPublisher(self, {
          index,
          route,
          template,
          payloadBytes: this.#payloadBytes,
          qos,
          // They are away: a publish is complete when it is acknowledged.
          receivers: 0,
          window: 0,
          onAcknowledged: (intendedMicros) => this.#takeAcknowledgement(intendedMicros, receivers),
        });
        this.#publishers.push(publisher);
        return new PublisherSink(this, publisher, protocolVersion === 5);
      },
      afterRead: () => this.#publishMore(),
      reader: null,
    });
    connection.gather(connectPacket(`${prefix}-pub-${index}`, protocolVersion));
    connection.flush();
  }

  #takeAcknowledgement(intendedMicros: number, receivers: number): void {
    this.#stored += receivers;
    if (this.#task.drained !== null || intendedMicros < this.#measureFromMicros) return;
    this.#latency.record(readClock.micros - intendedMicros);
  }

  #beginPublishing(): void {
    readClock.micros = nowMicros();
    for (const publisher of this.#publishers) this.markDirty(publisher);
    this.#publishMore();
  }

  #publishMore(): void {
    for (const publisher of this.#dirty) {
      publisher.isDirty = false;
      while (this.#mayPublish(publisher)) publisher.publishAt(readClock.micros);
      publisher.connection.flush();
    }
    this.#dirty.length = 0;
  }

  #mayPublish({ inFlight, waiting, published }: LoadPublisher): boolean {
    if (this.#isStopped || published >= this.#limit) return false;
    return waiting === 0 && inFlight < this.#publishWindow;
  }

  async #untilAcknowledged(): Promise<void> {
    const isDone = () => this.#isAcknowledged();
    await untilDone(isDone, () => this.#stored, STALL_MS, "waiting for acknowledgements");
  }

  #isAcknowledged(): boolean {
    if (this.#refused !== "") throw new Error(this.#refused);
    return this.#publishers.every((publisher) => {
      return publisher.inFlight === 0 && !this.#mayPublish(publisher);
    });
  }

  async #collect(): Promise<void> {
    this.#readyCount = 0;
    this.#collectMicros = nowMicros();
    await this.#inBatches("coming back", this.#inboxes, (inbox) => inbox.collect());
    await untilStill({
      isDone: () => this.#deliveries - this.#repeated >= this.#expected,
      progress: () => this.#deliveries,
      stallMs: this.#task.stallMs,
      limitMs: Number.POSITIVE_INFINITY,
    });
  }

  async #inBatches(
    what: string,
    inboxes: readonly StoredInbox[],
    act: (inbox: StoredInbox) => void,
  ): Promise<void> {
    for (const [index, inbox] of inboxes.entries()) {
      act(inbox);
      // Half a batch may still be under way when the next one starts.
      if (index % CONNECT_BATCH === 0) await this.#untilReady(index - CONNECT_BATCH / 2, what);
    }
    await this.#untilReady(inboxes.length, what);
  }

  async #untilReady(count: number, what: string): Promise<void> {
    const isReady = () => {
      if (this.#refused !== "") throw new Error(this.#refused);
      return this.#readyCount >= count;
    };
    await untilDone(isReady, () => this.#readyCount, STALL_MS, what);
  }

  #counts(): GeneratorCounts {
    const expected = this.#expected;
    const collectSeconds = (this.#lastDeliveryMicros - this.#collectMicros) / 1e6;
    return {
      ...this.#window.counts(),
      check: {
        expected,
        received: this.#deliveries,
        lost: expected - (this.#deliveries - this.#repeated),
        repeated: this.#repeated,
        disordered: this.#disordered,
        corrupt: this.#corrupt,
      },
      latency: this.#latency.histogram().encode(),
      figures: {
        published: this.#publishers.reduce((sum, { published }) => sum + published, 0),
        ...(this.#task.drained === null
          ? { "taken afterwards, per second": this.#deliveries / collectSeconds }
          : {}),
      },
    };
  }
}
