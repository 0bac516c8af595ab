/**
 * New subscribers with a wildcard over many retained messages: each connects, subscribes, receives
 * every message once, and leaves for the next one. Latency is from SUBSCRIBE to the last retained
 * message; operations are deliveries.
 */

import { Chains } from "./chains.ts";
import { publishTemplate } from "./client-codec.ts";
import { nowMicros } from "./clock.ts";
import { type GeneratorRun, MeasuredWindow, NOTHING_TO_CHECK, untilDone } from "./generator-run.ts";
import { LatencyRecorder } from "./latency.ts";
import type { GeneratorCounts, LoadTarget } from "./load-shape.ts";
import { blankPayload, isPayloadIntact, payloadSequence, writePayloadHeader } from "./payload.ts";
import { PlainClient } from "./plain-client.ts";

export interface RetainedTask {
  readonly kind: "retained";
  readonly target: LoadTarget;
  readonly prefix: string;
  /** Retained messages stored before the run. */
  readonly messages: number;
  /** Subscribers at once. */
  readonly window: number;
  readonly qos: 0 | 1 | 2;
  readonly payloadBytes: number;
  readonly protocolVersion: 4 | 5;
}

/** Acknowledged publishes in flight while storing. */
const STORE_WINDOW = 64;
const STORE_STALL_MS = 20_000;
/** A subscriber that receives nothing for so long has lost the rest. */
const STALL_MS = 3_000;

export class RetainedRun implements GeneratorRun {
  readonly work = null;
  readonly #task: RetainedTask;
  readonly #window: MeasuredWindow;
  readonly #latency = new LatencyRecorder();
  readonly #payloadBytes: number;
  readonly #chains = new Chains();
  #isStopped = false;
  #subscribers = 0;
  #received = 0;
  #repeated = 0;
  #corrupt = 0;
  #lost = 0;

  constructor(task: RetainedTask) {
    this.#task = task;
    this.#window = new MeasuredWindow(task.target);
    this.#payloadBytes = blankPayload(task.payloadBytes).length;
  }

  async prepare(): Promise<void> {
    await this.#store(blankPayload(this.#payloadBytes));
  }

  begin(): void {
    this.#chains.start(this.#task.window, () => this.#runChain());
  }

  openWindow(): void {
    this.#latency.reset();
    this.#window.open(this.#received);
  }

  closeWindow(): void {
    this.#window.close(this.#received);
    this.#isStopped = true;
  }

  async finish(): Promise<GeneratorCounts> {
    await this.#chains.over();
    // An empty payload removes the message [MQTT-3.3.1-6].
    await this.#store(Buffer.alloc(0));
    const expected = this.#subscribers * this.#task.messages;
    return {
      ...this.#window.counts(),
      check: {
        ...NOTHING_TO_CHECK,
        expected,
        received: this.#received,
        lost: this.#lost,
        repeated: this.#repeated,
        corrupt: this.#corrupt,
      },
      latency: this.#latency.histogram().encode(),
      figures: { subscribers: this.#subscribers },
    };
  }

  async #store(payload: Buffer): Promise<void> {
    const { target, prefix, messages, protocolVersion } = this.#task;
    const client = new PlainClient({ target, clientId: `${prefix}-store`, protocolVersion });
    let acknowledged = 0;
    client.onAcknowledged = () => {
      acknowledged += 1;
    };
    await client.accepted;
    for (let index = 0; index < messages; index += 1) {
      const options = { qos: 1, protocolVersion, isRetained: true };
      const template = publishTemplate(`${prefix}/r/${index}`, payload, options);
      template.bytes.writeUInt16BE((index % 65_535) + 1, template.packetIdOffset);
      if (payload.length > 0) {
        const header = { publisher: 0, sequence: index, sentMicros: 0 };
        writePayloadHeader(template.bytes, template.payloadOffset, header, this.#payloadBytes);
      }
      client.send(template.bytes);
      if (index % STORE_WINDOW !== STORE_WINDOW - 1 && index !== messages - 1) continue;
      const isStored = () => acknowledged > index;
      await untilDone(isStored, () => acknowledged, STORE_STALL_MS, "storing retained messages");
    }
    client.leave();
    await client.connection.ended;
  }

  async #runChain(): Promise<void> {
    while (!this.#isStopped) await this.#subscribeOnce();
  }

  async #subscribeOnce(): Promise<void> {
    const { target, prefix, protocolVersion, messages, qos } = this.#task;
    const clientId = `${prefix}-sub-${this.#subscribers}`;
    this.#subscribers += 1;
    const client = new PlainClient({ target, clientId, protocolVersion });
    await client.accepted;
    const seen = new Uint8Array(messages);
    let count = 0;
    const complete = new Promise<void>((resolve) => {
      const stalled = setTimeout(resolve, STALL_MS);
      client.onPublish = (bytes, offset, end) => {
        if (!this.#isNew(seen, bytes, offset, end)) return;
        count += 1;
        // Not for each message: restarting a timer costs more than checking one.
        if (count % 256 === 0) stalled.refresh();
        if (count < messages) return;
        clearTimeout(stalled);
        resolve();
      };
    });
    const startMicros = nowMicros();
    await client.subscribe(`${prefix}/r/+`, qos);
    await complete;
    this.#lost += messages - count;
    if (count === messages) this.#latency.record(nowMicros() - startMicros);
    client.leave();
    await client.connection.ended;
  }

  #isNew(seen: Uint8Array, bytes: Uint8Array, offset: number, end: number): boolean {
    this.#received += 1;
    const isIntact = isPayloadIntact(bytes, offset, end, this.#payloadBytes);
    const index = isIntact ? payloadSequence(bytes, offset) : seen.length;
    if (index >= seen.length) {
      this.#corrupt += 1;
      return false;
    }
    if (seen[index] === 1) {
      this.#repeated += 1;
      return false;
    }
    seen[index] = 1;
    return true;
  }
}
