/**
 * Clients that connect again under the identifier of a connection that is still open: the newest
 * wins, the old one is closed [MQTT-3.1.4-3]. Latency is from the beginning of the TCP connect to
 * CONNACK; an old connection that stays open counts as lost, a new one that is closed as repeated.
 */

import { ReasonCode } from "../../src/shared/mqtt/reason-code.ts";
import { Chains } from "./chains.ts";
import { nowMicros } from "./clock.ts";
import { type GeneratorRun, MeasuredWindow, NOTHING_TO_CHECK, pause } from "./generator-run.ts";
import { LatencyRecorder } from "./latency.ts";
import type { GeneratorCounts, LoadTarget } from "./load-shape.ts";
import { PlainClient } from "./plain-client.ts";

export interface TakeoverTask {
  readonly kind: "takeover";
  readonly target: LoadTarget;
  readonly prefix: string;
  readonly clients: number;
  /** Take-overs under way at once. */
  readonly window: number;
  readonly protocolVersion: 4 | 5;
}

const OLD_END_WAIT_MS = 5_000;
const PREPARE_BATCH = 50;

export class TakeoverRun implements GeneratorRun {
  readonly work = null;
  readonly #task: TakeoverTask;
  readonly #window: MeasuredWindow;
  readonly #latency = new LatencyRecorder();
  readonly #clients: PlainClient[] = [];
  readonly #chains = new Chains();
  #isStopped = false;
  #takeovers = 0;
  #told = 0;
  #stillOpen = 0;

  constructor(task: TakeoverTask) {
    this.#task = task;
    this.#window = new MeasuredWindow(task.target);
  }

  async prepare(): Promise<void> {
    for (let index = 0; index < this.#task.clients; index += 1) {
      this.#clients.push(this.#connect(index));
      if (index % PREPARE_BATCH === 0) await this.#clients[index]!.accepted;
    }
    await Promise.all(this.#clients.map((client) => client.accepted));
  }

  begin(): void {
    const chains = Math.min(this.#task.window, this.#task.clients);
    this.#chains.start(chains, (chain) => this.#runChain(chain, chains));
  }

  openWindow(): void {
    this.#latency.reset();
    this.#window.open(this.#takeovers);
  }

  closeWindow(): void {
    this.#window.close(this.#takeovers);
    this.#isStopped = true;
  }

  async finish(): Promise<GeneratorCounts> {
    await this.#chains.over();
    const closed = this.#clients.filter((client) => client.connection.isEnded).length;
    for (const client of this.#clients) client.connection.abort();
    return {
      ...this.#window.counts(),
      check: {
        ...NOTHING_TO_CHECK,
        expected: this.#takeovers,
        received: this.#takeovers - this.#stillOpen,
        lost: this.#stillOpen,
        repeated: closed,
      },
      latency: this.#latency.histogram().encode(),
      figures: this.#task.protocolVersion === 5 ? { "told 0x8E": this.#told } : {},
    };
  }

  /** Chain c takes over clients c, c + chains, ...: no two chains meet at one identifier. */
  async #runChain(chain: number, chains: number): Promise<void> {
    let index = chain;
    while (!this.#isStopped) {
      await this.#takeOver(index);
      index = index + chains < this.#task.clients ? index + chains : chain;
    }
  }

  async #takeOver(index: number): Promise<void> {
    const old = this.#clients[index]!;
    const startMicros = nowMicros();
    const next = this.#connect(index);
    await next.accepted;
    this.#latency.record(nowMicros() - startMicros);
    this.#clients[index] = next;
    await Promise.race([old.connection.ended, pause(OLD_END_WAIT_MS)]);
    this.#takeovers += 1;
    if (!old.connection.isEnded) this.#stillOpen += 1;
    if (old.disconnectReason === ReasonCode.SESSION_TAKEN_OVER) this.#told += 1;
    old.connection.abort();
  }

  #connect(index: number): PlainClient {
    const { target, prefix, protocolVersion } = this.#task;
    return new PlainClient({ target, clientId: `${prefix}-${index}`, protocolVersion });
  }
}
