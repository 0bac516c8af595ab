/**
 * Flushes connections at the end of a duty cycle, and holds those back that are above
 * OutBoundBandWidth. Thread: worker. Scope: one per worker.
 */

import type { Transport } from "../mqtt/transport.ts";
import { hasWaiting, pumpQueue } from "./deliver.ts";
import { countOutput } from "./output-budget.ts";
import { chargeOutput } from "./rate-limits.ts";
import { Session } from "./session.ts";

export class OutputFlush {
  /** Connections in bandwidth debt: their output grows until the debt is paid. */
  readonly #held = new Set<Transport>();
  readonly #later: (delayMs: number, act: () => void) => void;

  /** `later` calls `act` once, in its own event, after `delayMs`. */
  constructor(later: (delayMs: number, act: () => void) => void) {
    this.#later = later;
  }

  flush(transport: Transport): void {
    if (this.#held.has(transport)) return;
    const session = transport.handler instanceof Session ? transport.handler : null;
    const waitMs = session === null ? 0 : chargeOutput(session, transport.output.size);
    transport.flush();
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
