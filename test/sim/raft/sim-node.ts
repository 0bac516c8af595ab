/**
 * A node of the simulated cluster: the host around one core, doing what `ready.ts` asks of every
 * host, with a disk that is slow and forgets and a process that can die between any two steps.
 *
 *   event -> core -> Ready -> messages leave; append and apply queue up at the disk
 *   flushed -> stored -> what waited for the disk leaves, core is told -> Ready -> ...
 *
 * The process (core, view, desk) is gone when it dies; image, disk and watch outlive it.
 */

import { type ConfChange, type ConfState, isJoint } from "../../../src/shared/raft/conf-state.ts";
import { EntryType } from "../../../src/shared/raft/entry.ts";
import { MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import type { RaftOptions } from "../../../src/shared/raft/options.ts";
import { RaftCore } from "../../../src/shared/raft/raft-core.ts";
import type { ApplyBatch, StorageAppend } from "../../../src/shared/raft/ready.ts";
import { SimDisk } from "../kernel/sim-disk.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { checkApplying, checkBounds } from "./checkers/bounds.ts";
import { ReplicaWatch } from "./checkers/replica-watch.ts";
import { violate } from "./checkers/violation.ts";
import type { ClientRequest } from "./client.ts";
import { coreOptions } from "./core-options.ts";
import { CoreView } from "./core-view.ts";
import type { CrashPoint } from "./crash-points.ts";
import { NodeSleep } from "./node-sleep.ts";
import { Outbox } from "./outbox.ts";
import { isNotice, openFrame, type Packet } from "./packet.ts";
import { diskProfileOf, MILLISECOND } from "./profile.ts";
import { RequestDesk } from "./request-desk.ts";
import { type DeliveryReport, SimEvent } from "./sim-event.ts";
import { StoreImage, type StoreOperation } from "./store-image.ts";
import { throughDisk } from "./through-codec.ts";
import type { World } from "./world.ts";

/** A core that always has something to do does nothing else any more. */
const MAX_READY_ROUNDS = 1000;
const LATE_READ_MAX_US = 20 * MILLISECOND;

/** What dies with the process. */
interface Process {
  readonly core: RaftCore;
  readonly view: CoreView;
  readonly desk: RequestDesk;
  readonly sleep: NodeSleep | null;
}

export class SimNode {
  readonly position: number;
  readonly replica: number;
  readonly image: StoreImage;
  readonly disk: SimDisk<StoreOperation>;
  readonly watch: ReplicaWatch;
  readonly #world: World;
  readonly #random: SimRandom;
  readonly #outbox: Outbox;
  readonly #options: RaftOptions;
  readonly #tickUs: number;
  /** How fast this node's clock runs beside the true one. */
  readonly #clockRate: number;
  #process: Process | null = null;
  /** The core is told of stored operations in order, so none before the one before it. */
  #nextStoredUs = 0;
  #isReadLate = false;
  #tickDueUs = 0;
  /** One is on its way to the disk. */
  #isSnapshotting = false;
  /** Bytes handed out by the core to be applied, and not reported as applied. */
  #applyingBytes = 0;
  /** Of the newest snapshot that the core has taken. */
  #snapshotIndex = 0;

  constructor(world: World, position: number, random: SimRandom) {
    const { loop, profile, ledger } = world;
    this.#world = world;
    this.#random = random;
    this.position = position;
    this.replica = position + 1;
    this.#clockRate = 1 + (random.fraction() * 2 - 1) * profile.clockDrift;
    this.#tickUs = Math.round(profile.tickUs / this.#clockRate);
    this.image = new StoreImage(this.replica, ledger.conf, world.storeObserver);
    this.image.isLate = () => this.#drawLateRead();
    this.image.wantsSnapshot = () => this.#makeSnapshot();
    this.disk = new SimDisk<StoreOperation>(loop, random, {
      image: this.image,
      node: position,
      flushedKind: SimEvent.FLUSHED,
      profile: diskProfileOf(profile, position),
    });
    this.watch = new ReplicaWatch(ledger, (replica) => world.nodeOf(replica).image);
    this.#outbox = new Outbox(world, this, random);
    this.#options = coreOptions(profile);
  }

  get isLeader(): boolean {
    return this.#process?.view.isLeader ?? false;
  }

  get term(): number {
    return this.#process?.core.term ?? 0;
  }

  /** Of the process if there is one. */
  get conf(): ConfState {
    return this.#process?.core.conf ?? this.image.conf;
  }

  /** A process starts from what is on the disk. */
  start(): void {
    const { loop } = this.#world;
    const { image } = this;
    loop.start(this.position);
    const core = new RaftCore({
      id: this.replica,
      options: this.#options,
      storage: image,
      hardState: image.startState(),
      conf: image.conf,
      applied: image.appliedIndex,
      random: (bound) => this.#random.below(bound),
    });
    const view = new CoreView(core, loop.generationOf(this.position));
    const desk = new RequestDesk(
      core,
      image,
      () => this.#clockMs(),
      (reply) => this.#world.reply(reply),
      (replica) => this.#world.nodeOf(replica).image,
    );
    const sleep = this.#world.profile.sleepTicks > 0 ? new NodeSleep(this.#world, core) : null;
    this.#process = { core, view, desk, sleep };
    this.#nextStoredUs = 0;
    this.#isReadLate = false;
    this.#isSnapshotting = false;
    this.#applyingBytes = 0;
    this.#snapshotIndex = 0;
    this.watch.noteStart(view, image.confIndexes());
    this.#armTick(this.#random.below(this.#tickUs));
    this.#settle();
  }

  /** The power is off. Called by the world, which knows when it comes back. */
  crash(): void {
    this.#process = null;
    this.#outbox.forget();
    this.disk.crash();
  }

  handleEvent(kind: number, subject: unknown): void {
    const process = this.#process;
    if (process === null) return;
    switch (kind) {
      case SimEvent.TICK:
        this.#tick(process);
        break;
      case SimEvent.DELIVER:
        this.#deliver(process, subject as Packet);
        break;
      case SimEvent.FLUSHED:
        this.#finishFlush(process.view);
        break;
      case SimEvent.STORED:
        this.#noteStored(process, subject as readonly StoreOperation[]);
        break;
      case SimEvent.STORAGE_READY:
        this.#isReadLate = false;
        process.core.storageReady();
        break;
      case SimEvent.REQUEST:
        process.sleep?.wake();
        process.desk.take(subject as ClientRequest);
        break;
      case SimEvent.REPORT:
        this.#takeReport(process.core, subject as DeliveryReport);
        break;
    }
    this.#settle();
  }

  transferLeadership(target: number): void {
    this.wake();
    this.#process?.core.transferLeadership(target);
    this.#settle();
  }

  proposeConfChange(change: ConfChange): void {
    this.wake();
    this.#process?.core.proposeConfChange(change);
    this.#settle();
  }

  /** Its host wants it to lead; it may be bound not to. */
  campaign(): void {
    this.wake();
    this.#process?.core.campaign();
    this.#settle();
  }

  forgetLeader(): void {
    this.wake();
    this.#process?.core.forgetLeader();
    this.#settle();
  }

  /** There is news for a group that may be asleep. */
  wake(): void {
    this.#process?.sleep?.wake();
  }

  /** Too costly to look at after every event. */
  checkBounds(): void {
    if (this.#process === null) return;
    const { core, view } = this.#process;
    checkBounds(core.status(), this.#options);
    this.watch.checkCommit(view);
  }

  /** One line for reports. */
  describe(): string {
    const { appliedIndex, conf } = this.image;
    const core = this.#process?.core;
    if (core === undefined) return `${this.replica}: down, applied ${appliedIndex}`;
    const { role, term, leader, lastIndex, committed } = core;
    const log = `log ..${lastIndex}, committed ${committed}, applied ${appliedIndex}`;
    const voters = `${conf.voters}${isJoint(conf) ? `&${conf.outgoing}` : ""}`;
    return `${this.replica}: role ${role} of term ${term}, leader ${leader}, ${log}, voters ${voters}`;
  }

  #clockMs(): number {
    return (this.#world.loop.now / MILLISECOND) * this.#clockRate;
  }

  /** After a stall what has come in meanwhile goes first (raft pitfall 26). */
  #tick({ core, sleep }: Process): void {
    if (this.#world.loop.now > this.#tickDueUs) {
      this.#armTick(1);
      return;
    }
    if (sleep === null || sleep.admitsTick()) core.tick(this.#clockMs());
    this.#armTick(this.#tickUs);
  }

  #armTick(delayUs: number): void {
    const { loop } = this.#world;
    this.#tickDueUs = loop.now + delayUs;
    loop.after(delayUs, SimEvent.TICK, this.position);
  }

  #deliver(process: Process, packet: Packet): void {
    if (packet instanceof Uint8Array) {
      for (const message of openFrame(packet)) this.#receive(process, message);
    } else if (isNotice(packet)) {
      process.sleep?.offer(packet);
    } else {
      this.#receive(process, packet);
    }
  }

  #receive(process: Process, message: RaftMessage): void {
    if (this.#process !== process) return;
    process.sleep?.noteMessage(message);
    const { trace } = this.#world.loop;
    trace.mix(message.type * 64 + message.from);
    trace.mix(message.term);
    trace.mix(message.index);
    if (message.type === MessageType.SNAPSHOT && this.#diesAt("snapshot received")) return;
    this.#step(process, message);
  }

  #step({ core, view }: Process, message: RaftMessage): void {
    const wasLeader = view.isLeader;
    const { committed } = core;
    core.step(message);
    this.watch.observe(view);
    const hasCommitted = wasLeader && core.committed > committed;
    if (hasCommitted && this.watch.hasChangeWithin(committed, core.committed)) {
      this.#world.noteChangeCommitted(this);
    }
    if (message.type === MessageType.APPEND_RESPONSE) this.watch.checkMatch(view, message.from);
    if (!view.isLeader || wasLeader) return;
    this.#world.noteCrowned(this);
    this.#diesAt("became leader");
  }

  #finishFlush(view: CoreView): void {
    const { loop, acknowledgeMaxUs } = this.#world;
    if (this.#diesAt("flush failed")) return;
    const stored = this.disk.completeFlush();
    for (const operation of stored) {
      const first = operation.kind === "append" ? operation.append.entries[0] : undefined;
      if (first !== undefined) this.watch.checkWritten(view, first.index);
    }
    if (this.#diesAt("flushed, not acknowledged")) return;
    const delay = this.#random.below(acknowledgeMaxUs + 1);
    this.#nextStoredUs = Math.max(this.#nextStoredUs, loop.now + delay);
    loop.after(this.#nextStoredUs - loop.now, SimEvent.STORED, this.position, stored);
  }

  #noteStored(process: Process, operations: readonly StoreOperation[]): void {
    for (const operation of operations) {
      if (this.#process !== process) return;
      if (operation.kind === "append") this.#appendStored(process, operation.append);
      else if (operation.kind === "apply") this.#batchApplied(process, operation.batch);
      else this.#isSnapshotting = false;
    }
  }

  #appendStored(process: Process, append: StorageAppend): void {
    if (this.#diesAt("acknowledged, not sent")) return;
    for (const message of append.messagesAfterPersist) {
      this.#outbox.send(message);
      if (message.to === this.replica) this.#step(process, message);
      if (this.#process !== process || this.#diesAt("half sent")) return;
    }
    process.core.appendDone(append);
    this.watch.observe(process.view);
  }

  #batchApplied({ core, view, desk }: Process, batch: ApplyBatch): void {
    for (const entry of batch.entries) {
      if (entry.type !== EntryType.CONF_CHANGE) continue;
      const conf = core.applyConfChange(entry);
      // A snapshot that came in meanwhile has brought a newer one.
      const index = Math.max(entry.index, this.#snapshotIndex);
      this.#world.ledger.expectConf(this.replica, index, conf);
      this.watch.observe(view);
      this.watch.checkCommit(view);
      if (isJoint(conf) && this.#diesAt("joint")) return;
    }
    this.#applyingBytes -= batch.bytes;
    core.applyDone(batch);
    this.watch.observe(view);
    if (this.#diesAt("applied, not answered")) return;
    for (const entry of batch.entries) {
      if (entry.type === EntryType.NORMAL) desk.noteApplied(entry.index, entry.data);
    }
    this.#compact();
  }

  /** Does what the core asks for until it asks for nothing more. */
  #settle(): void {
    const process = this.#process;
    if (process === null) return;
    this.watch.observe(process.view);
    for (let round = 0; process.core.hasReady; round += 1) {
      if (round === MAX_READY_ROUNDS) violate("assertion", `${this.describe()}: always ready`);
      this.#takeReady(process);
      if (this.#process !== process) return;
    }
    process.desk.serveReads();
    this.#outbox.flush();
  }

  #takeReady({ core, view, desk }: Process): void {
    const ready = core.ready();
    this.watch.observe(view);
    if (this.#diesAt("before sending")) return;
    for (const message of ready.messages) this.#outbox.send(message);
    if (this.#diesAt("sent, not submitted")) return;
    if (ready.append !== null) {
      const bringsTerm = this.#bringsTermAndEntries(ready.append);
      this.#submitAppend(view, ready.append);
      if (bringsTerm && this.#diesAt("term with entries")) return;
    }
    if (ready.append?.hardState?.vote === this.replica && view.isCandidate) {
      if (this.#diesAt("voted for itself")) return;
    }
    if (ready.apply !== null) this.#submitApply(ready.apply);
    desk.takeReadStates(ready.readStates);
  }

  /** Its last entry is of a term that the disk has not heard of. */
  #bringsTermAndEntries({ entries }: StorageAppend): boolean {
    const last = entries.at(-1);
    return last !== undefined && last.term > this.image.hardTerm;
  }

  #submitAppend(view: CoreView, append: StorageAppend): void {
    const { snapshot, entries } = append;
    if (snapshot !== null) {
      this.#snapshotIndex = snapshot.index;
      this.watch.noteSnapshot(view, snapshot.index);
    }
    this.watch.noteAppend(view, entries, this.image.appliedIndex);
    // Hard state, then entry by entry; a snapshot's installation is one step (raft pitfall 12).
    const written = this.#world.profile.hasCodec ? throughDisk(append) : append;
    this.disk.submit({ kind: "append", append: written, partCount: entries.length + 1 });
  }

  #submitApply(batch: ApplyBatch): void {
    checkApplying(this.replica, this.#applyingBytes, this.#options);
    this.watch.checkApplying(this.replica, batch.entries);
    this.#applyingBytes += batch.bytes;
    this.disk.submit({ kind: "apply", batch, partCount: 1 });
  }

  #compact(): void {
    const { compactAbove, keptBelowSnapshot } = this.#world.profile;
    if (this.image.entryCount > compactAbove + keptBelowSnapshot) this.#makeSnapshot();
  }

  #makeSnapshot(): void {
    if (this.#isSnapshotting) return;
    this.#isSnapshotting = true;
    const { keptBelowSnapshot } = this.#world.profile;
    this.disk.submit({ kind: "snapshot", keepEntries: keptBelowSnapshot, partCount: 1 });
  }

  #takeReport(core: RaftCore, report: DeliveryReport): void {
    if (report.kind === "snapshot") core.reportSnapshot(report.peer, report.isDelivered);
    else core.reportUnreachable(report.peer);
  }

  #diesAt(point: CrashPoint): boolean {
    if (!this.#world.crashPoints.isFatal(point)) return false;
    this.#world.crash(this);
    return true;
  }

  /** A late read is answered by an event; until then all are late. */
  #drawLateRead(): boolean {
    const { loop, profile } = this.#world;
    if (this.#isReadLate) return true;
    if (profile.lateRead === 0 || !this.#random.chance(profile.lateRead)) return false;
    this.#isReadLate = true;
    const delay = this.#random.below(LATE_READ_MAX_US);
    loop.after(delay, SimEvent.STORAGE_READY, this.position);
    return true;
  }
}
