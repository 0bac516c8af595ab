/**
 * Main's end of the ring mesh: takes requests for the CPU pool from workers and sends the answers
 * back.
 *
 * Main has no duty cycle of its own: a bell or an answer makes it drain, flush and sleep again.
 * Thread: main. Scope: one per process.
 */

import type { MessagePort } from "node:worker_threads";
import { RecordType } from "../shared/protocol/ring-message.ts";
import { RingPort } from "../shared/ring/ring-port.ts";
import type { MeshEndpoint, PeerReplacement } from "./ring-mesh.ts";

/** Takes one request as JSON, resolves to the answer as JSON, never rejects. */
export type CpuRequestHandler = (json: string) => Promise<string>;

/** Records per source and turn: main shares its event loop with the admin server. */
const DRAIN_LIMIT = 256;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class MainPort {
  readonly #port: RingPort;
  readonly #bells: (MessagePort | null)[];
  readonly #handleRequest: CpuRequestHandler;
  /** Raised when a worker is replaced: an answer to its predecessor's request must not reach it. */
  readonly #generations: number[];
  #isScheduled = false;
  #isClosed = false;

  constructor(endpoint: MeshEndpoint, handleRequest: CpuRequestHandler) {
    this.#handleRequest = handleRequest;
    this.#bells = [...endpoint.bells];
    this.#generations = endpoint.bells.map(() => 0);
    this.#port = new RingPort({
      threadIndex: 0,
      inbound: endpoint.inbound,
      outbound: endpoint.outbound,
      ringBell: (target) => this.#ring(target),
    });
    this.#port.setHandler(RecordType.CPU_REQUEST, (bytes, offset, length, source) => {
      const json = decoder.decode(bytes.slice(offset, offset + length));
      void this.#answer(json, source);
    });
    for (const bell of this.#bells) this.#listen(bell);
    this.#schedule();
  }

  /** A worker was restarted: fresh rings and bell. */
  replacePeer(replacement: PeerReplacement): void {
    const { peer } = replacement;
    this.#generations[peer]! += 1;
    this.#bells[peer]?.close();
    this.#bells[peer] = replacement.bell;
    this.#listen(replacement.bell);
    this.#port.replacePeer(peer, replacement.inbound, replacement.outbound);
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    for (const bell of this.#bells) bell?.close();
  }

  #listen(bell: MessagePort | null): void {
    bell?.on("message", () => this.#schedule());
    // Waiting for requests is no reason to keep a process alive that has nothing else to do.
    bell?.unref();
  }

  #ring(target: number): void {
    if (target === this.#port.threadIndex) this.#schedule();
    else this.#bells[target]?.postMessage(0);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => this.#cycle());
  }

  #cycle(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    this.#port.unpark();
    this.#port.drain(DRAIN_LIMIT);
    this.#port.flush();
    if (!this.#port.tryPark()) this.#schedule();
  }

  async #answer(json: string, source: number): Promise<void> {
    const generation = this.#generations[source];
    const reply = encoder.encode(await this.#handleRequest(json));
    if (this.#isClosed || generation !== this.#generations[source]) return;
    this.#port.enqueue(source, RecordType.CPU_REPLY, reply, 0, reply.length);
    this.#schedule();
  }
}
