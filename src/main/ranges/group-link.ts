/**
 * Main's records to the workers that store ranges. Appends go straight into ring memory: their
 * payloads are copied once, from where they were proposed. Thread: main. Scope: one per process.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import {
  type AppendRecord,
  appendRecordBytes,
  type LogRequest,
  putAppendRecord,
  writeLogRequest,
} from "../../shared/range/raft-record.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { RING_FULL, type RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { GroupLink } from "./range-group.ts";

export class RingGroupLink implements GroupLink {
  readonly #endpoint: RingEndpoint;
  readonly #writer = new RecordWriter();
  /** [thread]: RAFT_APPLY of this turn. */
  readonly #applies: RecordWriter[];

  constructor(endpoint: RingEndpoint) {
    this.#endpoint = endpoint;
    this.#applies = Array.from({ length: endpoint.threadCount }, () => new RecordWriter(64));
  }

  append(thread: number, append: AppendRecord): void {
    const endpoint = this.#endpoint;
    const bytes = appendRecordBytes(append);
    if (bytes <= endpoint.maxClaimSize) {
      const offset = endpoint.tryClaim(thread, RecordType.RAFT_APPEND, bytes);
      if (offset !== RING_FULL) {
        putAppendRecord(endpoint.claimBytes, offset, append);
        endpoint.commit();
        return;
      }
    }
    const record = new Uint8Array(bytes);
    putAppendRecord(record, 0, append);
    endpoint.enqueue(thread, RecordType.RAFT_APPEND, record, 0, bytes);
  }

  apply(thread: number, range: RangeId, index: number): void {
    const writer = this.#applies[thread]!;
    writer.u32(range);
    writer.u64(index);
  }

  readLog(thread: number, request: LogRequest): void {
    const writer = this.#writer;
    writeLogRequest(writer, request);
    this.#endpoint.enqueue(thread, RecordType.READ_LOG, writer.bytes, 0, writer.size);
    writer.clear();
  }

  /** End of a turn. */
  flush(): void {
    for (let thread = 1; thread < this.#applies.length; thread++) {
      const writer = this.#applies[thread]!;
      if (writer.size === 0) continue;
      this.#endpoint.enqueue(thread, RecordType.RAFT_APPLY, writer.bytes, 0, writer.size);
      writer.clear();
    }
  }

  /** The worker died: what waits was for it. */
  drop(thread: number): void {
    this.#applies[thread]?.clear();
  }
}
