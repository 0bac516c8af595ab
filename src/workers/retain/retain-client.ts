/**
 * The retain service for the publishes and subscriptions of this worker: commands out, answers in.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import {
  type RetainReplyHandler,
  readRetainReply,
  writeScanCancel,
  writeScanNext,
  writeScanOpen,
  writeStore,
} from "../../shared/retain/retain-command.ts";
import { retainPartition } from "../../shared/retain/retain-partition.ts";
import type { RetainedBatch } from "../../shared/retain/retained-batch.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { PendingRequests } from "../pending-requests.ts";
import { nextRequest } from "../request-number.ts";
import { type RetainClient, RetainForm, type RetainScan, RetainStatus } from "./retain-api.ts";
import { RingRetainScan, type ScanRequester } from "./ring-retain-scan.ts";

interface Storing {
  readonly owner: number;
  readonly done: (status: RetainStatus) => void;
}

const encoder = new TextEncoder();

export class RingRetainClient implements RetainClient, RetainReplyHandler, ScanRequester {
  readonly #endpoint: RingEndpoint;
  readonly #workerCount: number;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  readonly #storing = new PendingRequests<Storing>();
  readonly #scans = new Map<number, RingRetainScan>();
  #lastScanId = 0;

  constructor(endpoint: RingEndpoint) {
    this.#endpoint = endpoint;
    this.#workerCount = endpoint.threadCount - 1;
    endpoint.setHandler(RecordType.RETAIN_REPLY, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      readRetainReply(this.#reader, this);
      this.#reader.release();
    });
  }

  store(message: Message, done: ((status: RetainStatus) => void) | null): void {
    const owner = retainPartition(message.tenantId, message.topic, this.#workerCount);
    const request = done === null ? 0 : this.#storing.add({ owner, done });
    writeStore(this.#writer, request, message);
    this.#send(owner);
  }

  scan(
    tenantId: string,
    filter: string,
    limit: number,
    form: RetainForm = RetainForm.MESSAGES,
  ): RetainScan {
    this.#lastScanId = nextRequest(this.#lastScanId, this.#scans);
    const isOneTopic = !filter.includes("+") && !filter.includes("#");
    const home = retainPartition(tenantId, encoder.encode(filter), this.#workerCount);
    const firstThread = isOneTopic ? home : 1;
    const lastThread = isOneTopic ? home : this.#workerCount;
    const scanId = this.#lastScanId;
    const plan = { scanId, tenantId, filter, limit, form, firstThread, lastThread };
    const scan = new RingRetainScan(plan, this);
    this.#scans.set(plan.scanId, scan);
    return scan;
  }

  /** `thread` died with its partition, and its rings are replaced. */
  peerLost(thread: number): void {
    for (const { done } of this.#storing.takeOwner(thread)) done(RetainStatus.UNAVAILABLE);
    for (const scan of [...this.#scans.values()]) scan.peerLost(thread);
  }

  handleStored(request: number, status: RetainStatus): void {
    this.#storing.take(request)?.done(status);
  }

  handleBatch(scanId: number, batch: RetainedBatch, isEnd: boolean): void {
    // Unknown: cancelled while the batch was under way.
    this.#scans.get(scanId)?.handleBatch(batch, isEnd);
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

  #send(owner: number): void {
    const { bytes, size } = this.#writer;
    this.#endpoint.enqueue(owner, RecordType.RETAIN_COMMAND, bytes, 0, size);
    this.#writer.clear();
  }
}
