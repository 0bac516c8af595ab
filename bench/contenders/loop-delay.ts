/** The benchmark's end of loop-delay-thread.ts: event-loop delays of our broker in an interval. */

import { extname } from "node:path";
import type { BrokerProcess } from "../../test/helpers/broker-process.ts";
import { until } from "../../test/helpers/deadline.ts";

const PROBE_URL = new URL(`./loop-delay-thread${extname(import.meta.url)}`, import.meta.url);
/** The probe itself waits two seconds for workers that do not answer. */
const ANSWER_WAIT_MS = 10_000;
/** Arguments for node that load the probe. */
export const PROBE_ARGUMENTS: readonly string[] = ["--import", PROBE_URL.href];

export class LoopDelay {
  readonly #broker: BrokerProcess;
  #hasEnded = false;

  constructor(broker: BrokerProcess) {
    this.#broker = broker;
    broker.exited.then(
      () => {
        this.#hasEnded = true;
      },
      () => {},
    );
  }

  /** The interval begins. */
  reset(): void {
    this.#broker.writeInput("reset\n");
  }

  /** Of the worst worker since the last `reset`; nothing of a broker that has ended. */
  async read(): Promise<Record<string, number>> {
    const { logs } = this.#broker;
    const known = logs.length;
    const find = () => logs.slice(known).find(({ msg }) => msg === "bench_loop_delay");
    this.#broker.writeInput("report\n");
    await until(() => this.#hasEnded || find() !== undefined, "event-loop delays", ANSWER_WAIT_MS);
    const answer = find();
    if (answer === undefined) return {};
    const { p99, max } = answer;
    return { "event loop delay p99, us": Number(p99), "event loop delay max, us": Number(max) };
  }
}
