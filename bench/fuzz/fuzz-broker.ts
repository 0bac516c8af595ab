/**
 * Mutants at a live broker over TCP: before CONNECT, after CONNECT, several connections at once,
 * packets cut anywhere. Meanwhile a witness pair must miss nothing. Afterwards no worker has died,
 * no connection and no session is left, and memory is about where it was after the warm-up.
 */

import assert from "node:assert/strict";
import { type BrokerProcess, startBroker } from "../../test/helpers/broker-process.ts";
import { until } from "../../test/helpers/deadline.ts";
import * as packets from "../../test/helpers/packets.ts";
import { openTransport } from "../../test/helpers/raw-transport.ts";
import { processResidentBytes } from "../load/process-cpu.ts";
import { toHex } from "./fuzz-decoder.ts";
import { mutantOf } from "./mutate.ts";
import type { Random } from "./random.ts";
import { Witness } from "./witness.ts";

const CONNECTIONS_AT_ONCE = 12;
const PACKETS_PER_CONNECTION = 40;
/** Part of the time after which memory counts: caches and JIT have grown by then. */
const WARM_UP_SHARE = 0.4;
/**
 * Heap that has not been collected yet; a leak of one kilobyte per connection is far above it in a
 * minute.
 */
const MEMORY_SLACK = 128 * 2 ** 20;
const LAST_STREAMS_KEPT = 8;
const SETTLE_WAIT_MS = 15_000;
/** Sessions end soon after their connections, so that what is left at the end is a leak. */
const SESSION_EXPIRY_SECONDS = 2;

export interface BrokerReport {
  readonly connections: number;
  readonly packets: number;
  readonly exchanged: number;
  readonly memoryGrowth: number;
}

export interface BrokerFuzzOptions {
  readonly random: Random;
  readonly seeds: readonly Uint8Array[];
  readonly milliseconds: number;
  readonly workers: number;
}

export async function fuzzBroker(options: BrokerFuzzOptions): Promise<BrokerReport> {
  const tenantDefaults = { MaxSessionExpirySeconds: SESSION_EXPIRY_SECONDS };
  const broker = await startBroker({
    workers: options.workers,
    config: {
      tenants: { defaults: tenantDefaults },
      limits: { connect_timeout_ms: 2_000 },
    },
  });
  try {
    return await new BrokerFuzz(broker, options).run();
  } finally {
    await broker.kill();
  }
}

class BrokerFuzz {
  readonly #broker: BrokerProcess;
  readonly #options: BrokerFuzzOptions;
  /** The latest byte streams, for the report of a failure. */
  readonly #latest: string[] = [];
  #connections = 0;
  #packets = 0;

  constructor(broker: BrokerProcess, options: BrokerFuzzOptions) {
    this.#broker = broker;
    this.#options = options;
  }

  async run(): Promise<BrokerReport> {
    try {
      return await this.#run();
    } catch (error) {
      const parts = [`broker log:\n${this.#broker.output}`, "latest streams:", ...this.#latest];
      throw new Error(parts.join("\n"), { cause: error });
    }
  }

  async #run(): Promise<BrokerReport> {
    const { milliseconds } = this.#options;
    const witness = await Witness.connect(this.#broker.port, "witness");
    const startMs = performance.now();
    let warmBytes = 0;
    for (;;) {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= milliseconds) break;
      if (warmBytes === 0 && elapsedMs >= milliseconds * WARM_UP_SHARE) {
        warmBytes = processResidentBytes(this.#broker.pid);
      }
      const streams = Array.from({ length: CONNECTIONS_AT_ONCE }, () => this.#runConnection());
      await witness.exchange();
      await Promise.all(streams);
      this.#checkLog();
    }
    await this.#settle(witness);
    const memoryGrowth = processResidentBytes(this.#broker.pid) - warmBytes;
    assert.ok(memoryGrowth < MEMORY_SLACK, `memory grew by ${memoryGrowth} bytes`);
    witness.destroy();
    return {
      connections: this.#connections,
      packets: this.#packets,
      exchanged: witness.exchanged,
      memoryGrowth,
    };
  }

  async #runConnection(): Promise<void> {
    const { random, seeds } = this.#options;
    const count = 1 + random.below(PACKETS_PER_CONNECTION);
    const parts: Uint8Array[] = [];
    if (!random.oneIn(4)) parts.push(this.#legalConnect());
    for (let index = 0; index < count; index += 1) parts.push(mutantOf(random, seeds));
    const stream = packets.concat(...parts);
    this.#latest.push(toHex(stream));
    if (this.#latest.length > LAST_STREAMS_KEPT) this.#latest.shift();
    this.#connections += 1;
    this.#packets += parts.length;
    await this.#send(stream);
  }

  #legalConnect(): Uint8Array {
    const { random } = this.#options;
    const level = random.pick([3, 4, 5] as const);
    return packets.connect({
      level,
      clientId: `fuzz-${random.below(200)}`,
      cleanStart: random.oneIn(2),
      keepAlive: random.below(100),
      properties: [packets.property.sessionExpiry(random.below(10))],
      ...(random.oneIn(3) ? { will: { topic: `fuzz/will/${random.below(9)}` } } : {}),
    });
  }

  /** In random pieces; ends politely, abruptly, or when the broker has had enough. */
  async #send(stream: Uint8Array): Promise<void> {
    const { random } = this.#options;
    const transport = await openTransport({ port: this.#broker.port });
    let isClosed = false;
    const closed = new Promise<void>((resolve) => {
      transport.onClose = () => {
        isClosed = true;
        resolve();
      };
    });
    transport.start();
    for (let offset = 0; offset < stream.length && !isClosed; ) {
      const size = random.oneIn(3) ? 1 + random.below(5) : 1 + random.below(4_000);
      transport.write(stream.subarray(offset, offset + size));
      offset += size;
      if (random.oneIn(2)) await new Promise((resolve) => setImmediate(resolve));
    }
    if (random.oneIn(2)) transport.end();
    else transport.destroy();
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 200))]);
    transport.destroy();
    await closed;
  }

  #checkLog(): void {
    for (const entry of this.#broker.logs) {
      const isDeath = entry.msg.startsWith("worker_") && entry.level === "error";
      assert.ok(!isDeath && entry.level !== "fatal", JSON.stringify(entry));
    }
  }

  async #settle(witness: Witness): Promise<void> {
    const isGaugeAt = (name: string, value: number) => async () =>
      (await this.#broker.metric(`ratatosk_mqtt_${name}`)) === value;
    await until(isGaugeAt("connections", 2), "fuzz connections to be gone", SETTLE_WAIT_MS);
    await until(isGaugeAt("sessions_connected", 2), "fuzz sessions to be gone", SETTLE_WAIT_MS);
    await until(isGaugeAt("persistent_sessions", 0), "stored sessions to end", SETTLE_WAIT_MS);
    await until(isGaugeAt("subscriptions", 1), "subscriptions to be gone", SETTLE_WAIT_MS);
    await witness.exchange();
    this.#checkLog();
  }
}
