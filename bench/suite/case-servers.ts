/**
 * The brokers' processes while a case is measured: one for each run, or one for all rounds of the
 * case (`--fresh`). A broker that failed in a run gets a new process for the next one.
 */

import type { Contender, RunningServer } from "../contenders/contender.ts";
import type { TransportName } from "../load/load-shape.ts";
import type { FoundBefore } from "./case.ts";
import type { Freshness } from "./options.ts";

/** Of a server's log, behind an error: what came last. */
const WARNINGS_TOLD = 5;

export class CaseServers {
  readonly #transport: TransportName;
  readonly #isStored: boolean;
  readonly #fresh: Freshness;
  readonly #running = new Map<Contender, RunningServer>();
  readonly #found = new Map<Contender, FoundBefore>();

  /** `isStored`: sessions are kept on the disk. */
  constructor(transport: TransportName, fresh: Freshness, isStored = false) {
    this.#transport = transport;
    this.#isStored = isStored;
    this.#fresh = fresh;
  }

  async measureOn<T>(
    contender: Contender,
    measure: (server: RunningServer, found: FoundBefore) => Promise<T>,
  ): Promise<T> {
    const server =
      this.#running.get(contender) ?? (await contender.start(this.#transport, this.#isStored));
    const found = this.#found.get(contender) ?? { maximum: null };
    this.#running.set(contender, server);
    this.#found.set(contender, found);
    let isGood = false;
    try {
      const result = await measure(server, found);
      isGood = true;
      return result;
    } catch (error) {
      throw withWarnings(error, server);
    } finally {
      if (this.#fresh === "run" || !isGood) await this.#stop(contender);
    }
  }

  /** Why some did not end as they should, by contender. */
  async stopAll(): Promise<Map<Contender, string>> {
    const faults = new Map<Contender, string>();
    for (const contender of [...this.#running.keys()]) {
      await this.#stop(contender).catch((error: unknown) => faults.set(contender, String(error)));
    }
    return faults;
  }

  async #stop(contender: Contender): Promise<void> {
    const server = this.#running.get(contender);
    this.#running.delete(contender);
    await server?.stop();
  }
}

function withWarnings(error: unknown, { warnings }: RunningServer): unknown {
  const told = warnings?.().slice(-WARNINGS_TOLD) ?? [];
  if (told.length === 0 || !(error instanceof Error)) return error;
  return new Error(`${error.message.split(/\n +at /)[0]}; its log: ${told.join(" ")}`);
}
