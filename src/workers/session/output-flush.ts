/**
 * Flushes connections at the end of a duty cycle, many with one system call where the kernel allows
 * it, and holds those back that are above OutBoundBandWidth. Thread: worker. Scope: one per worker.
 */

import { BATCH_SIZE_MIN, type SendBatch } from "../mqtt/send-batch.ts";
import type { Transport } from "../mqtt/transport.ts";
import { hasWaiting, pumpQueue } from "./deliver.ts";
import { countOutput } from "./output-budget.ts";
import { chargeOutput } from "./rate-limits.ts";
import { Session } from "./session.ts";

export class OutputFlush {
  /** Connections in bandwidth debt: their output grows until the debt is paid. */
  readonly #held = new Set<Transport>();
  readonly #later: (delayMs: number, act: () => void) => void;
  readonly #batch: SendBatch | null;
  /** In the order of the batch; empty between two calls. */
  readonly #gathered: (Transport | null)[] = [];
  /** Milliseconds for which each of them is held afterwards. */
  readonly #waits: Float64Array;

  /**
   * `later` calls `act` once, in its own event, after `delayMs`. Without `batch` every connection
   * sends for itself.
   */
  constructor(later: (delayMs: number, act: () => void) => void, batch: SendBatch | null) {
    this.#later = later;
    this.#batch = batch;
    this.#waits = new Float64Array(batch?.capacity ?? 0);
  }

  /** Many connections leave with one system call. */
  get isBatched(): boolean {
    return this.#batch !== null;
  }

  flush(transport: Transport): void {
    if (this.#held.has(transport)) return;
    const session = sessionOf(transport);
    const waitMs = session === null ? 0 : chargeOutput(session, transport.output.size);
    transport.flush();
    this.#finish(transport, waitMs);
  }

  /** Flushes transports[0, count) and empties their slots. */
  flushAll(transports: (Transport | null)[], count: number): void {
    const batch = this.#batch;
    for (let index = 0; index < count; index += 1) {
      const transport = transports[index]!;
      transports[index] = null;
      if (batch === null || count < BATCH_SIZE_MIN) this.flush(transport);
      else this.#gather(transport, batch);
    }
    if (batch !== null) this.#submit(batch);
  }

  /** From now on every connection sends for itself. */
  close(): void {
    this.#batch?.close();
  }

  #gather(transport: Transport, batch: SendBatch): void {
    if (this.#held.has(transport)) return;
    if (!batch.hasRoom) this.#submit(batch);
    if (!batch.hasRoom) {
      this.flush(transport);
      return;
    }
    const session = sessionOf(transport);
    const waitMs = session === null ? 0 : chargeOutput(session, transport.output.size);
    const index = batch.count;
    if (transport.gather(batch)) {
      this.#gathered[index] = transport;
      this.#waits[index] = waitMs;
    } else {
      this.#finish(transport, waitMs);
    }
  }

  #submit(batch: SendBatch): void {
    const count = batch.count;
    if (count === 0) return;
    batch.submit();
    for (let index = 0; index < count; index += 1) {
      const transport = this.#gathered[index]!;
      this.#gathered[index] = null;
      transport.settle(batch.taken(index));
      this.#finish(transport, this.#waits[index]!);
    }
  }

  /** Behind the flush of one connection; calls no handler, so others may still be in the batch. */
  #finish(transport: Transport, waitMs: number): void {
    const session = sessionOf(transport);
    if (session !== null) {
      countOutput(session, false);
      // What waits for room may go on in the next cycle; a transport that is stuck says so itself,
      // by handleDrain.
      if (transport.bufferedBytes === 0 && hasWaiting(session))
        this.#later(0, () => pumpQueue(session));
    }
    if (waitMs === 0) return;
    this.#held.add(transport);
    this.#later(waitMs, () => {
      this.#held.delete(transport);
      if (transport.output.size > 0) this.flush(transport);
      if (session !== null) session.handleDrain();
    });
  }
}

function sessionOf(transport: Transport): Session | null {
  return transport.handler instanceof Session ? transport.handler : null;
}
