/** The benchmark's end of loop-delay-thread.ts: event-loop delays of our broker in an interval. */

import { extname } from "node:path";
import type { BrokerProcess } from "../../test/helpers/broker-process.ts";

const PROBE_URL = new URL(`./loop-delay-thread${extname(import.meta.url)}`, import.meta.url);
/** Arguments for node that load the probe. */
export const PROBE_ARGUMENTS: readonly string[] = ["--import", PROBE_URL.href];

export class LoopDelay {
  readonly #broker: BrokerProcess;

  constructor(broker: BrokerProcess) {
    this.#broker = broker;
  }

  /** The interval begins. */
  reset(): void {
    this.#broker.writeInput("reset\n");
  }

  /** Of the worst worker since the last `reset`. */
  async read(): Promise<Record<string, number>> {
    const known = this.#broker.logs.length;
    this.#broker.writeInput("report\n");
    const { p99, max } = await this.#broker.waitForLog("bench_loop_delay", known);
    return { "event loop delay p99, us": Number(p99), "event loop delay max, us": Number(max) };
  }
}
