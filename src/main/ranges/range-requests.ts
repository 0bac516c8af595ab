/**
 * Main's questions to the workers of ranges, and their answers (range-admin.ts). Cold. Thread:
 * main. Scope: one per process.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import {
  AdminKind,
  type AdminReply,
  type AdminRequest,
  plainReply,
  readAdminReply,
  writeAdminRequest,
} from "../../shared/range/range-admin.ts";
import {
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";

interface Waiting {
  readonly thread: number;
  readonly resolve: (reply: AdminReply) => void;
}

export class RangeRequests {
  readonly #endpoint: RingEndpoint;
  readonly #schedule: () => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #writer = new RecordWriter();
  #lastRequest = 0;

  /** `schedule` makes sure that a turn follows. */
  constructor(endpoint: RingEndpoint, schedule: () => void) {
    this.#endpoint = endpoint;
    this.#schedule = schedule;
    endpoint.setHandler(RecordType.RANGE_ADMIN_REPLY, (bytes, offset, length) => {
      const reply = readAdminReply(new WireReader(bytes, offset, offset + length));
      const waiting = this.#waiting.get(reply.request);
      this.#waiting.delete(reply.request);
      waiting?.resolve(reply);
    });
  }

  /** Resolves with whether it was made: durable, and reported. */
  async create(thread: number, descriptor: RangeDescriptor): Promise<boolean> {
    const request = this.#nextRequest();
    const reply = await this.#ask(thread, { request, kind: AdminKind.CREATE, descriptor });
    return reply.isDone;
  }

  /**
   * Resolves with where to cut the range, `key` or, with null, the middle, when its worker is ready
   * for that; with null when it cannot be cut.
   */
  async planSplit(
    thread: number,
    range: RangeId,
    key: Uint8Array | null,
  ): Promise<Uint8Array | null> {
    const request = this.#nextRequest();
    const reply = await this.#ask(thread, { request, kind: AdminKind.PLAN_SPLIT, range, key });
    return reply.isDone ? reply.key : null;
  }

  /** Resolves when everything that was applied is out of the log; false: there is no such range. */
  async compact(thread: number, range: RangeId): Promise<boolean> {
    const request = this.#nextRequest();
    const reply = await this.#ask(thread, { request, kind: AdminKind.COMPACT, range });
    return reply.isDone;
  }

  /**
   * Makes place for a new range instead of a damaged one; resolves with the file that has what was
   * in it, or why it was not done, and with the number from which on its identifiers are.
   */
  async reset(
    thread: number,
    descriptor: RangeDescriptor,
  ): Promise<Pick<AdminReply, "isDone" | "text" | "number">> {
    const request = this.#nextRequest();
    return await this.#ask(thread, { request, kind: AdminKind.RESET, descriptor });
  }

  /** After `reset`; resolves with whether it was made: durable, and reported. */
  async renew(thread: number, descriptor: RangeDescriptor): Promise<boolean> {
    const request = this.#nextRequest();
    const reply = await this.#ask(thread, { request, kind: AdminKind.RENEW, descriptor });
    return reply.isDone;
  }

  /**
   * Puts an empty store in the place of a damaged one; resolves with where its files are now, or
   * why it was not done, and with the number from which on its identifiers are.
   */
  async resetStore(
    thread: number,
    store: number,
    storeCount: number,
  ): Promise<Pick<AdminReply, "isDone" | "text" | "number">> {
    const request = this.#nextRequest();
    return await this.#ask(thread, { request, kind: AdminKind.RESET_STORE, store, storeCount });
  }

  /** Resolves when a range that was made anew counts as whole, also after a restart. */
  async keep(thread: number, range: RangeId): Promise<boolean> {
    const request = this.#nextRequest();
    const reply = await this.#ask(thread, { request, kind: AdminKind.KEEP, range });
    return reply.isDone;
  }

  /** Resolves when all routes of the sessions on `thread` are there; false: some are not. */
  async tellRoutes(thread: number): Promise<boolean> {
    const request = this.#nextRequest();
    const kind = AdminKind.TELL_ROUTES;
    const reply = await this.#ask(thread, { request, kind, range: NO_RANGE });
    return reply.isDone;
  }

  /**
   * Resolves when no route of `sessions` with an incarnation `below` is left in ranges of `thread`.
   */
  async dropRoutes(thread: number, sessions: RangeDescriptor, below: number): Promise<boolean> {
    const request = this.#nextRequest();
    const kind = AdminKind.DROP_ROUTES;
    const reply = await this.#ask(thread, { request, kind, descriptor: sessions, below });
    return reply.isDone;
  }

  /** What the dead worker was asked remains undone. */
  workerLost(thread: number): void {
    for (const [request, waiting] of this.#waiting) {
      if (waiting.thread !== thread) continue;
      this.#waiting.delete(request);
      waiting.resolve(plainReply(request, false));
    }
  }

  #nextRequest(): number {
    // Wraps after four billion: nothing waits that long.
    this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    return this.#lastRequest;
  }

  #ask(thread: number, request: AdminRequest): Promise<AdminReply> {
    return new Promise((resolve) => {
      this.#waiting.set(request.request, { thread, resolve });
      const writer = this.#writer;
      writeAdminRequest(writer, request);
      this.#endpoint.enqueue(thread, RecordType.RANGE_ADMIN, writer.bytes, 0, writer.size);
      writer.clear();
      this.#schedule();
    });
  }
}
