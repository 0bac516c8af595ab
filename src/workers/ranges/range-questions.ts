/**
 * What main asks the worker of a range outside of its log: old entries, a new range, where to cut,
 * to compact. All cold. Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { ConfState } from "../../shared/raft/conf-state.ts";
import type { KeyValue } from "../../shared/range/key-value.ts";
import { readLogRequest, writeEntries } from "../../shared/range/raft-record.ts";
import {
  AdminKind,
  type AdminReply,
  type AdminRequest,
  plainReply,
  readAdminRequest,
  writeAdminReply,
} from "../../shared/range/range-admin.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { RangeReport } from "../../shared/range/range-report.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import { runSteps, type Steps } from "../../shared/range/steps.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { OpenedRange } from "../store/log-store.ts";
import type { HostedRange } from "./hosted-range.ts";
import { openedReport } from "./opened-report.ts";
import { foundingRecord } from "./range-changes.ts";
import type { RangeService } from "./range-host-api.ts";
import { resetRange } from "./range-reset.ts";
import { type RenewStore, resetStore } from "./store-reset.ts";
import type { StoreTurn } from "./store-turn.ts";

const MAIN = 0;
/** A group of this node alone. */
const FIRST_REPLICA = 1;
const FIRST_CONF: ConfState = {
  voters: [FIRST_REPLICA],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** About one range. */
type RangeRequest = Extract<AdminRequest, { readonly range: RangeId }>;

/** Where to cut a range is being looked for. */
interface Plan {
  readonly request: number;
  readonly range: HostedRange;
  readonly steps: Steps<Uint8Array | null>;
}

type ResetStore = AdminRequest & { readonly kind: typeof AdminKind.RESET_STORE };
type DropRoutes = AdminRequest & { readonly kind: typeof AdminKind.DROP_ROUTES };

export interface RangeQuestionsOptions {
  readonly endpoint: RingEndpoint;
  readonly ranges: ReadonlyMap<RangeId, HostedRange>;
  readonly turns: ReadonlyMap<number, StoreTurn>;
  readonly open: (
    turn: StoreTurn,
    found: Pick<OpenedRange, "record" | "lastIndex" | "termRuns">,
  ) => void;
  readonly report: (reports: readonly RangeReport[]) => void;
  readonly nowMs: () => number;
  /** Makes sure that a duty cycle follows. */
  readonly wake: () => void;
  readonly service: (service: ServiceId) => RangeService | null;
  readonly renewStore: RenewStore;
  /** Serves what the turn's store holds now, and tells main. */
  readonly openStore: (turn: StoreTurn, gone: readonly RangeId[]) => void;
}

export class RangeQuestions {
  readonly #options: RangeQuestionsOptions;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  /** Requests to compact that are under way, and the ranges that they are for. */
  readonly #compacting = new Map<number, HostedRange>();
  /** Ranges that were made place for, and the rows that they begin with. */
  readonly #cleared = new Map<RangeId, readonly KeyValue[]>();
  /** In the order in which they were asked for. */
  readonly #planning: Plan[] = [];

  constructor(options: RangeQuestionsOptions) {
    this.#options = options;
    options.endpoint.setHandler(RecordType.READ_LOG, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      this.#readLog();
      this.#reader.release();
    });
    options.endpoint.setHandler(RecordType.RANGE_ADMIN, (bytes, offset, length) => {
      const request = readAdminRequest(new WireReader(bytes, offset, offset + length));
      assert(request !== null, "a question of main's is well-formed");
      this.#answer(request);
    });
  }

  /** End of a duty cycle: answers those that had to wait. */
  flush(): void {
    for (const [request, range] of this.#compacting) {
      if (range.trimmed < range.compactTarget && this.#options.ranges.has(range.id)) continue;
      this.#compacting.delete(request);
      this.#reply(plainReply(request, true));
    }
  }

  /** In each duty cycle: goes on with what is counted for splits to come, until `isTimeUp`. */
  plan(isTimeUp: () => boolean): void {
    for (let plan = this.#planning[0]; plan !== undefined; plan = this.#planning[0]) {
      const { request, range, steps } = plan;
      const isThere = this.#options.ranges.get(range.id) === range;
      const ended = isThere ? runSteps(steps, isTimeUp) : { result: null };
      if (ended === null) {
        this.#options.wake();
        return;
      }
      this.#planning.shift();
      const key = ended.result;
      const reply = plainReply(request, key !== null);
      this.#reply(key === null ? reply : { ...reply, key });
    }
  }

  #readLog(): void {
    const { range: id, low, high, maxBytes } = readLogRequest(this.#reader);
    const range = this.#options.ranges.get(id);
    // Taken over by its neighbour; main is about to hear of it, and needs no answer then.
    if (range === undefined) return;
    const writer = this.#writer;
    writer.u32(id);
    writer.u64(low);
    const isThere = low > range.compacted;
    writeEntries(writer, isThere ? range.turn.store.readEntries(id, low, high, maxBytes) : []);
    this.#options.endpoint.enqueue(MAIN, RecordType.READ_LOG_REPLY, writer.bytes, 0, writer.size);
    writer.clear();
  }

  #answer(request: AdminRequest): void {
    const number = request.request;
    if (request.kind === AdminKind.RESET_STORE) {
      this.#resetStore(request);
    } else if ("descriptor" in request) {
      if (request.kind === AdminKind.DROP_ROUTES) this.#dropRoutes(request);
      else if (request.kind === AdminKind.RESET) this.#reset(request.descriptor, number);
      else if (request.kind === AdminKind.RENEW) this.#renew(request.descriptor, number);
      else this.#create(request.descriptor, number);
    } else if (request.kind === AdminKind.TELL_ROUTES) {
      this.#tellRoutes((isWhole) => this.#reply(plainReply(number, isWhole)));
    } else {
      const range = this.#options.ranges.get(request.range);
      if (range === undefined) this.#reply(plainReply(number, false));
      else this.#answerFor(range, request);
    }
  }

  #answerFor(range: HostedRange, asked: RangeRequest): void {
    const { request } = asked;
    if (asked.kind === AdminKind.COMPACT) {
      range.compactTarget = range.applied;
      this.#compacting.set(request, range);
    } else if (asked.kind === AdminKind.PLAN_SPLIT) {
      this.#planning.push({ request, range, steps: range.machine.planSplit(asked.key) });
      this.#options.wake();
    } else if (asked.kind === AdminKind.KEEP) {
      range.turn.store.forgetDamage(range.id);
      this.#reply(plainReply(request, true));
    }
  }

  #tellRoutes(done: (isWhole: boolean) => void): void {
    const inbox = this.#options.service(ServiceId.INBOX);
    if (inbox?.tellRoutes === undefined) done(true);
    else inbox.tellRoutes(done);
  }

  #dropRoutes({ request, descriptor, below }: DropRoutes): void {
    const done = (areGone: boolean) => this.#reply(plainReply(request, areGone));
    const dist = this.#options.service(ServiceId.DIST);
    if (dist?.dropRoutes === undefined) done(true);
    else dist.dropRoutes(descriptor, below, done);
  }

  #reset(descriptor: RangeDescriptor, request: number): void {
    const { turns, ranges, service, wake } = this.#options;
    const turn = turns.get(descriptor.storeId);
    if (turn === undefined || ranges.has(descriptor.id)) {
      this.#reply(plainReply(request, false));
      return;
    }
    const { damage } = turn.store;
    if (damage !== null) {
      const remedy = `reset-store ${turn.storeId} makes all of it anew`;
      const text = `its whole store is damaged (${damage}); ${remedy}`;
      this.#reply({ ...plainReply(request, false), text });
      return;
    }
    const renewal = service(descriptor.service)?.renew?.(descriptor) ?? null;
    resetRange(turn, descriptor, renewal, wake).then(
      (text) => {
        this.#cleared.set(descriptor.id, renewal?.rows() ?? []);
        this.#reply({ ...plainReply(request, true), text, number: renewal?.lowestId ?? 0 });
        wake();
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        this.#reply({ ...plainReply(request, false), text });
        wake();
      },
    );
  }

  /** False: the worker that has made place for it has died since. */
  #renew(descriptor: RangeDescriptor, request: number): void {
    const rows = this.#cleared.get(descriptor.id);
    const turn = this.#options.turns.get(descriptor.storeId);
    this.#cleared.delete(descriptor.id);
    if (rows === undefined || turn === undefined) {
      this.#reply(plainReply(request, false));
      return;
    }
    // With its record, in one commit.
    const writer = turn.store.state(descriptor.service);
    for (const { key, value } of rows) writer.put(key, value);
    this.#create(descriptor, request);
  }

  #resetStore({ request, store: storeId, storeCount }: ResetStore): void {
    const { turns, ranges, service, renewStore, openStore, nowMs, wake } = this.#options;
    const turn = turns.get(storeId);
    if (turn === undefined || [...ranges.values()].some((range) => range.turn === turn)) {
      this.#reply(plainReply(request, false));
      return;
    }
    const origin = { replicaId: FIRST_REPLICA, conf: FIRST_CONF, appliedMs: nowMs() };
    const born = (range: RangeDescriptor) => foundingRecord(range, origin);
    resetStore(turn, { storeCount, service, renewStore, born }).then(
      ({ oldFolder, lowestId, gone }) => {
        openStore(turn, gone);
        this.#reply({ ...plainReply(request, true), text: oldFolder, number: lowestId });
        wake();
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        this.#reply({ ...plainReply(request, false), text });
        wake();
      },
    );
  }

  #create(descriptor: RangeDescriptor, request: number): void {
    const { turns, ranges, nowMs, open, report } = this.#options;
    const turn = turns.get(descriptor.storeId);
    if (turn === undefined || ranges.has(descriptor.id)) {
      this.#reply(plainReply(request, false));
      return;
    }
    const record = foundingRecord(descriptor, {
      replicaId: FIRST_REPLICA,
      conf: FIRST_CONF,
      appliedMs: nowMs(),
    });
    turn.store.putRecord(record);
    turn.whenDurable(() => {
      open(turn, { record, lastIndex: record.compactedIndex, termRuns: [] });
      const range = ranges.get(descriptor.id);
      if (range !== undefined) report([openedReport(range)]);
      this.#reply(plainReply(request, true));
    });
  }

  #reply(reply: AdminReply): void {
    const writer = this.#writer;
    writeAdminReply(writer, reply);
    const { endpoint } = this.#options;
    endpoint.enqueue(MAIN, RecordType.RANGE_ADMIN_REPLY, writer.bytes, 0, writer.size);
    writer.clear();
  }
}
