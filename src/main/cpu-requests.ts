/**
 * Takes the workers' requests for the CPU pool from the rings and sends the answers back. Thread:
 * main. Scope: one per process.
 */

import { RecordType } from "../shared/protocol/ring-message.ts";
import type { MainPort } from "./main-port.ts";

/** Takes one request as JSON, resolves to the answer as JSON, never rejects. */
export type CpuRequestHandler = (json: string) => Promise<string>;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class CpuRequests {
  readonly #port: MainPort;
  readonly #handle: CpuRequestHandler;
  /** Raised when a worker is replaced: an answer to its predecessor's request must not reach it. */
  readonly #generations: number[];

  constructor(port: MainPort, handle: CpuRequestHandler) {
    this.#port = port;
    this.#handle = handle;
    const { endpoint } = port;
    this.#generations = new Array<number>(endpoint.threadCount).fill(0);
    endpoint.setHandler(RecordType.CPU_REQUEST, (bytes, offset, length, source) => {
      const json = decoder.decode(bytes.slice(offset, offset + length));
      void this.#answer(json, source);
    });
  }

  /** The worker died; its rings are replaced. */
  workerLost(thread: number): void {
    this.#generations[thread]! += 1;
  }

  async #answer(json: string, source: number): Promise<void> {
    const generation = this.#generations[source];
    const reply = encoder.encode(await this.#handle(json));
    if (generation !== this.#generations[source]) return;
    this.#port.endpoint.enqueue(source, RecordType.CPU_REPLY, reply, 0, reply.length);
    this.#port.schedule();
  }
}
