/**
 * The retain service for the publishes and subscriptions of this worker: stores go through the log
 * of the topic's range, scans straight to the workers that hold ranges.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { messageContentBytes, messageInRecord } from "../../shared/mqtt/message-codec.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { QuotaLedger } from "../../shared/quota/quota-ledger.ts";
import { gapsBetween } from "../../shared/range/range-gaps.ts";
import { RefusalReason } from "../../shared/range/refusal-reason.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import {
  type RetainReplyHandler,
  readRetainReplies,
  writeOwn,
  writeScanCancel,
  writeScanNext,
  writeScanOpen,
} from "../../shared/retain/retain-command.ts";
import { retainRangeKey } from "../../shared/retain/retain-key.ts";
import {
  NOTHING_MORE,
  readRetainLog,
  UNCAPPED,
  writeRetainExpire,
  writeRetainStore,
} from "../../shared/retain/retain-log-command.ts";
import type { RetainLimits } from "../../shared/retain/retain-types.ts";
import type { RetainedBatch } from "../../shared/retain/retained-batch.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { PendingRequests } from "../pending-requests.ts";
import type { CommandOwner, RangeClient } from "../ranges/range-client-api.ts";
import { nextRequest } from "../request-number.ts";
import { type RetainClient, RetainForm, type RetainScan, RetainStatus } from "./retain-api.ts";
import { isCapped, RetainReservation } from "./retain-reservation.ts";
import { RingRetainScan, type ScanPlan, type ScanRequester } from "./ring-retain-scan.ts";
import { FULL_DISK_WAIT_MS } from "./waiting-scans.ts";

const encoder = new TextEncoder();

type Reach = Pick<ScanPlan, "threads" | "isWhole">;

interface Storing {
  /** Worker of the range when it was asked. */
  readonly owner: number;
  /** Null: nobody waits. */
  readonly done: ((status: RetainStatus) => void) | null;
  /** Null: its tenant has no cap, or it adds nothing. */
  readonly reservation: RetainReservation | null;
}

export interface RetainClientOptions {
  readonly endpoint: RingEndpoint;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  readonly ranges: RangeClient;
  readonly settings: (tenantId: string) => RetainLimits;
  readonly quotas: QuotaLedger;
  readonly nowMs: () => number;
}

/** A scan that waits for what this worker has stored before. */
interface WaitingScan {
  readonly sinceMs: number;
  readonly ready: () => void;
}

export class RingRetainClient implements RetainClient, RetainReplyHandler, ScanRequester {
  readonly #options: RetainClientOptions;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  /** Stores under way. */
  readonly #storing = new PendingRequests<Storing>();
  readonly #scans = new Map<number, RingRetainScan>();
  readonly #waiting = new Set<WaitingScan>();
  #lastScanId = 0;
  /** Every topic has a range that is not damaged. */
  #areAllServed = true;

  constructor(options: RetainClientOptions) {
    this.#options = options;
    const { endpoint, ranges } = options;
    ranges.register(ServiceId.RETAIN, this.#commandOwner());
    ranges.onDirectory(() => this.#learnRanges());
    endpoint.setHandler(RecordType.RETAIN_REPLY, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      readRetainReplies(this.#reader, this);
      this.#reader.release();
    });
  }

  store(message: Message, done: ((status: RetainStatus) => void) | null): void {
    if (message.publisherId === "") {
      this.#storeOwn(message);
      done?.(RetainStatus.OK);
      return;
    }
    const { counters, ranges } = this.#options;
    const key = retainRangeKey(message.tenantId, message.topic);
    const range = ranges.find(ServiceId.RETAIN, key);
    if (range === null) {
      done?.(RetainStatus.UNAVAILABLE);
    } else if (ranges.isDiskFull && message.payload.length > 0) {
      counters[Counter.DROPPED_DISK_FULL]! += 1;
      done?.(RetainStatus.NO_ROOM);
    } else {
      const reservation = this.#reserve(message);
      const owner = ranges.threadOf(range);
      const isAnswered = done !== null || reservation !== null;
      const request = isAnswered ? this.#storing.add({ owner, done, reservation }) : 0;
      const plain = message.payload.length > 0 ? UNCAPPED : NOTHING_MORE;
      const allowance = reservation?.allowance ?? plain;
      writeRetainStore(ranges.writer(ServiceId.RETAIN, key), request, allowance, message);
    }
  }

  scan(
    tenantId: string,
    filter: string,
    limit: number,
    form: RetainForm = RetainForm.MESSAGES,
  ): RetainScan {
    this.#lastScanId = nextRequest(this.#lastScanId, this.#scans);
    const isOneTopic = !filter.includes("+") && !filter.includes("#");
    const reach = isOneTopic ? this.#reachOf(tenantId, filter) : this.#reachOfAll();
    const plan = { scanId: this.#lastScanId, tenantId, filter, limit, form, ...reach };
    const scan = new RingRetainScan(plan, this);
    this.#scans.set(plan.scanId, scan);
    return scan;
  }

  /** `thread` died, and its rings are replaced. */
  peerLost(thread: number): void {
    // Stored or not, an answer may have been lost with it.
    for (const storing of this.#storing.takeOwner(thread)) {
      conclude(storing, RetainStatus.UNAVAILABLE);
    }
    for (const scan of [...this.#scans.values()]) scan.peerLost(thread);
  }

  handleStored(request: number, status: RetainStatus): void {
    // Unknown: given up as lost, and applied all the same.
    const storing = this.#storing.take(request);
    if (storing !== null) conclude(storing, status);
  }

  handleBatch(scanId: number, batch: RetainedBatch, isEnd: boolean): void {
    // Unknown: cancelled while the batch was under way.
    this.#scans.get(scanId)?.handleBatch(batch, isEnd);
  }

  whenStored(ready: () => void): void {
    const waiting = { sinceMs: this.#options.nowMs(), ready };
    this.#waiting.add(waiting);
    this.#options.ranges.whenSettled(ServiceId.RETAIN, () => this.#begin(waiting));
  }

  /** End of a duty cycle: on a full disk no scan waits for ever (waiting-scans.ts). */
  flush(): void {
    if (this.#waiting.size === 0 || !this.#options.ranges.isDiskFull) return;
    const giveUpMs = this.#options.nowMs() - FULL_DISK_WAIT_MS;
    for (const waiting of this.#waiting) if (waiting.sinceMs <= giveUpMs) this.#begin(waiting);
  }

  open(scan: RingRetainScan, thread: number, maxMessages: number): void {
    const { scanId, tenantId, filter, form } = scan.plan;
    writeScanOpen(this.#writer, { scanId, maxMessages, form, tenantId, filter });
    this.#send(thread);
  }

  more(scan: RingRetainScan, thread: number, maxMessages: number): void {
    writeScanNext(this.#writer, scan.plan.scanId, maxMessages, scan.plan.form);
    this.#send(thread);
  }

  forget(scan: RingRetainScan, thread: number, isOpenThere: boolean): void {
    this.#scans.delete(scan.plan.scanId);
    if (!isOpenThere) return;
    writeScanCancel(this.#writer, scan.plan.scanId);
    this.#send(thread);
  }

  #commandOwner(): CommandOwner {
    const writerFor = (tenantId: string, topic: Uint8Array) =>
      this.#options.ranges.writer(ServiceId.RETAIN, retainRangeKey(tenantId, topic));
    return {
      reroute: (commands) => {
        readRetainLog(commands, {
          storeMessage: (request, allowance, record, origin) => {
            const message = messageInRecord(record);
            message.origin = origin;
            const writer = writerFor(message.tenantId, message.topic);
            writeRetainStore(writer, request, allowance, message);
          },
          expire: (tenantId, topic, atMs) => {
            writeRetainExpire(writerFor(tenantId, topic), tenantId, topic, atMs);
          },
        });
      },
      refused: (commands, reason) => {
        const status =
          reason === RefusalReason.TOO_LARGE ? RetainStatus.QUOTA : RetainStatus.UNAVAILABLE;
        readRetainLog(commands, {
          storeMessage: (request) => this.handleStored(request, status),
          // The service asks again by itself.
          expire: () => {},
        });
      },
    };
  }

  #begin(waiting: WaitingScan): void {
    if (this.#waiting.delete(waiting)) waiting.ready();
  }

  #storeOwn(message: Message): void {
    const key = retainRangeKey(message.tenantId, message.topic);
    const owner = this.#options.ranges.ownerThread(ServiceId.RETAIN, key);
    if (owner === 0) return;
    writeOwn(this.#writer, message);
    this.#send(owner);
  }

  /** Null: nothing of it is counted. */
  #reserve(message: Message): RetainReservation | null {
    const limits = this.#options.settings(message.tenantId);
    if (message.payload.length === 0 || !isCapped(limits)) return null;
    const account = this.#options.quotas.account(message.tenantId);
    return new RetainReservation(account, limits, messageContentBytes(message));
  }

  #reachOf(tenantId: string, topic: string): Reach {
    const { ranges } = this.#options;
    const range = ranges.find(ServiceId.RETAIN, retainRangeKey(tenantId, encoder.encode(topic)));
    const thread = range === null ? 0 : ranges.threadOf(range);
    if (range === null || thread === 0) return { threads: [], isWhole: false };
    return { threads: [thread], isWhole: !ranges.isSetAside(range) };
  }

  /** Workers that have ranges, each once. */
  #reachOfAll(): Reach {
    const { ranges } = this.#options;
    const threads = new Set(
      ranges.rangesOf(ServiceId.RETAIN).map((range) => ranges.threadOf(range)),
    );
    return { threads: [...threads].filter((thread) => thread !== 0), isWhole: this.#areAllServed };
  }

  #learnRanges(): void {
    const { ranges } = this.#options;
    const served = ranges.rangesOf(ServiceId.RETAIN).filter((range) => !ranges.isSetAside(range));
    this.#areAllServed = gapsBetween(ServiceId.RETAIN, served).length === 0;
  }

  #send(owner: number): void {
    const { bytes, size } = this.#writer;
    this.#options.endpoint.enqueue(owner, RecordType.RETAIN_COMMAND, bytes, 0, size);
    this.#writer.clear();
  }
}

function conclude({ done, reservation }: Storing, status: RetainStatus): void {
  reservation?.release();
  done?.(status);
}
