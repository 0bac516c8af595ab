/**
 * A worker's way to the CPU pool: requests travel to main as records and come back as records, in
 * any order. Bounded in number and time, so that neither a login flood nor a stuck pool can pile up
 * connections waiting here. Thread: worker. Scope: one per worker.
 */

import { PatientTimer } from "../../platform/patient-timer.ts";
import {
  type CpuReply,
  type CpuRequest,
  type CpuTask,
  parseCpuReply,
} from "../../shared/protocol/cpu-message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";

/**
 * "busy": too many checks run or wait. "unavailable": no answer in time, or the check itself
 * failed.
 */
export type PasswordVerdict = "match" | "mismatch" | "busy" | "unavailable";

/** Checks a password against a stored form; never rejects. */
export type PasswordVerifier = (hash: string, password: Uint8Array) => Promise<PasswordVerdict>;

export interface CpuClientOptions {
  /** Requests of this worker without an answer; the pool bounds those of the whole process. */
  readonly maxOutstanding: number;
  readonly timeoutMs: number;
  /**
   * Called after a request was queued: the caller may be outside a duty cycle, so somebody must
   * flush the ring.
   */
  readonly requestFlush: () => void;
}

const MAIN_THREAD = 0;

interface Outstanding {
  readonly resolve: (reply: CpuReply) => void;
  readonly timer: PatientTimer;
}

export class CpuClient {
  readonly #ring: RingEndpoint;
  readonly #options: CpuClientOptions;
  readonly #outstanding = new Map<number, Outstanding>();
  #lastId = 0;

  constructor(ring: RingEndpoint, options: CpuClientOptions) {
    this.#ring = ring;
    this.#options = options;
    ring.setHandler(RecordType.CPU_REPLY, (bytes, offset, length) => {
      // A copy, because the ring's memory is shared and borrowed.
      const json = Buffer.from(bytes.subarray(offset, offset + length)).toString("utf8");
      const reply = parseCpuReply(json);
      if (reply !== null) this.#settle(reply);
    });
  }

  get outstandingCount(): number {
    return this.#outstanding.size;
  }

  /** Never rejects; a late or lost answer is "failed". */
  request(task: CpuTask): Promise<CpuReply> {
    const id = ++this.#lastId;
    if (this.#outstanding.size >= this.#options.maxOutstanding) {
      return Promise.resolve({ id, status: "busy" });
    }
    const request: CpuRequest = { id, task };
    const bytes = Buffer.from(JSON.stringify(request));
    this.#ring.enqueue(MAIN_THREAD, RecordType.CPU_REQUEST, bytes, 0, bytes.length);
    this.#options.requestFlush();
    return new Promise((resolve) => {
      const timer = new PatientTimer(() => {
        this.#settle({ id, status: "failed", error: "no answer in time" });
      }, this.#options.timeoutMs);
      this.#outstanding.set(id, { resolve, timer });
    });
  }

  /** A PasswordVerifier; bound, so that it can be passed on as it is. */
  readonly verifyPassword: PasswordVerifier = async (hash, password) => {
    const encoded = Buffer.from(password).toString("base64");
    const reply = await this.request({ kind: "verify_password", hash, password: encoded });
    switch (reply.status) {
      case "ok":
        return reply.matches ? "match" : "mismatch";
      case "busy":
        return "busy";
      case "failed":
        return "unavailable";
    }
  };

  /** Answers everything outstanding with "failed". */
  close(): void {
    for (const id of [...this.#outstanding.keys()]) {
      this.#settle({ id, status: "failed", error: "the worker ends" });
    }
  }

  /** An answer to nobody is one that came after its time limit. */
  #settle(reply: CpuReply): void {
    const outstanding = this.#outstanding.get(reply.id);
    if (outstanding === undefined) return;
    this.#outstanding.delete(reply.id);
    outstanding.timer.cancel();
    outstanding.resolve(reply);
  }
}
