/**
 * The frame of the conformance tests: one broker per file with two workers, and for each case a
 * bench of clients with unique names that is cleared away afterwards.
 *
 * With RATATOSK_REFERENCE=mosquitto the same cases run against mosquitto: that tells whether a case
 * is right. The cases in which mosquitto departs from the specification, or makes another choice,
 * are listed in reference-differences.ts.
 */

import { after, before, type TestContext, test } from "node:test";
import { type BrokerOptions, type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { type MosquittoProcess, startMosquitto } from "../helpers/mosquitto.ts";
import type { ConnectFields, Level } from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";
import type { TransportTarget } from "../helpers/raw-transport.ts";
import { REFERENCE_DIFFERS } from "./reference-differences.ts";

const REFERENCE = process.env["RATATOSK_REFERENCE"] ?? "";
const CASE_LIMIT_MS = 15_000;

export interface SuiteOptions extends BrokerOptions {
  /** Configuration lines that give mosquitto the same settings. */
  readonly reference?: readonly string[];
}

/** Creates and keeps track of the clients of one case. */
export class Bench {
  readonly name: string;
  readonly #suite: Suite;
  readonly #clients: RawClient[] = [];
  #clientCount = 0;

  constructor(suite: Suite, name: string) {
    this.#suite = suite;
    this.name = name;
  }

  get target(): TransportTarget {
    return { port: this.#suite.port };
  }

  /** A topic that no other case uses. */
  topic(suffix: string): string {
    return `${this.name}/${suffix}`;
  }

  /** A client id that no other case uses. */
  clientId(suffix: string): string {
    return `${this.name}-${suffix}`;
  }

  /** A transport without CONNECT. */
  async open(level: Level = 5, target: TransportTarget = this.target): Promise<RawClient> {
    const client = await RawClient.open(target, level, this.#nextId());
    this.#clients.push(client);
    return client;
  }

  /** A connected client, under a client id of its own unless `fields` has one. */
  async connect(
    fields: ConnectFields = {},
    target: TransportTarget = this.target,
  ): Promise<RawClient> {
    const client = await RawClient.connect(target, { clientId: this.#nextId(), ...fields });
    this.#clients.push(client);
    return client;
  }

  clear(): void {
    for (const client of this.#clients) client.destroy();
  }

  #nextId(): string {
    this.#clientCount += 1;
    return this.clientId(`c${this.#clientCount}`);
  }
}

export class Suite {
  #broker: BrokerProcess | null = null;
  #reference: MosquittoProcess | null = null;
  #caseCount = 0;

  constructor(options: SuiteOptions) {
    before(async () => {
      if (REFERENCE === "mosquitto") this.#reference = await startMosquitto(options.reference);
      else this.#broker = await startBroker(options);
    });
    after(async () => {
      await this.#reference?.stop();
      await this.#broker?.stop();
    });
  }

  get port(): number {
    return this.#reference?.port ?? this.broker.port;
  }

  /** Our broker; not there when the cases run against the reference. */
  get broker(): BrokerProcess {
    if (this.#broker === null) throw new Error("the broker is not running");
    return this.#broker;
  }

  /** Registers a case. Its name is "SUBJECT: behaviour [source]". */
  check(name: string, body: (bench: Bench) => Promise<void>): void {
    this.#caseCount += 1;
    const bench = new Bench(this, `t${this.#caseCount}`);
    const skip = REFERENCE === "" ? false : (REFERENCE_DIFFERS.get(name) ?? false);
    test(name, { timeout: CASE_LIMIT_MS, skip }, async (context: TestContext) => {
      context.after(() => bench.clear());
      await body(bench);
    });
  }
}

export function conformanceSuite(options: SuiteOptions = {}): Suite {
  return new Suite(options);
}
