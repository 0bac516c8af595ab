/**
 * Shutdown: every client is told to go [MQTT5 §4.11], at a bounded rate so that they do not all
 * arrive elsewhere at once, and its connection is flushed and closed. Thread: worker.
 */

import type { SessionContext } from "./session-context.ts";
import { PauseReason } from "./session-state.ts";

const STEP_MS = 20;
/** How long the last connections may take to flush; the supervisor has a limit of its own. */
const FLUSH_TIMEOUT_MS = 2000;

/**
 * Reads no more packets: what is accepted by now can be delivered, what comes later belongs to
 * another server.
 */
export function stopReading(context: SessionContext): void {
  for (const session of context.registry.all()) session.pause(PauseReason.DRAIN);
}

/** Resolves when all connections of this worker are closed, or have had their time. */
export async function disconnectAll(
  context: SessionContext,
  reasonCode: number,
  workerCount: number,
): Promise<void> {
  const perSecond = Math.max(1, context.config.shutdown.disconnectsPerSecond / workerCount);
  const perStep = Math.max(1, Math.ceil((perSecond * STEP_MS) / 1000));
  const sessions = context.registry.all();
  for (let start = 0; start < sessions.length; start += perStep) {
    context.wake();
    for (const session of sessions.slice(start, start + perStep)) {
      session.close(reasonCode, "the server shuts down");
    }
    if (start + perStep < sessions.length) await pause(STEP_MS);
  }
  const deadlineMs = performance.now() + FLUSH_TIMEOUT_MS;
  while (context.registry.connectionCount > 0 && performance.now() < deadlineMs) {
    await pause(STEP_MS);
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
