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

import type { DeliveryForm, StoredMessage } from "../../../../src/shared/inbox/range/delivery.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import type { QosZeroLimits } from "../../../../src/shared/inbox/range/qos-zero-queue.ts";
import { EMPTY_CONF } from "../../../../src/shared/raft/conf-state.ts";
import type { Entry } from "../../../../src/shared/raft/entry.ts";
import { ProposalStatus } from "../../../../src/shared/raft/leader-proposals.ts";
import { MessageType, type RaftMessage } from "../../../../src/shared/raft/message.ts";
import { RaftCore } from "../../../../src/shared/raft/raft-core.ts";
import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
import type { BatchHeader } from "../../../../src/shared/range/command-batch.ts";
import type { RangeDescriptor, RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
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
import { type RangeProcess, retireMachine } from "./range-process.ts";
import { RangeSeat } from "./range-seat.ts";
import { SnapshotIntake } from "./snapshot-intake.ts";
import { absorbedBy, compactLog, gatherState } from "./store-work.ts";

/** A process that always has something to do does nothing else any more. */
const MAX_ROUNDS = 10_000;
/** All sessions are of one worker. */
const THREAD = 1;

/** A QoS 0 message for one session. */
export interface QosZeroInsert {
  readonly incarnation: number;
  readonly stored: StoredMessage;
  readonly form: DeliveryForm;
  readonly limits: QosZeroLimits;
}

/** How long a leader waits before it takes a snapshot for lost. */
const SNAPSHOT_PATIENCE_US = 100_000;

export interface Packet {
  /** As the sender has it: who has not got the range yet learns where it lies. */
  readonly descriptor: RangeDescriptor;
  readonly message: RaftMessage;
}

/** A snapshot that was sent. */
interface Delivery {
  readonly range: RangeId;
  readonly to: number;
}

export class RangeNode {
  readonly position: number;
  readonly image = new RangeImage();
  readonly disk: SimDisk<StoreCommit>;
  readonly #world: RangeWorld;
  readonly #random: SimRandom;
  readonly #skewMs: number;
  readonly #intake: SnapshotIntake;
  #process: RangeProcess | null = null;
  /** Being applied. */
  #applying: LedgerEntry | null = null;

  constructor(world: RangeWorld, position: number, random: SimRandom) {
    const { loop, profile } = world;
    this.#world = world;
    this.#random = random;
    this.position = position;
    this.#skewMs = random.below(profile.skewMaxMs + 1);
    this.#intake = new SnapshotIntake(world, this.image);
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
      case RangeEvent.DELIVER:
        this.#receive(process, subject as Packet);
        break;
      case RangeEvent.REPORT: {
        const { range, to } = subject as Delivery;
        process.seats.get(range)?.core.reportSnapshot(to, false);
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

  /** The way to the sessions is full, or free again: `resume` follows. */
  congest(isCongested: boolean): void {
    if (this.#process !== null) this.#process.tap.isCongested = isCongested;
  }

  /** The machines hear that the way may be free. */
  resume(): void {
    const process = this.#process;
    if (process === null) return;
    for (const { hosted } of process.seats.values()) {
      if (!hosted.isLive || !(hosted.machine instanceof InboxRange)) continue;
      this.#noteOrigin(process, hosted);
      hosted.machine.resume(THREAD, this.nowMs);
    }
    this.#settle();
  }

  /** Past the log. */
  insertQosZero(hosted: HostedMachine, { incarnation, stored, form, limits }: QosZeroInsert): void {
    const process = this.#process;
    const { machine } = hosted;
    if (process === null || !hosted.isLive || !(machine instanceof InboxRange)) return;
    const nowMs = this.#noteClock(process, hosted);
    machine.insertQosZero(incarnation, stored, form, limits, nowMs);
    this.#settle();
  }

  /** The session of this process has taken so many bytes of QoS 0. */
  credit(key: Uint8Array, token: number, bytes: number): void {
    const process = this.#process;
    const hosted = this.#world.gateway.reignOf(ServiceId.INBOX, key)?.hosted;
    if (process === null || !(hosted?.machine instanceof InboxRange)) return;
    if (process.host.ranges.get(hosted.id) !== hosted) return;
    const nowMs = this.#noteClock(process, hosted);
    hosted.machine.credit(process.boot, token, bytes, nowMs);
    this.#settle();
  }

  /** Everything that has changed is on its way to the disk. */
  collectAll(): void {
    if (this.#process !== null) this.#collect(this.#process, 1);
  }

  #makeHost(tap: OutputTap): MachineHost {
    const { ledger, profile } = this.#world;
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
      absorbed: (left, right) => this.#noteAbsorbed(left, right),
    });
  }

  /**
   * Where one worker has served both, it goes on with the sessions of both. Else whoever served
   * one of them serves it no more: what a session was told came from elsewhere.
   */
  #noteAbsorbed(left: HostedMachine, right: HostedMachine): void {
    const { gateway } = this.#world;
    const process = this.#process!;
    if (left.isLive && right.isLive) gateway.rangeGone(right.id);
    else if (left.isLive || right.isLive) {
      if (left.isLive) gateway.reignTaken(right.id);
      else gateway.reignEnded(right.id, this);
      this.#depose(process.seats.get(left.id)!);
    }
    process.seats.delete(right.id);
  }

  #receive(process: RangeProcess, { descriptor, message }: Packet): void {
    const { id } = descriptor;
    let seat = process.seats.get(id);
    if (seat === undefined && this.#intake.isWelcome(process, descriptor)) {
      seat = this.#addSeat(process.host.expect(descriptor));
    }
    if (seat === undefined) return;
    const { snapshot } = message;
    if (snapshot !== null && !this.#intake.mayInstall(process, seat, snapshot)) return;
    seat.core.step(message);
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
    const { id } = hosted;
    const log = this.image.log(id);
    const { conf, raftOptions } = this.#world;
    log.makeSnapshot = () => this.image.snapshotOf(id, conf);
    const core = new RaftCore({
      id: this.position + 1,
      options: raftOptions,
      storage: log,
      hardState: log.startState(hosted.applied),
      // Who has nothing yet is told with the rest.
      conf: hosted.applied > 0 ? conf : EMPTY_CONF,
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
    const { gateway } = this.#world;
    if (gateway.isServed(hosted.id)) {
      // Others were faster with the cut, and have elected somebody.
      seat.depose();
      return;
    }
    seat.isHeir = true;
    seat.core.campaign();
    gateway.reignBegan(hosted.id, this);
  }

  #store(ranges: readonly HostedMachine[], closed: RangeId, durable: () => void): void {
    const commit = new StoreCommit();
    for (const range of ranges) {
      gatherState(commit, range);
      // It was heard of before it came about here.
      if (this.seat(range.id)?.hosted !== range) this.#process?.seats.delete(range.id);
    }
    if (closed > 0) commit.closed.push(closed);
    // Until then a crash could undo the change, and the log lead to another one.
    const { range, entry } = this.#applying!;
    const { ledger } = this.#world;
    commit.done.push(() => ledger.noteApplied(range, entry), durable);
    if (closed > 0) commit.done.push(() => ledger.noteAbsorbed(closed, range, entry.index));
    this.disk.submit(commit);
  }

  #collect(process: RangeProcess, share: number): void {
    const commit = new StoreCommit();
    for (const { hosted } of process.seats.values()) {
      const { isCollecting, isBlocked, machine } = hosted;
      const isDue = machine.isDirty || hosted.applied > hosted.collected;
      if (isCollecting || isBlocked || !isDue || !this.#random.chance(share)) continue;
      gatherState(commit, hosted);
      compactLog(commit, this.#world, this.image, hosted.id);
    }
    if (commit.records.length === 0 || this.#diesAt("collected, not written")) return;
    this.disk.submit(commit);
  }

  #finishFlush(process: RangeProcess): void {
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

  #turn(process: RangeProcess): boolean {
    let isBusy = false;
    for (const seat of process.seats.values()) {
      if (this.#process !== process) return false;
      this.#noteRole(process, seat);
      if (seat.core.hasReady) {
        this.#takeReady(process, seat);
        isBusy = true;
      }
      if (!seat.isStale && this.#applyNext(process, seat)) isBusy = true;
    }
    return isBusy && this.#process === process;
  }

  #noteRole(process: RangeProcess, seat: RangeSeat): void {
    if (seat.isDeposed) this.#depose(seat);
    const { isCollecting, isBlocked } = seat.hosted;
    if (seat.isStale && !isCollecting && !isBlocked) this.#reopen(process, seat);
    if (!seat.mayServe) return;
    const { hosted } = seat;
    hosted.isLive = true;
    this.#noteOrigin(process, hosted);
    this.#world.gateway.reignBegan(hosted.id, this);
    hosted.machine.goLive();
  }

  /** It serves no more. */
  #depose(seat: RangeSeat): void {
    seat.depose();
    this.#world.gateway.reignEnded(seat.hosted.id, this);
  }

  #takeReady(process: RangeProcess, seat: RangeSeat): void {
    const { messages, append, apply } = seat.core.ready();
    for (const message of messages) this.#send(seat, message);
    if (append !== null) this.#append(process, seat, append);
    if (apply !== null) seat.commit(apply);
  }

  #append(process: RangeProcess, seat: RangeSeat, append: StorageAppend): void {
    const commit = new StoreCommit();
    commit.appends.push({ range: seat.hosted.id, append });
    const { snapshot } = append;
    if (snapshot !== null) this.#intake.install(commit, process, seat, snapshot, this);
    commit.done.push(() => {
      for (const message of append.messagesAfterPersist) {
        if (message.to === this.position + 1) seat.core.step(message);
        else this.#send(seat, message);
      }
      seat.core.appendDone(append);
    });
    this.disk.submit(commit);
  }

  #send({ hosted: { descriptor } }: RangeSeat, message: RaftMessage): void {
    const { network, loop } = this.#world;
    network.send(this.position, message.to - 1, { descriptor, message });
    if (message.type !== MessageType.SNAPSHOT) return;
    const delivery: Delivery = { range: descriptor.id, to: message.to };
    loop.after(SNAPSHOT_PATIENCE_US, RangeEvent.REPORT, this.position, delivery);
  }

  #applyNext(process: RangeProcess, seat: RangeSeat): boolean {
    const entry = seat.nextEntry();
    if (entry === null || !this.#apply(process, seat.hosted, entry)) return false;
    seat.shift();
    return true;
  }

  #apply(process: RangeProcess, hosted: HostedMachine, entry: Entry): boolean {
    this.#noteOrigin(process, hosted);
    this.#applying = { range: hosted.id, entry };
    if (!process.host.apply(hosted, entry)) return false;
    if (!hosted.isBlocked) this.#world.ledger.noteApplied(hosted.id, entry);
    return true;
  }

  /** Nobody is served by the machine any more: another is made from store and log. */
  #reopen(process: RangeProcess, seat: RangeSeat): void {
    const { id, applied } = seat.hosted;
    retireMachine(process, seat.hosted);
    seat.hosted = process.host.open(this.image.records.get(id)!);
    seat.isStale = false;
    const log = this.image.logs.get(id)!;
    while (seat.hosted.applied < applied) {
      this.#apply(process, seat.hosted, log.entry(seat.hosted.applied + 1)!);
    }
  }

  #tell(process: RangeProcess): void {
    const held = process.tap.take();
    if (held.length === 0 || this.#diesAt("applied, not answered")) return;
    const { ledger, gateway } = this.#world;
    for (const { origin, tell } of held) {
      ledger.checkDurable(origin);
      tell(gateway.listener);
    }
  }

  #noteOrigin({ tap, boot }: RangeProcess, { id, applied, appliedMs }: HostedMachine): void {
    tap.origin = { range: id, boot, index: applied, nowMs: appliedMs };
  }

  /** For what does not go through the log. */
  #noteClock({ tap, boot }: RangeProcess, { id, applied, appliedMs }: HostedMachine): number {
    const nowMs = Math.max(this.nowMs, appliedMs);
    tap.origin = { range: id, boot, index: applied, nowMs };
    return nowMs;
  }

  #diesAt(place: CrashPlace): boolean {
    if (!this.#world.crashPlaces.isFatal(place)) return false;
    this.#world.crash(this);
    return true;
  }
}
