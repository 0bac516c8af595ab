/**
 * A listener opened in the test's own thread, with everything it reports recorded.
 */

import assert from "node:assert/strict";
import type { LimitsConfig, ListenerConfig } from "../../../src/shared/config/config.ts";
import { counterRow, counterTableSize } from "../../../src/shared/metrics/counter-table.ts";
import { sharedWordsSize } from "../../../src/shared/metrics/shared-words.ts";
import {
  type Listener,
  type ListenerDeps,
  openListener,
} from "../../../src/workers/mqtt/listener.ts";
import { ChunkPool } from "../../../src/workers/mqtt/output-pool.ts";
import type { SendBatch } from "../../../src/workers/mqtt/send-batch.ts";
import type { Transport, TransportHandler } from "../../../src/workers/mqtt/transport.ts";

const WAIT_MS = 4000;

export const LIMITS: LimitsConfig = {
  connectTimeoutMs: 10_000,
  acceptRatePerSecond: 0,
  acceptBurst: 0,
  maxConnections: 0,
  preAuthBytes: 65_536,
  maxPacketSize: 1024 * 1024,
  connectionOutputBytes: 1024 * 1024,
  tenantOutputBytes: 1024 * 1024,
  sessionQueueBytes: 64 * 1024 * 1024,
  tenantQueueBytes: 512 * 1024 * 1024,
  processQueueBytes: 1024 * 1024 * 1024,
  processOutputBytes: 1024 * 1024,
  stalledTimeoutMs: 10_000,
};

export function listenerConfig(overrides: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    id: "test-listener",
    protocol: "mqtt",
    host: "127.0.0.1",
    port: 0,
    tls: null,
    path: "/mqtt",
    allowedOrigins: [],
    websocketEngine: "builtin",
    proxyProtocol: "none",
    maxConnections: 0,
    ...overrides,
  };
}

/** One accepted connection and what happened to it. */
export class AcceptedClient implements TransportHandler {
  readonly transport: Transport;
  readonly #batch: SendBatch | null;
  readonly #chunks: Buffer[] = [];
  drainCount = 0;
  closeCount = 0;
  onBytes: (bytes: Buffer) => void = () => {};

  constructor(transport: Transport, batch: SendBatch | null = null) {
    this.transport = transport;
    this.#batch = batch;
    transport.handler = this;
  }

  /** As the end of a duty cycle does, in a batch of one if there are batches. */
  flush(): void {
    flush([this.transport], this.#batch);
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Puts bytes into the output, as an encoder does; the event loop of the fixture flushes. */
  write(bytes: Uint8Array): void {
    const offset = this.transport.output.reserve(bytes.length);
    this.transport.output.bytes.set(bytes, offset);
  }

  handleBytes(bytes: Uint8Array, start: number, end: number): void {
    const copy = Buffer.from(bytes.subarray(start, end));
    this.#chunks.push(copy);
    this.onBytes(copy);
  }

  handleDrain(): void {
    this.drainCount += 1;
  }

  handleClose(): void {
    this.closeCount += 1;
  }
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class ListenerFixture {
  readonly clients: AcceptedClient[] = [];
  readonly logLines: LogLine[] = [];
  readonly pool = new ChunkPool();
  readonly words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(1)));
  readonly counters = counterRow(new SharedArrayBuffer(counterTableSize(1)), 1);
  listener!: Listener;
  /** Runs where the MQTT layer takes a connection over. */
  onAccept: (client: AcceptedClient) => void = () => {};
  readonly #dirty = new Set<Transport>();
  readonly #batch: SendBatch | null;
  #isClosed = false;

  private constructor(batch: SendBatch | null) {
    this.#batch = batch;
  }

  static async open(
    config: Partial<ListenerConfig> = {},
    deps: Partial<ListenerDeps> = {},
    batch: SendBatch | null = null,
  ): Promise<ListenerFixture> {
    const fixture = new ListenerFixture(batch);
    fixture.listener = await openListener(listenerConfig(config), {
      ...fixture.#deps(),
      ...deps,
    });
    return fixture;
  }

  get port(): number {
    return this.listener.port;
  }

  /** The next connection that has not been handed out yet. */
  async accepted(index = 0): Promise<AcceptedClient> {
    await this.until(() => this.clients.length > index);
    return this.clients[index]!;
  }

  /**
   * Waits until `condition` holds; looks once per turn of the event loop, and gives up after four
   * seconds.
   */
  async until(condition: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS;
    while (!condition()) {
      assert.ok(performance.now() < deadlineMs, `timed out waiting for: ${condition}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.listener.close();
  }

  #deps(): ListenerDeps {
    return {
      acceptor: (transport) => {
        const client = new AcceptedClient(transport, this.#batch);
        this.clients.push(client);
        this.onAccept(client);
      },
      markDirty: (transport) => {
        if (this.#dirty.size === 0) setImmediate(() => this.#flush());
        this.#dirty.add(transport);
      },
      pool: this.pool,
      counters: this.counters,
      words: this.words,
      limits: LIMITS,
      listenerIndex: 0,
      log: (level, event, fields) => {
        this.logLines.push({ level, event, fields });
      },
      threadIndex: 1,
      isFirst: true,
    };
  }

  #flush(): void {
    const transports = [...this.#dirty];
    this.#dirty.clear();
    flush(transports, this.#batch);
  }
}

/** `batch`: of the caller, with room for all; null = each for itself. */
export function flush(transports: readonly Transport[], batch: SendBatch | null): void {
  if (batch === null) {
    for (const transport of transports) transport.flush();
    return;
  }
  const gathered = transports.filter((transport) => transport.gather(batch));
  batch.submit();
  for (const [index, transport] of gathered.entries()) transport.settle(batch.taken(index));
}
