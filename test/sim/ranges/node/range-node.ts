/**
 * One node: a disk, and while it is up a process with a Raft core and a machine per range.
 *
 *   message, tick -> core -> Ready -> disk -> flushed -> core -> committed -> machine -> outputs
 *   now and then: machine.collect -> disk -> flushed -> machine.collected
 *
 * The process is gone when it dies; the image of the disk outlives it. A node serves clients of the
 * ranges that it leads. When it leads one no more, its sessions break and its machine is made anew
 * from the store, as a machine is never told that it follows again.
 */

import { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import { DistRange } from "../../../../src/shared/dist/dist-range.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import type { Entry } from "../../../../src/shared/raft/entry.ts";
import { ProposalStatus } from "../../../../src/shared/raft/leader-proposals.ts";
import type { RaftMessage } from "../../../../src/shared/raft/message.ts";
import { RaftCore } from "../../../../src/shared/raft/raft-core.ts";
import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  BatchKind,
} from "../../../../src/shared/range/command-batch.ts";
import { readAbsorb } from "../../../../src/shared/range/range-change.ts";
import { NO_RANGE, type RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { SimDisk } from "../../kernel/sim-disk.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { LedgerEntry } from "../checkers/range-ledger.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import { MachineHost } from "../host/machine-host.ts";
import { RangeImage, StoreCommit, type StoredRange } from "../host/range-image.ts";
import { RangeEvent } from "../range-event.ts";
import type { RangeWorld } from "../range-world.ts";
import type { CrashPlace } from "./crash-places.ts";
import { OutputTap } from "./output-tap.ts";
import { RangeSeat } from "./range-seat.ts";

/** A process that always has something to do does nothing else any more. */
const MAX_ROUNDS = 10_000;
/** All sessions are of one worker. */
const THREAD = 1;

export interface Packet {
  readonly range: RangeId;
  readonly message: RaftMessage;
}

/** What dies with the process. */
interface Process {
  readonly boot: number;
  readonly tap: OutputTap;
  readonly host: MachineHost;
  readonly seats: Map<RangeId, RangeSeat>;
}

export class RangeNode {
  readonly position: number;
  readonly image = new RangeImage();
  readonly disk: SimDisk<StoreCommit>;
  readonly #world: RangeWorld;
  readonly #random: SimRandom;
  readonly #skewMs: number;
  #process: Process | null = null;
  /** Being applied. */
  #applying: LedgerEntry | null = null;

  constructor(world: RangeWorld, position: number, random: SimRandom) {
    const { loop, profile } = world;
    this.#world = world;
    this.#random = random;
    this.position = position;
    this.#skewMs = random.below(profile.skewMaxMs + 1);
    this.disk = new SimDisk<StoreCommit>(loop, random, {
      image: this.image,
      node: position,
      flushedKind: RangeEvent.FLUSHED,
      profile: profile.disk,
    });
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  /** Of the process. */
  get boot(): number {
    return this.#process?.boot ?? 0;
  }

  get tap(): OutputTap | null {
    return this.#process?.tap ?? null;
  }

  get host(): MachineHost | null {
    return this.#process?.host ?? null;
  }

  /** Wall clock. */
  get nowMs(): number {
    return this.#world.wallMs() + this.#skewMs;
  }

  seat(range: RangeId): RangeSeat | null {
    return this.#process?.seats.get(range) ?? null;
  }

  /** A process starts from what is on the disk. */
  start(): void {
    const { loop, profile } = this.#world;
    loop.start(this.position);
    const tap = new OutputTap();
    const host = this.#makeHost(tap);
    this.#process = { boot: this.#world.nextBoot(), tap, host, seats: new Map() };
    for (const record of this.image.records.values()) {
      this.#recall(record);
      this.#addSeat(host.open(record));
    }
    loop.after(this.#random.below(profile.tickUs) + 1, RangeEvent.TICK, this.position);
    loop.after(this.#random.below(profile.collectMaxUs) + 1, RangeEvent.COLLECT, this.position);
    this.#settle();
  }

  /** The power is off. Called by the world, which knows when it comes back. */
  crash(): void {
    this.#process = null;
    this.disk.crash();
  }

  handleEvent(kind: number, subject: unknown): void {
    const process = this.#process;
    if (process === null) return;
    const { loop, profile } = this.#world;
    switch (kind) {
      case RangeEvent.TICK:
        loop.after(profile.tickUs, kind, this.position);
        for (const { core } of process.seats.values()) core.tick(loop.now / 1000);
        break;
      case RangeEvent.DELIVER: {
        const { range, message } = subject as Packet;
        process.seats.get(range)?.core.step(message);
        break;
      }
      case RangeEvent.FLUSHED:
        this.#finishFlush(process);
        break;
      case RangeEvent.COLLECT:
        loop.after(this.#random.below(profile.collectMaxUs) + 1, kind, this.position);
        this.#collect(process, profile.collectShare);
        break;
    }
    this.#settle();
  }

  /** False: it does not lead the range, or takes no more; nothing has happened. */
  propose(range: RangeId, batch: Uint8Array): boolean {
    const seat = this.seat(range);
    if (seat === null || !seat.isLeader || !seat.hosted.isLive) return false;
    const isAccepted = seat.core.propose([batch]) === ProposalStatus.ACCEPTED;
    this.#settle();
    return isAccepted;
  }

  /** The way to the sessions is full, or free again. */
  congest(isCongested: boolean): void {
    const process = this.#process;
    if (process === null) return;
    process.tap.isCongested = isCongested;
    for (const { hosted } of process.seats.values()) {
      if (isCongested || !hosted.isLive || !(hosted.machine instanceof InboxRange)) continue;
      this.#noteOrigin(process, hosted);
      hosted.machine.resume(THREAD, this.nowMs);
    }
    this.#settle();
  }

  /** Everything that has changed is on its way to the disk. */
  collectAll(): void {
    if (this.#process !== null) this.#collect(this.#process, 1);
  }

  #makeHost(tap: OutputTap): MachineHost {
    const { ledger, gateway, profile } = this.#world;
    return new MachineHost({
      outputs: tap.outputs,
      hotBytes: profile.hotBytes,
      table: (service) => this.image.table(service),
      isOwn: ({ boot }) => boot === this.boot,
      applying: ({ id, descriptor }, entry, header, nowMs) => {
        tap.origin = { range: id, boot: this.boot, index: entry.index, nowMs };
        ledger.noteCommands(id, descriptor.service, entry, header, nowMs);
      },
      moved: ({ id, isLive }, _entry, header) => {
        if (isLive && header.boot === this.boot) tap.settled(id, header.proposal, false);
      },
      done: ({ id, isLive }, { boot, proposal }: BatchHeader) => {
        if (isLive && boot === this.boot) tap.settled(id, proposal, true);
      },
      absorbs: () => true,
      store: (ranges, closed, durable) => this.#store(ranges, closed, durable),
      opened: (range) => this.#openHalf(range),
      closed: (range) => {
        this.#process?.seats.delete(range);
        gateway.rangeGone(range);
      },
    });
  }

  /** A change of the range may have reached the disk, and the process died before it knew. */
  #recall({ descriptor: { id }, applied }: StoredRange): void {
    const { ledger } = this.#world;
    const log = this.image.logs.get(id)!;
    while (ledger.lastIndex(id) < applied) {
      const entry = log.entry(ledger.lastIndex(id) + 1)!;
      ledger.noteApplied(id, entry);
      const right = absorbedBy(entry);
      if (right > 0 && !this.image.records.has(right)) ledger.noteAbsorbed(right, id, entry.index);
    }
  }

  #addSeat(hosted: HostedMachine): RangeSeat {
    const log = this.image.logs.get(hosted.id)!;
    const core = new RaftCore({
      id: this.position + 1,
      options: this.#world.raftOptions,
      storage: log,
      hardState: log.startState(hosted.applied),
      conf: this.#world.conf,
      applied: hosted.applied,
      random: (bound) => this.#random.below(bound),
    });
    const seat = new RangeSeat(core, hosted);
    this.#process!.seats.set(hosted.id, seat);
    if (this.#world.profile.nodeCount === 1) core.campaign();
    return seat;
  }

  /** The right half of a range that was cut: whoever led the range tries to lead it too. */
  #openHalf(hosted: HostedMachine): void {
    const seat = this.#addSeat(hosted);
    if (!hosted.isLive) return;
    seat.isHeir = true;
    seat.core.campaign();
    this.#world.gateway.reignBegan(hosted.id, this);
  }

  #store(ranges: readonly HostedMachine[], closed: RangeId, durable: () => void): void {
    const commit = new StoreCommit();
    for (const range of ranges) gather(commit, range);
    if (closed > 0) commit.closed.push(closed);
    // Until then a crash could undo the change, and the log lead to another one.
    const { range, entry } = this.#applying!;
    const { ledger } = this.#world;
    commit.done.push(() => ledger.noteApplied(range, entry), durable);
    if (closed > 0) commit.done.push(() => ledger.noteAbsorbed(closed, range, entry.index));
    this.disk.submit(commit);
  }

  #collect(process: Process, share: number): void {
    const commit = new StoreCommit();
    for (const { hosted } of process.seats.values()) {
      const { isCollecting, isBlocked, machine } = hosted;
      const isDue = machine.isDirty || hosted.applied > hosted.collected;
      if (isCollecting || isBlocked || !isDue || !this.#random.chance(share)) continue;
      gather(commit, hosted);
    }
    if (commit.records.length === 0 || this.#diesAt("collected, not written")) return;
    this.disk.submit(commit);
  }

  #finishFlush(process: Process): void {
    const commits = this.disk.completeFlush();
    if (this.#diesAt("flushed, not told")) return;
    for (const { done } of commits) {
      for (const tell of done) {
        if (this.#process !== process) return;
        tell();
      }
    }
  }

  /** Does what there is to do until there is nothing more, then tells what came of it. */
  #settle(): void {
    const process = this.#process;
    if (process === null) return;
    for (let round = 0; this.#turn(process); round += 1) {
      if (round === MAX_ROUNDS) throw new Error(`node ${this.position} is always busy`);
    }
    if (this.#process === process) this.#tell(process);
  }

  #turn(process: Process): boolean {
    let isBusy = false;
    for (const seat of process.seats.values()) {
      if (this.#process !== process) return false;
      this.#noteRole(process, seat);
      if (seat.core.hasReady) {
        this.#takeReady(seat);
        isBusy = true;
      }
      if (!seat.isStale && this.#applyNext(process, seat)) isBusy = true;
    }
    return isBusy && this.#process === process;
  }

  #noteRole(process: Process, seat: RangeSeat): void {
    const { gateway } = this.#world;
    const { hosted } = seat;
    if (seat.isDeposed) {
      seat.isStale = true;
      hosted.isLive = false;
      gateway.reignEnded(hosted.id, this);
    }
    if (seat.isStale && !hosted.isCollecting && !hosted.isBlocked) this.#reopen(process, seat);
    if (!seat.mayServe) return;
    hosted.isLive = true;
    this.#noteOrigin(process, hosted);
    gateway.reignBegan(hosted.id, this);
    hosted.machine.goLive();
  }

  #takeReady(seat: RangeSeat): void {
    const { id } = seat.hosted;
    const { messages, append, apply } = seat.core.ready();
    for (const message of messages) this.#send(id, message);
    if (append !== null) this.#append(seat, append);
    if (apply !== null) seat.commit(apply);
  }

  #append(seat: RangeSeat, append: StorageAppend): void {
    const commit = new StoreCommit();
    const { id } = seat.hosted;
    commit.appends.push({ range: id, append });
    commit.done.push(() => {
      for (const message of append.messagesAfterPersist) {
        if (message.to === this.position + 1) seat.core.step(message);
        else this.#send(id, message);
      }
      seat.core.appendDone(append);
    });
    this.disk.submit(commit);
  }

  #send(range: RangeId, message: RaftMessage): void {
    this.#world.network.send(this.position, message.to - 1, { range, message });
  }

  #applyNext(process: Process, seat: RangeSeat): boolean {
    const entry = seat.nextEntry();
    if (entry === null || !this.#apply(process, seat.hosted, entry)) return false;
    seat.shift();
    return true;
  }

  #apply(process: Process, hosted: HostedMachine, entry: Entry): boolean {
    this.#noteOrigin(process, hosted);
    this.#applying = { range: hosted.id, entry };
    if (!process.host.apply(hosted, entry)) return false;
    if (!hosted.isBlocked) this.#world.ledger.noteApplied(hosted.id, entry);
    return true;
  }

  /** Nobody is served by the machine any more: another is made from store and log. */
  #reopen(process: Process, seat: RangeSeat): void {
    const { id, applied, machine } = seat.hosted;
    const index = process.tap.index;
    if (machine instanceof DistRange) {
      for (const [name, { route }] of index) if (machine.holds(route)) index.delete(name);
    }
    machine.close();
    seat.hosted = process.host.open(this.image.records.get(id)!);
    seat.isStale = false;
    const log = this.image.logs.get(id)!;
    while (seat.hosted.applied < applied) {
      this.#apply(process, seat.hosted, log.entry(seat.hosted.applied + 1)!);
    }
  }

  #tell(process: Process): void {
    const held = process.tap.take();
    if (held.length === 0 || this.#diesAt("applied, not answered")) return;
    const { ledger, gateway } = this.#world;
    for (const { origin, tell } of held) {
      ledger.checkDurable(origin);
      tell(gateway.listener);
    }
  }

  #noteOrigin({ tap, boot }: Process, { id, applied, appliedMs }: HostedMachine): void {
    tap.origin = { range: id, boot, index: applied, nowMs: appliedMs };
  }

  #diesAt(place: CrashPlace): boolean {
    if (!this.#world.crashPlaces.isFatal(place)) return false;
    this.#world.crash(this);
    return true;
  }
}

/** The range that an entry says is taken over; 0: it says something else. */
function absorbedBy({ data }: Entry): RangeId {
  // Behind the version.
  if (data[1] !== BatchKind.ABSORB) return NO_RANGE;
  const reader = new RecordReader();
  reader.reset(data, BATCH_HEADER_BYTES, data.length - BATCH_HEADER_BYTES);
  return readAbsorb(reader).rightId;
}

/** Writes the range's state as it is now into a commit. */
function gather(commit: StoreCommit, range: HostedMachine): void {
  const { machine, descriptor } = range;
  const isDirty = machine.isDirty;
  if (isDirty) {
    machine.collect(commit.writer(descriptor.service));
    range.isCollecting = true;
  }
  commit.records.push(range.record);
  range.collected = range.applied;
  commit.done.push(() => {
    if (!isDirty) return;
    range.isCollecting = false;
    machine.collected();
  });
}
