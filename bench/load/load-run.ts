/**
 * One run of a scenario inside a generator process: connect everybody, keep every publisher's window full, check each
 * delivery, and take the figures between warm-up and wind-down.
 */

import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import {
  connectPacket,
  type PacketSink,
  publishTemplate,
  readUint32,
  subscribePacket,
  writeAck,
} from "./client-codec.ts";
import { LoadConnection } from "./load-connection.ts";
import { LoadPublisher } from "./load-publisher.ts";
import { processCpuMicros } from "./process-cpu.ts";
import type { LoadResult, LoadTask, Scenario } from "./scenario.ts";

/** A run whose deliveries stop for so long has lost messages; it ends and reports them. */
const STALL_MS = 3_000;
const SETUP_WAIT_MS = 20_000;
const POLL_MS = 20;
/** Connections opened at once: below any listen backlog. */
const CONNECT_BATCH = 50;
const ACK_BYTES = 4;

interface Snapshot {
  readonly timeMs: number;
  readonly deliveries: number;
  readonly ownCpuMicros: number;
  readonly brokerCpuMicros: number;
}

export class LoadRun {
  readonly #task: LoadTask;
  readonly #publishers: LoadPublisher[] = [];
  readonly #connections: LoadConnection[] = [];
  /** Connections set up so far: CONNACK for publishers, SUBACK for subscribers. */
  #readyCount = 0;
  #deliveries = 0;
  #repeated = 0;
  #gaps = 0;
  #refused = "";
  /** Publishers with gathered, unsent publishes. */
  readonly #dirty: LoadPublisher[] = [];

  constructor(task: LoadTask) {
    this.#task = task;
  }

  async run(): Promise<LoadResult> {
    await this.#connectAll();
    for (const publisher of this.#publishers) {
      publisher.fill();
      publisher.connection.flush();
    }
    await pause(this.#task.warmUpMs);
    const first = this.#snapshot();
    await pause(this.#task.measureMs);
    const last = this.#snapshot();
    for (const publisher of this.#publishers) publisher.isStopped = true;
    await this.#windDown();
    for (const connection of this.#connections) connection.socket.destroy();
    return this.#result(first, last);
  }

  /** A delivery has arrived: `publisherIndex` and `sequence` come from its payload. */
  takeDelivery(publisherIndex: number, sequence: number): void {
    this.#deliveries += 1;
    const publisher = this.#publishers[publisherIndex];
    if (publisher !== undefined) this.#completePart(publisher, sequence);
  }

  takeRepeat(): void {
    this.#deliveries += 1;
    this.#repeated += 1;
  }

  takeGap(): void {
    this.#gaps += 1;
  }

  takeHandshake(publisher: LoadPublisher, packetId: number): void {
    this.#completePart(publisher, publisher.sequenceOf(packetId));
  }

  markReady(): void {
    this.#readyCount += 1;
  }

  refuse(text: string): void {
    this.#refused = text;
  }

  #completePart(publisher: LoadPublisher, sequence: number): void {
    if (publisher.completePart(sequence) && !publisher.isDirty) {
      publisher.isDirty = true;
      this.#dirty.push(publisher);
    }
  }

  readonly #afterRead = (): void => {
    for (const publisher of this.#dirty) {
      publisher.isDirty = false;
      publisher.fill();
      publisher.connection.flush();
    }
    this.#dirty.length = 0;
  };

  async #connectAll(): Promise<void> {
    const { scenario } = this.#task;
    const count = scenario.publishers + scenario.subscribers;
    for (let index = 0; index < count; index += 1) {
      if (index < scenario.subscribers) this.#addSubscriber(index);
      else this.#addPublisher(index - scenario.subscribers);
      if (index % CONNECT_BATCH === CONNECT_BATCH - 1 || index === count - 1) {
        await this.#waitReady(index + 1);
      }
    }
  }

  async #waitReady(count: number): Promise<void> {
    const startMs = performance.now();
    while (this.#readyCount < count) {
      if (this.#refused !== "") throw new Error(this.#refused);
      if (performance.now() - startMs > SETUP_WAIT_MS) {
        throw new Error(`only ${this.#readyCount} of ${count} connections were set up`);
      }
      await pause(1);
    }
  }

  #addSubscriber(index: number): void {
    const { scenario, prefix } = this.#task;
    const connection = new LoadConnection(
      this.#task.port,
      scenario.protocolVersion,
      (self) => new SubscriberSink(this, self, scenario, topicOf(this.#task, index)),
      this.#afterRead,
    );
    connection.gather(connectPacket(`${prefix}-sub-${index}`, scenario.protocolVersion));
    connection.flush();
    this.#connections.push(connection);
  }

  #addPublisher(index: number): void {
    const { scenario, prefix } = this.#task;
    const { qos, payloadBytes, protocolVersion } = scenario;
    const template = publishTemplate(
      topicOf(this.#task, index),
      qos,
      payloadBytes,
      protocolVersion,
    );
    const receivers = scenario.topology === "fan-out" ? scenario.subscribers : 1;
    const connection: LoadConnection = new LoadConnection(
      this.#task.port,
      protocolVersion,
      (self) => {
        const publisher = new LoadPublisher(self, { index, scenario, template, receivers });
        this.#publishers.push(publisher);
        return new PublisherSink(this, publisher);
      },
      this.#afterRead,
    );
    connection.gather(connectPacket(`${prefix}-pub-${index}`, protocolVersion));
    connection.flush();
    this.#connections.push(connection);
  }

  async #windDown(): Promise<void> {
    let seen = -1;
    let changedMs = performance.now();
    while (this.#publishers.some((publisher) => publisher.inFlight > 0)) {
      if (this.#deliveries !== seen) {
        seen = this.#deliveries;
        changedMs = performance.now();
      } else if (performance.now() - changedMs > STALL_MS) {
        return;
      }
      await pause(POLL_MS);
    }
  }

  #snapshot(): Snapshot {
    const own = process.cpuUsage();
    return {
      timeMs: performance.now(),
      deliveries: this.#deliveries,
      ownCpuMicros: own.user + own.system,
      brokerCpuMicros: processCpuMicros(this.#task.brokerPid),
    };
  }

  #result(first: Snapshot, last: Snapshot): LoadResult {
    const seconds = (last.timeMs - first.timeMs) / 1000;
    const deliveries = last.deliveries - first.deliveries;
    const brokerCpu = last.brokerCpuMicros - first.brokerCpuMicros;
    const isCpuKnown = first.brokerCpuMicros >= 0 && last.brokerCpuMicros >= 0;
    let published = 0;
    let expected = 0;
    for (const publisher of this.#publishers) {
      published += publisher.published;
      expected += publisher.published * publisher.receivers;
    }
    return {
      seconds,
      deliveries,
      deliveriesPerSecond: deliveries / seconds,
      brokerCpuMicrosPerDelivery: isCpuKnown && deliveries > 0 ? brokerCpu / deliveries : -1,
      brokerCores: isCpuKnown ? brokerCpu / (seconds * 1e6) : -1,
      generatorShare: (last.ownCpuMicros - first.ownCpuMicros) / (seconds * 1e6),
      published,
      lost: expected - (this.#deliveries - this.#repeated),
      repeated: this.#repeated,
      gaps: this.#gaps,
    };
  }
}

/** What a subscriber does: subscribe, check, acknowledge. */
class SubscriberSink implements PacketSink {
  readonly #run: LoadRun;
  readonly #connection: LoadConnection;
  readonly #scenario: Scenario;
  readonly #filter: string;
  /** Last sequence number by publisher. */
  readonly #last: Int32Array;

  constructor(run: LoadRun, connection: LoadConnection, scenario: Scenario, filter: string) {
    this.#run = run;
    this.#connection = connection;
    this.#scenario = scenario;
    this.#filter = filter;
    this.#last = new Int32Array(scenario.publishers).fill(-1);
  }

  handlePublish(bytes: Uint8Array, payloadOffset: number, qos: number, packetId: number): void {
    if (qos > 0) this.#acknowledge(qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId);
    const publisher = readUint32(bytes, payloadOffset);
    const sequence = readUint32(bytes, payloadOffset + 4);
    const last = this.#last[publisher]!;
    if (sequence <= last) {
      this.#run.takeRepeat();
      return;
    }
    if (sequence !== last + 1) this.#run.takeGap();
    this.#last[publisher] = sequence;
    this.#run.takeDelivery(publisher, sequence);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    if (type === PacketType.PUBREL) {
      this.#acknowledge(PacketType.PUBCOMP, (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!);
    } else if (type === PacketType.CONNACK && bytes[bodyOffset + 1] === 0) {
      const { qos, protocolVersion } = this.#scenario;
      this.#connection.gather(subscribePacket(this.#filter, qos, protocolVersion));
    } else if (type === PacketType.SUBACK && bytes[bodyOffset + bodyLength - 1]! < 0x80) {
      this.#run.markReady();
    } else {
      this.#run.refuse(`subscriber: unexpected packet of type ${type}`);
    }
  }

  #acknowledge(type: number, packetId: number): void {
    const offset = this.#connection.claim(ACK_BYTES);
    writeAck(this.#connection.output, offset, type, packetId);
  }
}

/** What a publisher hears: CONNACK and the acknowledgements of its publishes. */
class PublisherSink implements PacketSink {
  readonly #run: LoadRun;
  readonly #publisher: LoadPublisher;

  constructor(run: LoadRun, publisher: LoadPublisher) {
    this.#run = run;
    this.#publisher = publisher;
  }

  handlePublish(): void {
    this.#run.refuse("publisher: received a PUBLISH");
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number): void {
    const packetId = (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!;
    if (type === PacketType.PUBACK || type === PacketType.PUBCOMP) {
      this.#run.takeHandshake(this.#publisher, packetId);
    } else if (type === PacketType.PUBREC) {
      const { connection } = this.#publisher;
      const offset = connection.claim(ACK_BYTES);
      writeAck(connection.output, offset, PacketType.PUBREL, packetId);
    } else if (type === PacketType.CONNACK && bytes[bodyOffset + 1] === 0) {
      this.#run.markReady();
    } else {
      this.#run.refuse(`publisher: unexpected packet of type ${type}`);
    }
  }
}

function topicOf(task: LoadTask, index: number): string {
  const isShared = task.scenario.topology === "fan-out";
  return isShared ? `${task.prefix}/load/all` : `${task.prefix}/load/${index}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
