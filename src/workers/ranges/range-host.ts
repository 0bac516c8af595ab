/**
 * All ranges of the stores that this worker serves: takes appends and applies from main, has them
 * written and applied, tells main and proposers. What it must keep apart stands in files of its
 * own: commits (store-turn.ts), applying (applier.ts), writing state behind (collector.ts), splits
 * and merges (range-changes.ts), questions from main (range-questions.ts).
 *
 *   RAFT_APPEND --gather--> one commit per store and duty cycle --durable--> RAFT_APPENDED
 *   RAFT_APPLY  --target--> machine.apply --> RAFT_APPLIED, RANGE_DONE, the services' own answers
 *   ~100 ms     --collect-> the same commit, with the applied index; later the log is cut
 *
 * Flow: replicated command 4/6. Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import { sameVote } from "../../shared/raft/hard-state.ts";
import { type AppendRecord, readAppendRecord } from "../../shared/range/raft-record.ts";
import { holdsKey, type RangeId } from "../../shared/range/range-descriptor.ts";
import { type RangeReport, ReportKind, writeReport } from "../../shared/range/range-report.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";
import { incarnationOf, processOf } from "../../shared/range/worker-life.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { LogStore, OpenedRange } from "../store/log-store.ts";
import { StateDamage } from "../store/state-seal.ts";
import { Applier, EntryFailure } from "./applier.ts";
import { type CollectLimits, Collector } from "./collector.ts";
import { HostedRange } from "./hosted-range.ts";
import { LoadReporter } from "./load-reporter.ts";
import { openedReport } from "./opened-report.ts";
import { ProposerAnswers } from "./proposer-answers.ts";
import { RangeChanges } from "./range-changes.ts";
import type { OwnedRange, RangeHost, RangeService } from "./range-host-api.ts";
import { RangeQuestions } from "./range-questions.ts";
import { RangeReader } from "./range-reader.ts";
import type { RenewStore } from "./store-reset.ts";
import { type CommitReport, StoreTurn } from "./store-turn.ts";
import { visitOwners } from "./visit-owners.ts";

const MAIN = 0;
/** Commands applied per range and duty cycle before other ranges and sockets get their turn. */
const APPLY_BYTES = 4 * 1024 * 1024;

/** Of a cycle for steps of splits and merges: as long as others may well wait for their turn. */
const STEPS_MS = 2;

type DamagedReport = RangeReport & { readonly kind: typeof ReportKind.DAMAGED };
/** Of a range that is not served. */
type LeftOut = Pick<OpenedRange, "id" | "record">;

export interface RangeHostOptions {
  readonly endpoint: RingEndpoint;
  /** By store number; of the stores that this worker serves. */
  readonly stores: ReadonlyMap<number, LogStore>;
  /** Random, one per start of the process: upper part of the boot numbers of its workers. */
  readonly processNumber: number;
  readonly limits: CollectLimits;
  /** The broker's time, of the duty cycle. */
  readonly nowMs: () => number;
  /** Monotonic, with fractions. */
  readonly clockMs: () => number;
  /** Makes sure that a duty cycle follows. */
  readonly wake: () => void;
  readonly onCommit: (report: CommitReport) => void;
  /** A commit does not end. Said again and again while it does not. */
  readonly onSlowCommit: (storeId: number, waitingMs: number) => void;
  readonly renewStore: RenewStore;
  /** A commit failed: the process must end. */
  readonly onStoreFailure: (storeId: number, error: unknown) => void;
}

export class RingRangeHost implements RangeHost {
  readonly #options: RangeHostOptions;
  readonly #turns = new Map<number, StoreTurn>();
  readonly #ranges = new Map<RangeId, HostedRange>();
  readonly #services: (RangeService | undefined)[] = [];
  readonly #answers: ProposerAnswers;
  readonly #collector: Collector;
  readonly #changes: RangeChanges;
  readonly #applier: Applier;
  readonly #questions: RangeQuestions;
  readonly #loads: LoadReporter;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  /** [thread]: lives of it below this incarnation have ended. */
  readonly #firstAlive: number[];
  /** Found when the stores were opened. */
  #damaged: DamagedReport[] = [];
  /** Ranges that were applied further, or cut, since main was told. */
  readonly #progressed = new Set<HostedRange>();
  #isReporting = false;
  #isServing = false;

  constructor(options: RangeHostOptions) {
    const { endpoint } = options;
    this.#options = options;
    this.#firstAlive = new Array<number>(endpoint.threadCount).fill(0);
    for (const [storeId, store] of options.stores) {
      const { clockMs, wake, onStoreFailure: onFailure, onSlowCommit: onSlow } = options;
      const onCommit = (report: CommitReport) => {
        this.#loads.committed(storeId, report.ms);
        options.onCommit(report);
      };
      const turn = new StoreTurn({
        storeId,
        store,
        clockMs,
        onCommit,
        onSlow,
        wake,
        onFailure,
      });
      this.#turns.set(storeId, turn);
    }
    this.#answers = new ProposerAnswers(endpoint);
    this.#collector = new Collector(options.limits);
    this.#changes = new RangeChanges({
      ranges: this.#ranges,
      collector: this.#collector,
      nowMs: options.nowMs,
      clockMs: options.clockMs,
      wake: options.wake,
      report: (reports) => this.#report(reports),
      rangesChanged: ({ service }) => this.#services[service]?.rangesChanged?.(),
      closed: (range) => this.#closed(range),
    });
    this.#applier = new Applier({
      answers: this.#answers,
      changes: this.#changes,
      isAlive: (boot, thread) => this.isAlive(boot, thread),
      clockMs: options.clockMs,
    });
    this.#questions = new RangeQuestions({
      endpoint,
      ranges: this.#ranges,
      turns: this.#turns,
      open: (turn, found) => this.#open(turn, found),
      report: (reports) => this.#report(reports),
      nowMs: options.nowMs,
      wake: options.wake,
      service: (service) => this.#services[service] ?? null,
      renewStore: options.renewStore,
      openStore: (turn, gone) => this.#openAnew(turn, gone),
    });
    this.#loads = new LoadReporter(endpoint, this.#ranges);
    this.#listen();
  }

  register(service: ServiceId, owner: RangeService): void {
    assert(this.#services[service] === undefined, "a service registers once");
    this.#services[service] = owner;
  }

  owned(service: ServiceId, key: Uint8Array): OwnedRange | null {
    for (const range of this.#ranges.values()) {
      if (range.descriptor.service === service && holdsKey(range.descriptor, key)) return range;
    }
    return null;
  }

  ownedBy(service: ServiceId): readonly OwnedRange[] {
    return [...this.#ranges.values()].filter(({ descriptor }) => descriptor.service === service);
  }

  byId(id: RangeId): HostedRange | null {
    return this.#ranges.get(id) ?? null;
  }

  isAlive(boot: number, thread: number): boolean {
    return (
      processOf(boot) === this.#options.processNumber &&
      incarnationOf(boot) >= (this.#firstAlive[thread] ?? Number.POSITIVE_INFINITY)
    );
  }

  /** Resolves when the stores have today's form; see LogStore.upgrade. Before `open`. */
  async upgrade(): Promise<void> {
    for (const { store } of this.#turns.values()) await store.upgrade();
  }

  /**
   * Makes the machines of all ranges found, and applies what is known to be committed. Call
   * `flush` until `isReplayed`, then `announce`.
   */
  open(): void {
    for (const turn of this.#turns.values()) this.#openStore(turn);
  }

  get isReplayed(): boolean {
    for (const range of this.#ranges.values()) {
      if (range.applied < range.target || range.isBlocked) return false;
    }
    return true;
  }

  /** Of the commands applied, the latest of any range; 0: there are none. */
  get reachedMs(): number {
    let latestMs = 0;
    for (const { appliedMs } of this.#ranges.values()) latestMs = Math.max(latestMs, appliedMs);
    return latestMs;
  }

  /** Commits are under way. */
  get isWriting(): boolean {
    return [...this.#turns.values()].some((turn) => turn.isWriting);
  }

  /** Tells main what there is. */
  announce(): void {
    this.#isReporting = true;
    const reports: RangeReport[] = [...this.#damaged];
    for (const range of this.#ranges.values()) reports.push(openedReport(range));
    reports.push({ kind: ReportKind.COMPLETE });
    this.#report(reports);
  }

  /** Main has told which range holds which key: machines may propose commands now. */
  serve(): void {
    this.#isServing = true;
    this.#options.wake();
  }

  /**
   * In each duty cycle, after the rings are drained and before the services send what they have
   * gathered.
   */
  flush(): void {
    const nowMs = this.#options.nowMs();
    for (const range of this.#ranges.values()) this.#writeBehind(range, nowMs);
    // First, so that the disk works while the machines do.
    for (const turn of this.#turns.values()) turn.flush();
    for (const range of this.#ranges.values()) this.#applyDue(range);
    this.#takeSteps();
    this.#answers.flush();
    this.#flushProgress();
    this.#questions.flush();
    if (this.#isReporting) this.#loads.flush(nowMs);
    for (const turn of this.#turns.values()) turn.flush();
  }

  /** Splits and merges, and what is counted ahead of them. */
  #takeSteps(): void {
    const { clockMs } = this.#options;
    const endMs = clockMs() + STEPS_MS;
    const isTimeUp = () => clockMs() >= endMs;
    this.#changes.flush(isTimeUp);
    this.#questions.plan(isTimeUp);
  }

  /** `thread` died, its life with the number `incarnation` with it, and its rings are replaced. */
  peerLost(thread: number, incarnation: number): void {
    this.#firstAlive[thread] = incarnation + 1;
    this.#answers.drop(thread);
  }

  /** Writes all state, waits for the disk, closes the stores. */
  async close(): Promise<void> {
    for (const range of this.#ranges.values()) {
      if (!range.isCollecting && !range.isBlocked && range.machine.isDirty) {
        this.#collector.collect(range, this.#options.nowMs());
      }
    }
    for (const turn of this.#turns.values()) turn.flush();
    // Machines go with the thread: to let go of everything one by one would take seconds.
    for (const { store } of this.#turns.values()) await store.close();
  }

  #listen(): void {
    const { endpoint } = this.#options;
    endpoint.setHandler(RecordType.RAFT_APPEND, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      const append = readAppendRecord(this.#reader);
      this.#reader.release();
      this.#append(append);
    });
    endpoint.setHandler(RecordType.RAFT_APPLY, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      while (!this.#reader.isAtEnd) {
        const range = this.#ranges.get(this.#reader.u32());
        const index = this.#reader.u64();
        if (range !== undefined) range.target = Math.max(range.target, index);
      }
      this.#reader.release();
    });
  }

  #open(turn: StoreTurn, found: Pick<OpenedRange, "record" | "lastIndex" | "termRuns">): void {
    const { record } = found;
    assert(record !== null, "only a range with a record is opened");
    const service = this.#services[record.descriptor.service];
    assert(service !== undefined, "services register before ranges are opened");
    const reader = new RangeReader(turn.store, record.descriptor);
    const machine = service.open(record.descriptor, reader);
    const parts = { turn, reader, machine };
    const range = new HostedRange(parts, record, found, this.#options.nowMs());
    this.#ranges.set(range.id, range);
    service.rangesChanged?.();
  }

  #openStore(turn: StoreTurn): void {
    for (const found of turn.store.opened) {
      const { id, record, damage } = found;
      if (damage !== null) this.#setAside({ id, storeId: turn.storeId, record, damage });
      else this.#openChecked(turn, found);
    }
  }

  /** A store was replaced, with all its ranges. */
  #openAnew(turn: StoreTurn, gone: readonly RangeId[]): void {
    const { storeId } = turn;
    this.#damaged = this.#damaged.filter((report) => report.storeId !== storeId);
    this.#openStore(turn);
    const opened = [...this.#ranges.values()].filter((range) => range.turn === turn);
    this.#report([
      ...gone.map((id) => ({ kind: ReportKind.CLOSED, id }) as const),
      ...this.#damaged.filter((report) => report.storeId === storeId),
      ...opened.map((range) => openedReport(range)),
    ]);
  }

  /** Sets the range aside if its machine cannot be made of what is stored. */
  #openChecked(turn: StoreTurn, found: OpenedRange): void {
    try {
      this.#open(turn, found);
    } catch (error) {
      this.#leaveOut(turn, found, error);
    }
  }

  /** What fails at the start would fail at every start: better one range less than none at all. */
  #leaveOut({ storeId, store }: StoreTurn, { id, record }: LeftOut, error: unknown): void {
    const isNamed = error instanceof StateDamage || error instanceof EntryFailure;
    store.setAside(id);
    this.#setAside({
      id,
      storeId,
      record,
      damage: isNamed ? error.message : `opening it failed (${error})`,
    });
  }

  #setAside({ id, storeId, record, damage: how }: LeftOut & { storeId: number; damage: string }) {
    const descriptor = record?.descriptor ?? null;
    this.#damaged.push({ kind: ReportKind.DAMAGED, id, storeId, descriptor, how });
  }

  #append(append: AppendRecord): void {
    const range = this.#ranges.get(append.range);
    if (range === undefined) {
      // Taken over meanwhile: nothing of it will be applied.
      visitOwners(append.entries, (boot, thread, proposal) => {
        if (this.isAlive(boot, thread)) this.#answers.moved(thread, append.range, proposal);
      });
      return;
    }
    const { turn } = range;
    if (append.hardState !== null) {
      const isVoteNew = !sameVote(range.hardState, append.hardState);
      range.hardState = append.hardState;
      if (isVoteNew) range.putRecord({ ...range.record, hardState: append.hardState });
    }
    range.append(append.entries);
    turn.append(range.id, append.entries);
    turn.whenDurable(() => this.#sendAppended(append));
  }

  #sendAppended({ range, number }: AppendRecord): void {
    const writer = this.#writer;
    writer.u32(range);
    writer.u32(number);
    this.#options.endpoint.enqueue(MAIN, RecordType.RAFT_APPENDED, writer.bytes, 0, writer.size);
    writer.clear();
  }

  #writeBehind(range: HostedRange, nowMs: number): void {
    const { turn } = range;
    if (this.#collector.isDue(range, nowMs)) {
      const startedMs = this.#options.clockMs();
      this.#collector.collect(range, nowMs);
      range.busyMs += this.#options.clockMs() - startedMs;
      this.#progressed.add(range);
    }
    const isUrgent = range.trimmed < range.compactTarget && !range.wantsCompaction;
    if (turn.needsCommit || isUrgent) {
      if (this.#collector.trim(range) && isUrgent) turn.whenDurable(() => {});
    }
  }

  #applyDue(range: HostedRange): void {
    const before = range.applied;
    this.#liven(range);
    if (!this.#applyChecked(range)) return;
    if (range.applied !== before) this.#progressed.add(range);
    if (range.hasWork && !range.isCollecting) this.#options.wake();
    this.#liven(range);
  }

  /**
   * False: a row that an entry needs is damaged, or the machine fails over the entry. Before main
   * knows of the range it is left out as if found so; later the error ends the thread, because
   * sessions hang on the range, and the next thread, or the one after it, finds the note and leaves
   * it out.
   */
  #applyChecked(range: HostedRange): boolean {
    try {
      this.#applier.run(range, APPLY_BYTES, this.#collector.stopBytes);
      return true;
    } catch (error) {
      const { turn, id } = range;
      const isFailure = error instanceof EntryFailure;
      if (!isFailure && !(error instanceof StateDamage)) throw error;
      if (this.#isReporting && isFailure) turn.store.noteFailure(id, error.index, error.message);
      if (this.#isReporting) throw error;
      this.#leaveOut(range.turn, range, error);
      this.#ranges.delete(range.id);
      this.#services[range.descriptor.service]?.rangesChanged?.();
      return false;
    }
  }

  /**
   * From here on its machine answers and proposes; before it is given anything that is waited for.
   */
  #liven(range: HostedRange): void {
    if (range.isLive || range.isBlocked) return;
    if (!this.#isServing || range.applied < range.openedLast) return;
    range.isLive = true;
    range.machine.goLive();
  }

  #flushProgress(): void {
    if (this.#progressed.size === 0 || !this.#isReporting) return;
    const writer = this.#writer;
    for (const range of this.#progressed) {
      writer.u32(range.id);
      writer.u64(range.applied);
      writer.u64(range.compacted);
    }
    this.#progressed.clear();
    this.#options.endpoint.enqueue(MAIN, RecordType.RAFT_APPLIED, writer.bytes, 0, writer.size);
    writer.clear();
  }

  #report(reports: readonly RangeReport[]): void {
    if (!this.#isReporting) return;
    for (const report of reports) writeReport(this.#writer, report);
    const { bytes, size } = this.#writer;
    this.#options.endpoint.enqueue(MAIN, RecordType.RANGE_OPENED, bytes, 0, size);
    this.#writer.clear();
  }

  /** A range is taken over: what its log still holds must be routed to its new owner. */
  #closed(range: HostedRange): void {
    visitOwners(range.unapplied(), (boot, thread, proposal) => {
      if (this.isAlive(boot, thread)) this.#answers.moved(thread, range.id, proposal);
    });
    this.#progressed.delete(range);
  }
}
