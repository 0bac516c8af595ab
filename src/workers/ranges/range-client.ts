/**
 * The proposer's end of ranges (contract: range-client-api.ts): gathers commands per range, sends a
 * batch per range and duty cycle to main, keeps its bytes until it is settled.
 *
 *   gathering --flush--> open --DONE-----> forgotten
 *                         |---REFUSED---> owner.refused
 *                         '---MOVED-----> parked --directory, nothing stale open--> owner.reroute
 *
 * Order across a change of boundaries: from the first sign of it (a batch that moved, or a
 * directory in which a range with unsettled batches has changed) the service is unsettled. Then new
 * commands wait in `held`, until every batch of the old boundaries is settled; what moved is routed
 * again, in order, and then what was held. Commands for one key thus never overtake each other.
 *
 * Flow: replicated command 1/6. Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import {
  EMPTY_DIRECTORY,
  type RangeDirectory,
  readDirectory,
} from "../../shared/range/range-directory.ts";
import {
  ALL_PROPOSALS,
  COMMANDS_AT,
  readProposals,
  readRefusals,
  readRuns,
} from "../../shared/range/range-record.ts";
import { RefusalReason } from "../../shared/range/refusal-reason.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";
import { storeThread } from "../../shared/range/store-placement.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { CommandOwner, RangeClient } from "./range-client-api.ts";
import { BatchPool, type SentBatch } from "./sent-batch.ts";

const MAIN = 0;
/** A batch leaves early above this: it still passes a ring to main of 256 KiB in one record. */
const BATCH_FULL_BYTES = 48 * 1024;
const MIB = 1024 * 1024;
/**
 * Bytes that may be unsettled per worker before its sessions stop reading. All workers together
 * stay below a group's quota of 64 MiB (RaftOptions.maxUncommittedBytes), with a quarter of it left
 * for what sockets deliver before they stop.
 */
const ALL_WORKERS_BYTES = 48 * MIB;
const MAX_WORKER_BYTES = 16 * MIB;

export interface RangeClientOptions {
  readonly endpoint: RingEndpoint;
  readonly boot: number;
  readonly nowMs: () => number;
  /** Bytes that may be unsettled before `isCongested`; left out: this worker's share. */
  readonly unsettledBytes?: number;
  /** Makes sure that a duty cycle follows. */
  readonly requestFlush: () => void;
}

/** What the client knows about one range. */
interface RangeSlot {
  readonly id: RangeId;
  readonly service: ServiceId;
  /** Not sent yet; null when there are no commands. */
  gathering: SentBatch | null;
  /** Sent, oldest first. */
  open: SentBatch[];
  lastProposal: number;
}

/** Waits for all batches up to one. */
interface SettledWaiter {
  upTo: number;
  readonly done: () => void;
}

interface ServiceSlot {
  readonly owner: CommandOwner;
  /** Moved, or never sent, by old boundaries; in order. */
  parked: SentBatch[];
  isUnsettled: boolean;
  /** Commands that came while unsettled. */
  readonly held: RecordWriter;
  /** Commands for keys that no range holds. */
  readonly orphans: RecordWriter;
  /** `upTo` never falls from one to the next. */
  readonly waiters: SettledWaiter[];
}

export class RingRangeClient implements RangeClient {
  readonly boot: number;
  readonly thread: number;
  /** Called when isCongested turns false. */
  onRelief: (() => void) | null = null;
  readonly #options: RangeClientOptions;
  readonly #workerCount: number;
  readonly #limitBytes: number;
  readonly #pool: BatchPool;
  readonly #reader = new RecordReader();
  readonly #records = new RecordReader();
  readonly #slots = new Map<RangeId, RangeSlot>();
  readonly #services: (ServiceSlot | undefined)[] = [];
  readonly #listeners: (() => void)[] = [];
  /** Slots with commands to send. */
  #gathered: RangeSlot[] = [];
  #directory: RangeDirectory = EMPTY_DIRECTORY;
  #isRerouting = false;
  #hasOrphans = false;
  #unsettledBytes = 0;
  #isCongested = false;

  constructor(options: RangeClientOptions) {
    const { endpoint, boot } = options;
    this.#options = options;
    this.boot = boot;
    this.thread = endpoint.threadIndex;
    this.#workerCount = endpoint.threadCount - 1;
    const share = Math.min(MAX_WORKER_BYTES, ALL_WORKERS_BYTES / this.#workerCount);
    this.#limitBytes = options.unsettledBytes ?? share;
    this.#pool = new BatchPool(this);
    endpoint.setHandler(RecordType.RANGE_DIRECTORY, (bytes, offset, length) => {
      const directory = readDirectory(new WireReader(bytes, offset, offset + length));
      assert(directory !== null, "a directory of main's is well-formed");
      this.#useDirectory(directory);
    });
    this.#listen(RecordType.RANGE_DONE, (reader) => {
      readRuns(reader, (range, first, last) => this.#done(range, first, last));
    });
    this.#listen(RecordType.RANGE_MOVED, (reader) => {
      readProposals(reader, (range, proposal) => this.#moved(range, proposal));
    });
    this.#listen(RecordType.RANGE_REFUSED, (reader) => {
      readRefusals(reader, (range, proposal, reason) => this.#refused(range, proposal, reason));
    });
  }

  get directory(): RangeDirectory {
    return this.#directory;
  }

  /** Batches that are sent and not settled, for tests and metrics. */
  get openCount(): number {
    let count = 0;
    for (const { open } of this.#slots.values()) count += open.length;
    return count;
  }

  get isCongested(): boolean {
    return this.#isCongested;
  }

  get isDiskFull(): boolean {
    return this.#directory.isDiskFull;
  }

  get areRoutesWhole(): boolean {
    return this.#directory.areRoutesWhole;
  }

  isSetAside(range: RangeDescriptor): boolean {
    return this.#directory.isDamaged(range.id);
  }

  register(service: ServiceId, owner: CommandOwner): void {
    assert(this.#services[service] === undefined, "a service registers once");
    this.#services[service] = {
      owner,
      parked: [],
      isUnsettled: false,
      held: new RecordWriter(),
      orphans: new RecordWriter(),
      waiters: [],
    };
  }

  writer(service: ServiceId, key: Uint8Array): RecordWriter {
    const owner = this.#services[service];
    assert(owner !== undefined, "a service registers before it proposes");
    if (owner.isUnsettled && !this.#isRerouting) return owner.held;
    const range = this.#directory.find(service, key);
    if (range === null) {
      this.#hasOrphans = true;
      this.#options.requestFlush();
      return owner.orphans;
    }
    const slot = this.#slot(range);
    const full = slot.gathering;
    if (full !== null && full.bytes >= BATCH_FULL_BYTES) this.#send(slot, full);
    if (slot.gathering === null) this.#begin(slot, range);
    return slot.gathering!.writer;
  }

  find(service: ServiceId, key: Uint8Array): RangeDescriptor | null {
    return this.#directory.find(service, key);
  }

  ownerThread(service: ServiceId, key: Uint8Array): number {
    const range = this.#directory.find(service, key);
    return range === null ? MAIN : this.threadOf(range);
  }

  rangesOf(service: ServiceId): readonly RangeDescriptor[] {
    return this.#directory.of(service);
  }

  threadOf(range: RangeDescriptor): number {
    return storeThread(range.storeId, this.#workerCount);
  }

  onDirectory(listener: () => void): void {
    this.#listeners.push(listener);
  }

  flushKey(service: ServiceId, key: Uint8Array): void {
    const range = this.#directory.find(service, key);
    const slot = range === null ? undefined : this.#slots.get(range.id);
    if (slot?.gathering != null) this.#send(slot, slot.gathering);
  }

  whenSettled(service: ServiceId, done: () => void): void {
    const slot = this.#services[service];
    assert(slot !== undefined, "a service registers before it asks");
    slot.waiters.push({ upTo: this.#pool.begun, done });
    this.#wakeSettled(service, slot);
  }

  /** End of a duty cycle: sends what is gathered. */
  flush(): void {
    if (this.#hasOrphans) this.#refuseOrphans();
    const gathered = this.#gathered;
    if (gathered.length > 0) {
      this.#gathered = [];
      for (const slot of gathered) {
        if (slot.gathering !== null) this.#send(slot, slot.gathering);
      }
    }
    this.#checkCongestion();
  }

  #listen(type: RecordType, read: (reader: RecordReader) => void): void {
    this.#options.endpoint.setHandler(type, (bytes, offset, length) => {
      this.#records.reset(bytes, offset, length);
      read(this.#records);
      this.#records.release();
    });
  }

  #slot(range: RangeDescriptor): RangeSlot {
    const known = this.#slots.get(range.id);
    if (known !== undefined) return known;
    const slot: RangeSlot = {
      id: range.id,
      service: range.service,
      gathering: null,
      open: [],
      lastProposal: 0,
    };
    this.#slots.set(range.id, slot);
    return slot;
  }

  #begin(slot: RangeSlot, range: RangeDescriptor): void {
    slot.gathering = this.#pool.begin(range, this.#options.nowMs());
    this.#gathered.push(slot);
    this.#options.requestFlush();
  }

  #send(slot: RangeSlot, batch: SentBatch): void {
    slot.gathering = null;
    if (!batch.hasCommands) {
      this.#pool.end(batch);
      return;
    }
    slot.lastProposal += 1;
    batch.seal(slot.lastProposal);
    const { writer } = batch;
    this.#options.endpoint.enqueue(MAIN, RecordType.RANGE_PROPOSE, writer.bytes, 0, writer.size);
    slot.open.push(batch);
    this.#unsettledBytes += batch.bytes;
  }

  #done(range: RangeId, first: number, last: number): void {
    const slot = this.#slots.get(range);
    if (slot === undefined) return;
    const { open, service } = slot;
    let start = 0;
    // Refused ones, of which main's word is still on its way.
    while (start < open.length && open[start]!.proposal < first) start += 1;
    let end = start;
    while (end < open.length && open[end]!.proposal <= last) {
      this.#forget(open[end]!);
      end += 1;
    }
    if (end === start) return;
    open.splice(start, end - start);
    this.#settled(service);
  }

  #moved(range: RangeId, proposal: number): void {
    const slot = this.#slots.get(range);
    const batch = slot === undefined ? null : takeOpen(slot, proposal);
    if (slot === undefined || batch === null) return;
    const service = this.#services[slot.service]!;
    service.isUnsettled = true;
    service.parked.push(batch);
    this.#trySettle(slot.service);
  }

  #refused(range: RangeId, proposal: number, reason: RefusalReason): void {
    const slot = this.#slots.get(range);
    if (slot === undefined) return;
    const batches = proposal === ALL_PROPOSALS ? this.#takeAll(slot) : [takeOpen(slot, proposal)];
    for (const batch of batches) {
      if (batch !== null) this.#refuse(slot.service, batch, reason);
    }
    this.#settled(slot.service);
  }

  /** With what is still gathered: it must not overtake what its sender does again. */
  #takeAll(slot: RangeSlot): SentBatch[] {
    const batches = slot.open.splice(0);
    const { gathering } = slot;
    if (gathering !== null && batches.length > 0) {
      this.#unsettledBytes += gathering.bytes;
      slot.gathering = null;
      batches.push(gathering);
    }
    return batches;
  }

  /** Batches of the service are settled. */
  #settled(id: ServiceId): void {
    this.#trySettle(id);
    this.#wakeSettled(id, this.#services[id]!);
  }

  #refuse(service: ServiceId, batch: SentBatch, reason: RefusalReason): void {
    const { writer } = batch;
    this.#reader.reset(writer.bytes, COMMANDS_AT, writer.size - COMMANDS_AT);
    this.#services[service]!.owner.refused(this.#reader, reason);
    this.#reader.release();
    this.#forget(batch);
  }

  #refuseOrphans(): void {
    this.#hasOrphans = false;
    for (const [id, service] of this.#services.entries()) {
      if (service === undefined || service.orphans.size === 0) continue;
      const { bytes, size } = service.orphans;
      this.#reader.reset(bytes, 0, size);
      service.owner.refused(this.#reader, RefusalReason.UNAVAILABLE);
      this.#reader.release();
      service.orphans.clear();
      this.#wakeSettled(id as ServiceId, service);
    }
  }

  #forget(batch: SentBatch): void {
    this.#unsettledBytes -= batch.bytes;
    this.#pool.end(batch);
  }

  #useDirectory(directory: RangeDirectory): void {
    this.#directory = directory;
    for (const slot of this.#slots.values()) {
      const first = slot.open[0] ?? slot.gathering;
      if (first == null || this.#isCurrent(first)) continue;
      const service = this.#services[slot.service]!;
      service.isUnsettled = true;
      // Without a number: it goes behind everything that was sent.
      if (slot.gathering !== null) {
        this.#unsettledBytes += slot.gathering.bytes;
        service.parked.push(slot.gathering);
        slot.gathering = null;
      }
    }
    // Before anything is routed again: who groups commands by range goes by the same directory.
    for (const listener of this.#listeners) listener();
    for (const id of this.#services.keys()) {
      if (this.#services[id] !== undefined) this.#settled(id as ServiceId);
    }
  }

  /** Does the directory still say of the batch's range what it said when the batch was begun? */
  #isCurrent({ range }: SentBatch): boolean {
    return this.#directory.get(range.id)?.boundaryVersion === range.boundaryVersion;
  }

  /** Routes what was parked and held, once nothing can come back any more. */
  #trySettle(id: ServiceId): void {
    const service = this.#services[id];
    if (service === undefined || !service.isUnsettled) return;
    if (service.parked.some((batch) => this.#isCurrent(batch))) return;
    for (const slot of this.#slots.values()) {
      if (slot.service !== id) continue;
      if (slot.open.some((batch) => !this.#isCurrent(batch))) return;
    }
    const parked = service.parked.sort(byProposal);
    service.parked = [];
    this.#isRerouting = true;
    for (const batch of parked) {
      this.#reroute(service, batch.writer, COMMANDS_AT);
      this.#forget(batch);
    }
    this.#reroute(service, service.held, 0);
    service.held.clear();
    this.#isRerouting = false;
    service.isUnsettled = false;
    // What they wait for is in new batches.
    for (const waiter of service.waiters) waiter.upTo = this.#pool.begun;
  }

  #wakeSettled(id: ServiceId, service: ServiceSlot): void {
    while (service.waiters.length > 0 && this.#isSettled(id, service, service.waiters[0]!.upTo)) {
      service.waiters.shift()!.done();
    }
  }

  #isSettled(id: ServiceId, service: ServiceSlot, upTo: number): boolean {
    if (service.isUnsettled || service.orphans.size > 0) return false;
    for (const slot of this.#slots.values()) {
      const oldest = slot.service === id ? (slot.open[0] ?? slot.gathering) : null;
      if (oldest !== null && oldest.sequence <= upTo) return false;
    }
    return true;
  }

  #reroute(service: ServiceSlot, writer: RecordWriter, start: number): void {
    if (writer.size === start) return;
    this.#reader.reset(writer.bytes, start, writer.size - start);
    service.owner.reroute(this.#reader);
    this.#reader.release();
  }

  #checkCongestion(): void {
    let bytes = this.#unsettledBytes;
    for (const service of this.#services) bytes += service?.held.size ?? 0;
    if (bytes > this.#limitBytes) {
      this.#isCongested = true;
    } else if (this.#isCongested && bytes <= this.#limitBytes / 2) {
      this.#isCongested = false;
      this.onRelief?.();
    }
  }
}

function takeOpen(slot: RangeSlot, proposal: number): SentBatch | null {
  const at = slot.open.findIndex((batch) => batch.proposal === proposal);
  return at < 0 ? null : slot.open.splice(at, 1)[0]!;
}

/** Per range as they were made; what was never sent has no number yet and comes last. */
function byProposal(left: SentBatch, right: SentBatch): number {
  if (left.range.id !== right.range.id) return left.range.id - right.range.id;
  return (left.proposal || Infinity) - (right.proposal || Infinity);
}
