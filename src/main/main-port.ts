/**
 * Main's end of the ring mesh: an endpoint for whatever main does with workers, and the turns in
 * which it does it.
 *
 * Main has no duty cycle of its own: a bell, an answer or a tick makes it run a turn and sleep
 * again. A turn is: drain the rings, let everybody act on what came in (`addTurn`), send, ring.
 * Thread: main. Scope: one per process.
 */

import type { MessagePort } from "node:worker_threads";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";
import { RingPort } from "../shared/ring/ring-port.ts";
import type { MeshEndpoint, PeerReplacement } from "./ring-mesh.ts";

/** Records per source and turn: main shares its event loop with the admin server. */
const DRAIN_LIMIT = 256;

export class MainPort {
  readonly #port: RingPort;
  readonly #bells: (MessagePort | null)[];
  readonly #turns: (() => void)[] = [];
  #isScheduled = false;
  #isClosed = false;

  constructor(endpoint: MeshEndpoint) {
    this.#bells = [...endpoint.bells];
    this.#port = new RingPort({
      threadIndex: 0,
      inbound: endpoint.inbound,
      outbound: endpoint.outbound,
      ringBell: (target) => this.#ring(target),
    });
    for (const bell of this.#bells) this.#listen(bell);
    this.schedule();
  }

  /** After sending outside of a turn: `schedule`. */
  get endpoint(): RingEndpoint {
    return this.#port;
  }

  /** `act` runs in each turn, between draining and sending. */
  addTurn(act: () => void): void {
    this.#turns.push(act);
  }

  /** Makes sure that a turn follows. */
  schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => this.#run());
  }

  /** A worker was restarted: fresh rings and bell. */
  replacePeer(replacement: PeerReplacement): void {
    const { peer } = replacement;
    this.#bells[peer]?.close();
    this.#bells[peer] = replacement.bell;
    this.#listen(replacement.bell);
    this.#port.replacePeer(peer, replacement.inbound, replacement.outbound);
    this.schedule();
  }

  close(): void {
    this.#isClosed = true;
    for (const bell of this.#bells) bell?.close();
  }

  #listen(bell: MessagePort | null): void {
    bell?.on("message", () => this.schedule());
    // Waiting for workers is no reason to keep a process alive that has nothing else to do.
    bell?.unref();
  }

  #ring(target: number): void {
    if (target === this.#port.threadIndex) this.schedule();
    else this.#bells[target]?.postMessage(0);
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    this.#port.unpark();
    this.#port.drain(DRAIN_LIMIT);
    for (const act of this.#turns) act();
    this.#port.flush();
    if (!this.#port.tryPark()) this.schedule();
  }
}
