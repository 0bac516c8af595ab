/**
 * How a service of this worker has commands put through the logs of ranges, its own worker's or
 * others'. range-client.ts implements it; range-host-api.ts is the other end, where they are
 * applied.
 *
 *   writer(service, key).u8(...)       one command, appended to the open batch of the key's range
 *        |  batch leaves at the end of the duty cycle, or when it is full
 *        v
 *   log, durable, applied on the range's worker -> the service's own answers come from there
 *        |
 *        +-- the range was split or merged meanwhile -> `reroute`: the same commands once more
 *        +-- not taken                               -> `refused`: fail the requests
 *
 * Commands with equal keys are applied in the order of their `writer` calls, whatever happens to
 * the ranges in between. A batch is applied as a whole or not at all.
 */

import type { RecordReader } from "../../shared/bytes/record-reader.ts";
import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import type { RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import type { RefusalReason } from "../../shared/range/refusal-reason.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";

/** What a service registers. Both get whole batches of commands, borrowed: read to the end. */
export interface CommandOwner {
  /**
   * The range that these commands were for holds their keys no longer: write each of them once
   * more with `writer`, for its own key, in this order, before returning.
   */
  reroute(commands: RecordReader): void;
  /** They were not taken; their requests must be answered, and nobody else will. */
  refused(commands: RecordReader, reason: RefusalReason): void;
}

export interface RangeClient {
  /** This life of this worker, as in ApplyContext: names attachments together with `thread`. */
  readonly boot: number;
  readonly thread: number;

  /** Once per service, before its first command. */
  register(service: ServiceId, owner: CommandOwner): void;

  /**
   * Where to append one command for `key`: call, write the whole command, done; nothing of it may
   * be kept. A prefix will do for `key` if all ranges are cut at prefixes of that length.
   */
  writer(service: ServiceId, key: Uint8Array): RecordWriter;
  /** The range of `key` by the present directory, to group keys by; null when none holds it. */
  find(service: ServiceId, key: Uint8Array): RangeDescriptor | null;
  /**
   * The worker that has the range of `key`, for records that do not go through the log; 0 when
   * none does.
   */
  ownerThread(service: ServiceId, key: Uint8Array): number;
  /** Every range of the service, in order of keys, with the thread that has it. */
  rangesOf(service: ServiceId): readonly RangeDescriptor[];
  threadOf(range: RangeDescriptor): number;
  /** It is damaged, and nobody serves it. */
  isSetAside(range: RangeDescriptor): boolean;
  /** `listener` is called after the directory has changed: keys may have new owners. */
  onDirectory(listener: () => void): void;

  /** Sends what is gathered for the range of `key`, ahead of the end of the duty cycle. */
  flushKey(service: ServiceId, key: Uint8Array): void;

  /**
   * `done` is called when every command of the service written so far has been applied or refused,
   * or lost with a worker; at once if there is none. For reads that must see one's own writes.
   */
  whenSettled(service: ServiceId, done: () => void): void;

  /**
   * More is proposed than applied: stop reading the sockets that cause it. `onRelief` is called
   * when it turns false. Part of the session's congestion.
   */
  readonly isCongested: boolean;
  /**
   * The disk is nearly full: do not propose what needs more of it (refuse with 0x97). What frees
   * some goes on.
   */
  readonly isDiskFull: boolean;
  /** False: routes of stored sessions are missing; see RangeDirectory. */
  readonly areRoutesWhole: boolean;
}
