/**
 * Log lines about connections that anybody on the network can cause, limited to one per event and
 * second: a scan of the port must not fill the disk. The next line says how many were left out.
 * Thread: worker.
 */

export type LogLevel = "info" | "warn" | "error";

/** `event` is a stable name; `fields` are plain values. */
export type LogCallback = (
  level: LogLevel,
  event: string,
  fields: Readonly<Record<string, string | number | null>>,
) => void;

const INTERVAL_MS = 1000;

interface Repeats {
  lastMs: number;
  suppressed: number;
}

export class LimitedLog {
  readonly #log: LogCallback;
  readonly #nowMs: () => number;
  readonly #events = new Map<string, Repeats>();

  constructor(log: LogCallback, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /**
   * Warns about a peer, unless the same event was logged within the last second. `event` must be a
   * constant.
   */
  warn(event: string, fields: Readonly<Record<string, string | number | null>>): void {
    const nowMs = this.#nowMs();
    let repeats = this.#events.get(event);
    if (repeats === undefined) {
      repeats = { lastMs: Number.NEGATIVE_INFINITY, suppressed: 0 };
      this.#events.set(event, repeats);
    }
    if (nowMs - repeats.lastMs < INTERVAL_MS) {
      repeats.suppressed += 1;
      return;
    }
    this.#log("warn", event, { ...fields, suppressed: repeats.suppressed });
    repeats.lastMs = nowMs;
    repeats.suppressed = 0;
  }
}
