/**
 * The same loads through the `mqtt` package instead of our own client code: a second opinion on
 * whether messages arrive. It is slow, so its rates say nothing about a broker; its checks do.
 */

import mqtt, { type MqttClient } from "mqtt";
import { nowMicros, readClock } from "./clock.ts";
import { DeliveryJudge, type DeliveryTally } from "./delivery-judge.ts";
import { type GeneratorRun, MeasuredWindow, pause, untilStill } from "./generator-run.ts";
import { LatencyRecorder } from "./latency.ts";
import type { GeneratorCounts, LoadShape, LoadTarget } from "./load-shape.ts";
import { Pacer } from "./pacer.ts";
import { blankPayload, writePayloadHeader } from "./payload.ts";
import { type PublishRoute, type Routes, routesOf, TOPIC_DIGITS } from "./routes.ts";

export interface SanityTask {
  readonly kind: "sanity";
  readonly shape: LoadShape;
  readonly target: LoadTarget;
  readonly prefix: string;
}

const STALL_MS = 3_000;
/** The package takes its time with what is queued in it. */
const WIND_DOWN_MS = 10_000;

interface Publisher {
  readonly client: MqttClient;
  readonly route: PublishRoute;
  readonly index: number;
  sequence: number;
}

export class SanityRun implements GeneratorRun, DeliveryTally {
  readonly work = null;
  readonly #task: SanityTask;
  readonly #routes: Routes;
  readonly #window: MeasuredWindow;
  readonly #latency = new LatencyRecorder();
  readonly #clients: MqttClient[] = [];
  readonly #publishers: Publisher[] = [];
  /** Shared subscriptions: who has had "publisher:sequence" already? */
  readonly #seen = new Set<string>();
  readonly #pacer: Pacer | null;
  #isStopped = false;
  #unasked = 0;
  #expected = 0;
  #deliveries = 0;
  #repeated = 0;
  #disordered = 0;
  #corrupt = 0;

  constructor(task: SanityTask) {
    const { pace } = task.shape;
    this.#task = task;
    this.#routes = routesOf(task.shape, task.prefix);
    this.#window = new MeasuredWindow(task.target);
    this.#pacer = pace.kind === "open" ? new Pacer(pace.publishesPerSecond) : null;
  }

  async prepare(): Promise<void> {
    const { shape, prefix } = this.#task;
    for (let index = 0; index < this.#routes.subscribers; index += 1) {
      await this.#addSubscriber(index);
    }
    for (let index = 0; index < shape.publishers; index += 1) {
      const client = await this.#connect(`${prefix}-pub-${index}`);
      const route = this.#routes.publishRoute(index);
      this.#publishers.push({ client, route, index, sequence: 0 });
    }
  }

  begin(): void {
    const { pace } = this.#task.shape;
    if (this.#pacer !== null) {
      let turn = 0;
      this.#pacer.start((intended, count) => {
        for (let index = 0; index < count; index += 1) {
          this.#publish(this.#publishers[turn % this.#publishers.length]!, intended).catch(
            () => {},
          );
          turn += 1;
        }
      });
      return;
    }
    const window = pace.kind === "closed" ? pace.window : 1;
    for (const publisher of this.#publishers) {
      for (let index = 0; index < window; index += 1) this.#publishOn(publisher).catch(() => {});
    }
  }

  openWindow(): void {
    this.#latency.reset();
    this.#window.open(this.#deliveries);
  }

  closeWindow(): void {
    this.#window.close(this.#deliveries);
    this.#unasked = this.#pacer?.stop() ?? 0;
    this.#isStopped = true;
  }

  async finish(): Promise<GeneratorCounts> {
    const missing = () => this.#expected - (this.#deliveries - this.#repeated);
    const isOver = await untilStill({
      isDone: () => missing() <= 0,
      progress: () => this.#deliveries,
      stallMs: STALL_MS,
      limitMs: WIND_DOWN_MS,
    });
    const unfinished = { unsent: this.#unasked, late: isOver ? 0 : missing() };
    const lost = isOver ? missing() : 0;
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
    return {
      ...this.#window.counts(),
      check: {
        expected: this.#expected,
        received: this.#deliveries,
        lost,
        repeated: this.#repeated,
        disordered: this.#disordered,
        corrupt: this.#corrupt,
      },
      unfinished,
      latency: this.#latency.histogram().encode(),
      figures: {},
    };
  }

  takeDelivery(publisher: number, sequence: number, ageMicros: number): void {
    this.#deliveries += 1;
    this.#latency.record(ageMicros);
    if (this.#task.shape.pattern !== "shared") return;
    const key = `${publisher}:${sequence}`;
    if (this.#seen.has(key)) this.#repeated += 1;
    this.#seen.add(key);
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

  async #connect(clientId: string): Promise<MqttClient> {
    const { target, shape } = this.#task;
    const scheme = { tcp: "mqtt", tls: "mqtts", ws: "ws" }[target.transport];
    const path = target.transport === "ws" ? "/mqtt" : "";
    const client = await mqtt.connectAsync(`${scheme}://${target.host}:${target.port}${path}`, {
      clientId,
      protocolVersion: shape.protocolVersion,
      reconnectPeriod: 0,
      ...(target.transport === "tls" ? { ca: target.ca } : {}),
    });
    this.#clients.push(client);
    return client;
  }

  async #addSubscriber(index: number): Promise<void> {
    const client = await this.#connect(`${this.#task.prefix}-sub-${index}`);
    const heard = this.#routes.heardRoute(index);
    const size = blankPayload(this.#task.shape.payloadBytes).length;
    const judge = new DeliveryJudge(this, heard, size);
    client.on("message", (_topic, payload) => {
      readClock.micros = nowMicros();
      judge.judge(payload, 0, payload.length);
    });
    await client.subscribeAsync([...heard.filters], { qos: this.#task.shape.qos });
  }

  /** Closed loop: the next publish when the package says that this one is done. */
  async #publishOn(publisher: Publisher): Promise<void> {
    while (!this.#isStopped) {
      await this.#publish(publisher, nowMicros());
      await pause(0);
    }
  }

  async #publish(publisher: Publisher, intendedMicros: number): Promise<void> {
    const { payloadBytes, qos } = this.#task.shape;
    const { route, index, sequence } = publisher;
    const payload = blankPayload(payloadBytes);
    const header = { publisher: index, sequence, sentMicros: intendedMicros };
    writePayloadHeader(payload, 0, header, payload.length);
    publisher.sequence += 1;
    this.#expected += this.#routes.receiversOf(index);
    await publisher.client.publishAsync(topicAt(route, sequence), payload, { qos });
  }
}

function topicAt(route: PublishRoute, sequence: number): string {
  if (route.digitsAt < 0) return route.topic;
  const variant = (sequence + route.firstVariant) % route.variants;
  const digits = String(variant).padStart(TOPIC_DIGITS, "0");
  return (
    route.topic.slice(0, route.digitsAt) +
    digits +
    route.topic.slice(route.digitsAt + digits.length)
  );
}
