/**
 * The generator's main kind of run: connect everybody, publish at the given pace, check each
 * delivery, and take the figures between warm-up and wind-down. The patterns are in load-shape.ts,
 * their arithmetic in routes.ts.
 */

import { connectPacket, publishTemplate } from "./client-codec.ts";
import { nowMicros, readClock } from "./clock.ts";
import { type GeneratorRun, MeasuredWindow, untilDone, untilStill } from "./generator-run.ts";
import { KnownChunks, LARGEST_KNOWN_PAYLOAD } from "./known-chunks.ts";
import { LatencyRecorder } from "./latency.ts";
import { LoadConnection } from "./load-connection.ts";
import { LoadPublisher } from "./load-publisher.ts";
import type { GeneratorCounts, LoadShape, LoadTarget } from "./load-shape.ts";
import { SubscriberSink } from "./load-subscriber.ts";
import { Pacer } from "./pacer.ts";
import { blankPayload } from "./payload.ts";
import { PublisherSink } from "./publisher-sink.ts";
import { RingReader } from "./ring-reader.ts";
import { type Routes, routesOf } from "./routes.ts";

export interface LoadTask {
  readonly kind: "load";
  readonly shape: LoadShape;
  readonly target: LoadTarget;
  /** Distinguishes client ids and topics of several generator processes. */
  readonly prefix: string;
  /**
   * Makes the first subscriber stop reading for a while, in milliseconds after the load began; null
   * = none does.
   */
  readonly frozen: { readonly afterMs: number; readonly forMs: number } | null;
}

/** A run whose deliveries stop for so long has lost messages; it ends and reports them. */
const STALL_MS = 3_000;
/** What still arrives after so long is of a broker that is slower than the load. */
const WIND_DOWN_MS = 10_000;
const SETUP_STALL_MS = 20_000;
/** Publishers that wait for others to send with them. */
const SENDS_AT_ONCE = 16;
/**
 * Of an open loop per second, all publishers together: at some 4 µs each more would be the
 * generator's limit. Beyond, each publisher sends several publishes at its turn.
 */
const TURNS_PER_SECOND = 100_000;
/** From which on they are read with few system calls. */
const MANY_SOCKETS = 50;
/** In flight to one subscriber. */
const LITTLE_BYTES = 16_384;
/** Connections opened at once: below any listen backlog. */
const CONNECT_BATCH = 50;

export class LoadRun implements GeneratorRun {
  readonly work = null;
  readonly #task: LoadTask;
  readonly #shape: LoadShape;
  readonly #routes: Routes;
  readonly #payloadBytes: number;
  readonly #closedWindow: number;
  readonly #window: MeasuredWindow;
  readonly #reader: RingReader | null;
  /** Null where subscribers hear different things. */
  readonly #known: KnownChunks | null;
  readonly #latency = new LatencyRecorder();
  /**
   * With a frozen subscriber: `#latency` is that of the others meanwhile, and this what it was
   * before.
   */
  readonly #latencyBefore = new LatencyRecorder();
  /** Null: not asked for. */
  readonly #acknowledgement: LatencyRecorder | null;
  readonly #publishers: LoadPublisher[] = [];
  readonly #subscribers: SubscriberSink[] = [];
  readonly #connections: LoadConnection[] = [];
  /** Publishers that may send again. */
  readonly #dirty: LoadPublisher[] = [];
  /** They will send before sockets are read again. */
  #isSending = false;
  readonly #pacer: Pacer | null;
  /** Connections set up so far: CONNACK for publishers, SUBACK for subscribers. */
  #readyCount = 0;
  #deliveries = 0;
  #repeated = 0;
  #disordered = 0;
  #corrupt = 0;
  #refused = "";
  /** Open loop: publishes that each publisher sends at its turn, and how many have been. */
  readonly #perTurn: number;
  #nextPublish = 0;
  /** Publishes that were due when the measuring ended, and are not sent. */
  #unasked = 0;
  #measureFromMicros = Number.POSITIVE_INFINITY;
  #frozenFromMicros = 0;
  #frozenUntilMicros = Number.POSITIVE_INFINITY;

  constructor(task: LoadTask) {
    const { shape } = task;
    this.#task = task;
    this.#shape = shape;
    this.#routes = routesOf(shape, task.prefix);
    this.#payloadBytes = blankPayload(shape.payloadBytes).length;
    this.#closedWindow = shape.pace.kind === "closed" ? shape.pace.window : 0;
    this.#reader = readsLittleOfMany(shape, this.#closedWindow) ? RingReader.open() : null;
    const perSecond = shape.pace.kind === "open" ? shape.pace.publishesPerSecond : 0;
    this.#pacer = perSecond > 0 ? new Pacer(perSecond) : null;
    this.#perTurn = Math.max(1, Math.ceil(perSecond / TURNS_PER_SECOND));
    this.#known = haveSameStream(shape) ? new KnownChunks() : null;
    this.#window = new MeasuredWindow(task.target);
    this.#acknowledgement = shape.isPersistent && shape.qos > 0 ? new LatencyRecorder() : null;
    if (task.frozen !== null) this.#frozenFromMicros = Number.POSITIVE_INFINITY;
  }

  async prepare(): Promise<void> {
    const { subscribers } = this.#routes;
    const count = this.#shape.publishers + subscribers;
    for (let index = 0; index < count; index += 1) {
      if (index < subscribers) this.#addSubscriber(index);
      else this.#addPublisher(index - subscribers);
      if (index % CONNECT_BATCH === CONNECT_BATCH - 1 || index === count - 1) {
        await this.#untilReady(index + 1);
      }
    }
  }

  begin(): void {
    readClock.micros = nowMicros();
    if (this.#task.frozen !== null) this.#planFreeze(this.#task.frozen);
    if (this.#pacer !== null) {
      this.#pacer.start(this.#publishDue, () => this.#sendDirty());
      return;
    }
    for (const publisher of this.#publishers) this.markDirty(publisher);
    this.#sendDirty();
  }

  openWindow(): void {
    this.#latency.reset();
    this.#window.open(this.#deliveries);
    this.#measureFromMicros = this.#window.openedMicros;
  }

  closeWindow(): void {
    this.#window.close(this.#deliveries);
    this.#unasked = this.#pacer?.stop() ?? 0;
    for (const publisher of this.#publishers) publisher.isStopped = true;
  }

  async finish(): Promise<GeneratorCounts> {
    const isOver = await this.#windDown();
    const closed = this.#closedByBroker();
    for (const connection of this.#connections) connection.abort();
    this.#reader?.close();
    if (this.#refused !== "") throw new Error(this.#refused);
    if (closed > 0) throw new Error(`the broker closed ${closed} connections`);
    return this.#counts(isOver);
  }

  #closedByBroker(): number {
    const isFrozen = (index: number) => index === 0 && this.#task.frozen !== null;
    return this.#connections.filter((one, index) => one.isEnded && !isFrozen(index)).length;
  }

  /** A delivery has arrived, `age` microseconds after it was meant to be sent. */
  takeDelivery(publisherIndex: number, sequence: number, age: number): void {
    const publisher = this.#publishers[publisherIndex]!;
    this.#deliveries += 1;
    if (!publisher.takeDelivery(sequence)) {
      this.#repeated += 1;
      return;
    }
    const intended = readClock.micros - age;
    if (intended >= this.#measureFromMicros) this.#record(intended, age);
    this.markDirty(publisher);
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

  /** Something of this publisher was completed: it may send again after this read. */
  markDirty(publisher: LoadPublisher): void {
    if (publisher.isDirty) return;
    publisher.isDirty = true;
    this.#dirty.push(publisher);
  }

  markReady(): void {
    this.#readyCount += 1;
  }

  refuse(text: string): void {
    this.#refused = text;
  }

  readonly #takeAcknowledgement = (intendedMicros: number): void => {
    if (intendedMicros < this.#measureFromMicros) return;
    this.#acknowledgement?.record(readClock.micros - intendedMicros);
  };

  #record(intendedMicros: number, age: number): void {
    if (intendedMicros < this.#frozenFromMicros) this.#latencyBefore.record(age);
    else if (intendedMicros < this.#frozenUntilMicros) this.#latency.record(age);
  }

  /**
   * Sends when there is enough to send, or no socket is readable any more: a send that wakes a
   * sleeping broker costs the sender several that find it at work.
   */
  readonly #sendSoon = (): void => {
    if (this.#dirty.length >= SENDS_AT_ONCE) this.#sendDirty();
    if (this.#isSending || this.#dirty.length === 0) return;
    this.#isSending = true;
    setImmediate(this.#sendGathered);
  };

  readonly #sendGathered = (): void => {
    this.#isSending = false;
    this.#sendDirty();
  };

  #sendDirty(): void {
    for (const publisher of this.#dirty) {
      publisher.isDirty = false;
      publisher.fill();
      publisher.connection.flush();
    }
    this.#dirty.length = 0;
  }

  /** Open loop: publishers take turns, so each sends at its share of the rate. */
  readonly #publishDue = (intendedMicros: number, publishes: number): void => {
    for (let count = 0; count < publishes; count += 1) {
      const turn = Math.floor(this.#nextPublish / this.#perTurn);
      const publisher = this.#publishers[turn % this.#publishers.length]!;
      this.#nextPublish += 1;
      publisher.publishAt(intendedMicros);
      this.markDirty(publisher);
    }
  };

  #planFreeze({ afterMs, forMs }: { afterMs: number; forMs: number }): void {
    const socket = this.#connections[0]!.socket;
    setTimeout(() => {
      this.#frozenFromMicros = nowMicros();
      socket.pause();
    }, afterMs);
    setTimeout(() => {
      this.#frozenUntilMicros = nowMicros();
      socket.resume();
    }, afterMs + forMs);
  }

  async #untilReady(count: number): Promise<void> {
    const isReady = () => {
      if (this.#refused !== "") throw new Error(this.#refused);
      const closed = this.#closedByBroker();
      if (closed > 0) throw new Error(`connections closed while they were set up: ${closed}`);
      return this.#readyCount >= count;
    };
    const what = `setting up ${count} connections`;
    await untilDone(isReady, () => this.#readyCount, SETUP_STALL_MS, what);
  }

  #connect(
    createSink: (self: LoadConnection) => SubscriberSink | PublisherSink,
    isFrozen = false,
  ): LoadConnection {
    const connection = new LoadConnection({
      // Who is to stop reading must read by itself.
      reader: isFrozen ? null : this.#reader,
      target: this.#task.target,
      hasProperties: this.#shape.protocolVersion === 5,
      createSink,
      afterRead: this.#sendSoon,
    });
    this.#connections.push(connection);
    return connection;
  }

  #addSubscriber(index: number): void {
    const { protocolVersion, isPersistent } = this.#shape;
    const isFrozen = index === 0 && this.#task.frozen !== null;
    const connection = this.#connect((self) => {
      const sink = new SubscriberSink(this, self, {
        shape: this.#shape,
        heard: this.#routes.heardRoute(index),
        payloadBytes: this.#payloadBytes,
        isFrozen,
        known: this.#known,
      });
      this.#subscribers.push(sink);
      return sink;
    }, isFrozen);
    const clientId = `${this.#task.prefix}-sub-${index}`;
    connection.gather(connectPacket(clientId, protocolVersion, isPersistent));
    connection.flush();
  }

  #addPublisher(index: number): void {
    const { qos, protocolVersion } = this.#shape;
    const route = this.#routes.publishRoute(index);
    const payload = blankPayload(this.#payloadBytes);
    const template = publishTemplate(route.topic, payload, { qos, protocolVersion });
    const frozen = this.#task.frozen === null ? 0 : 1;
    const connection = this.#connect((self) => {
      const publisher = new LoadPublisher(self, {
        index,
        route,
        template,
        payloadBytes: this.#payloadBytes,
        qos,
        receivers: this.#routes.receiversOf(index) - frozen,
        window: this.#closedWindow,
        onAcknowledged: this.#acknowledgement === null ? null : this.#takeAcknowledgement,
      });
      this.#publishers.push(publisher);
      return new PublisherSink(this, publisher, protocolVersion === 5);
    });
    connection.gather(connectPacket(`${this.#task.prefix}-pub-${index}`, protocolVersion));
    connection.flush();
  }

  /**
   * Waits until everything published has arrived, or nothing moves any more, or the broker has
   * gone; false when deliveries still arrive after all the time that there is for it.
   */
  async #windDown(): Promise<boolean> {
    const isBusy = (publisher: LoadPublisher) => publisher.inFlight > 0 || publisher.waiting > 0;
    return await untilStill({
      isDone: () => {
        const isComplete = !this.#publishers.some(isBusy) && this.#missing() <= 0;
        return isComplete || this.#refused !== "" || this.#closedByBroker() > 0;
      },
      progress: () => this.#deliveries,
      stallMs: STALL_MS,
      limitMs: WIND_DOWN_MS,
    });
  }

  #expected(): number {
    return this.#publishers.reduce(
      (sum, { published, receivers }) => sum + published * receivers,
      0,
    );
  }

  #missing(): number {
    return this.#expected() - (this.#deliveries - this.#repeated);
  }

  /** `isOver`: what has not arrived is lost, not late. */
  #counts(isOver: boolean): GeneratorCounts {
    const published = this.#publishers.reduce((sum, publisher) => sum + publisher.published, 0);
    const unsent = this.#publishers.reduce((sum, { waiting }) => sum + waiting, this.#unasked);
    const missing = this.#missing();
    return {
      ...this.#window.counts(),
      check: {
        expected: this.#expected(),
        received: this.#deliveries,
        lost: isOver ? missing : 0,
        repeated: this.#repeated,
        disordered: this.#disordered,
        corrupt: this.#corrupt,
      },
      unfinished: { unsent, late: isOver ? 0 : missing },
      latency: this.#latency.histogram().encode(),
      ...(this.#acknowledgement === null
        ? {}
        : { acknowledgement: this.#acknowledgement.histogram().encode() }),
      figures: {
        published,
        ...this.#frozenFigures(published),
      },
    };
  }

  #frozenFigures(published: number): Record<string, number> {
    if (this.#task.frozen === null) return {};
    return {
      "p50 before the freeze, us": this.#latencyBefore.histogram().percentiles().p50,
      "p99 before the freeze, us": this.#latencyBefore.histogram().percentiles().p99,
      "missed by the frozen one": published - this.#subscribers[0]!.received,
    };
  }
}

/**
 * Many sockets that each have a little to read: elsewhere the sockets' own large buffer is cheaper.
 */
function readsLittleOfMany({ subscribers, payloadBytes }: LoadShape, window: number): boolean {
  return subscribers >= MANY_SOCKETS && payloadBytes * Math.max(window, 16) <= LITTLE_BYTES;
}

/**
 * Whether all subscribers are sent the same bytes, small enough to be compared (known-chunks.ts).
 */
function haveSameStream({ pattern, publishers, subscribers, payloadBytes }: LoadShape): boolean {
  const isSame = pattern === "fan-out" && publishers === 1 && subscribers > 1;
  return isSame && payloadBytes <= LARGEST_KNOWN_PAYLOAD;
}
