/**
 * Opens many connections and keeps them: how fast they are accepted, and what they cost while
 * nothing happens.
 *
 * Latency is from the beginning of the TCP connect (in an open loop: from when it was meant to
 * begin) to CONNACK, or to SUBACK when each client subscribes as well. A client that is refused, or
 * cut off later, counts as lost.
 */

import { nowMicros } from "./clock.ts";
import { type GeneratorRun, MeasuredWindow, NOTHING_TO_CHECK, pause } from "./generator-run.ts";
import { LatencyRecorder } from "./latency.ts";
import type { GeneratorCounts, LoadTarget, Pace } from "./load-shape.ts";
import { Pacer } from "./pacer.ts";
import { PlainClient } from "./plain-client.ts";
import { processResidentBytes } from "./process-cpu.ts";

export interface ConnectTask {
  readonly kind: "connect";
  readonly target: LoadTarget;
  readonly prefix: string;
  readonly connections: number;
  /** Closed: so many at once under way. Open: so many begun per second. */
  readonly pace: Pace;
  readonly protocolVersion: 4 | 5;
  /** Each client subscribes to one topic of its own. */
  readonly subscribes: boolean;
  /**
   * "prepare": connect before the window, which then shows what idle connections cost. Memory is
   * the growth of the whole broker, so only one process may do this.
   */
  readonly connectIn: "prepare" | "window";
  /** Milliseconds between `begin` and the first connect. */
  readonly delayMs: number;
  /** Milliseconds before memory is read: the broker's garbage of connecting has time to go. */
  readonly settleMs: number;
}

const STALL_MS = 20_000;

export class ConnectRun implements GeneratorRun {
  readonly #task: ConnectTask;
  readonly #window: MeasuredWindow;
  readonly #latency = new LatencyRecorder();
  readonly #clients: PlainClient[] = [];
  #work: Promise<void> | null = null;
  #accepted = 0;
  #settled = 0;
  #firstMicros = 0;
  #lastMicros = 0;
  #residentBefore = 0;
  #residentAfter = 0;
  #whenAllSettled: () => void = () => {};

  constructor(task: ConnectTask) {
    this.#task = task;
    this.#window = new MeasuredWindow(task.target);
  }

  get work(): Promise<void> | null {
    return this.#work;
  }

  async prepare(): Promise<void> {
    const { pid } = this.#task.target;
    this.#residentBefore = processResidentBytes(pid);
    if (this.#task.connectIn === "window") return;
    await this.#connectAll();
    await pause(this.#task.settleMs);
    this.#residentAfter = processResidentBytes(pid);
  }

  begin(): void {
    if (this.#task.connectIn === "window") {
      this.#work = pause(this.#task.delayMs).then(() => this.#connectAll());
    }
  }

  openWindow(): void {
    this.#window.open(this.#task.connectIn === "prepare" ? 0 : this.#accepted);
  }

  closeWindow(): void {
    if (this.#task.connectIn === "window") {
      this.#window.close(this.#accepted);
      return;
    }
    // Counted in connection seconds, so that "per second" are the connections held.
    const seconds = (nowMicros() - this.#window.openedMicros) / 1e6;
    this.#window.close(this.#accepted * seconds);
  }

  async finish(): Promise<GeneratorCounts> {
    const { connections } = this.#task;
    const lost = connections - this.#clients.filter((client) => !client.connection.isEnded).length;
    const counts = this.#window.counts();
    for (const client of this.#clients) client.connection.abort();
    const seconds = (this.#lastMicros - this.#firstMicros) / 1e6;
    return {
      ...counts,
      check: { ...NOTHING_TO_CHECK, expected: connections, received: connections - lost, lost },
      latency: this.#latency.histogram().encode(),
      figures: {
        "connects per second": this.#accepted / seconds,
        ...this.#memoryFigures(),
      },
    };
  }

  #memoryFigures(): Record<string, number> {
    if (this.#task.connectIn === "window") return {};
    const grown = this.#residentAfter - this.#residentBefore;
    return { "bytes per connection": grown / this.#task.connections };
  }

  #connectAll(): Promise<void> {
    const { connections, pace } = this.#task;
    const done = new Promise<void>((resolve, reject) => {
      const stalled = setTimeout(() => reject(new Error(this.#stallText())), STALL_MS);
      this.#whenAllSettled = () => {
        clearTimeout(stalled);
        resolve();
      };
      this.#onProgress = () => stalled.refresh();
    });
    this.#firstMicros = nowMicros();
    if (pace.kind === "open") this.#connectAtRate(pace.publishesPerSecond);
    else {
      const window = Math.min(pace.window, connections);
      for (let index = 0; index < window; index += 1) this.#connectNext(nowMicros());
    }
    return done;
  }

  #onProgress: () => void = () => {};

  #stallText(): string {
    return `connecting stood still at ${this.#settled} of ${this.#task.connections}`;
  }

  #connectAtRate(perSecond: number): void {
    const pacer = new Pacer(perSecond);
    pacer.start((intended, count) => {
      for (let index = 0; index < count; index += 1) this.#connectNext(intended);
      if (this.#clients.length >= this.#task.connections) pacer.stop();
    });
  }

  #connectNext(intendedMicros: number): void {
    const { connections, target, prefix, protocolVersion, pace } = this.#task;
    const index = this.#clients.length;
    if (index >= connections) return;
    const client = new PlainClient({ target, clientId: `${prefix}-${index}`, protocolVersion });
    this.#clients.push(client);
    const settle = (isAccepted: boolean) => {
      this.#settled += 1;
      this.#onProgress();
      if (isAccepted) this.#takeAccepted(intendedMicros);
      if (pace.kind === "closed") this.#connectNext(nowMicros());
      if (this.#settled === connections) this.#whenAllSettled();
    };
    this.#setUp(client, index).then(
      () => settle(true),
      () => settle(false),
    );
  }

  #takeAccepted(intendedMicros: number): void {
    this.#accepted += 1;
    this.#lastMicros = nowMicros();
    this.#latency.record(this.#lastMicros - intendedMicros);
  }

  async #setUp(client: PlainClient, index: number): Promise<void> {
    await client.accepted;
    if (this.#task.subscribes) await client.subscribe(`${this.#task.prefix}/idle/${index}`, 0);
  }
}
