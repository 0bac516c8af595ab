/**
 * Ranges of one service on several workers without Raft and disks: each range is a log that all
 * workers append to and a machine on one worker that applies it. What is gathered is taken, refused
 * and applied when and as the test says; a worker that dies comes back with its machines made anew
 * from their logs. Other services may register; they have no ranges.
 */

import assert from "node:assert/strict";
import { RecordReader } from "../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../src/shared/bytes/record-writer.ts";
import { bootstrapPlan } from "../../src/shared/range/bootstrap-plan.ts";
import {
  holdsKey,
  type RangeDescriptor,
  type RangeId,
} from "../../src/shared/range/range-descriptor.ts";
import type { RangeStateMachine } from "../../src/shared/range/range-state-machine.ts";
import type { RefusalReason } from "../../src/shared/range/refusal-reason.ts";
import type { ServiceId } from "../../src/shared/range/service-id.ts";
import { workerBoot } from "../../src/shared/range/worker-life.ts";
import type { CommandOwner, RangeClient } from "../../src/workers/ranges/range-client-api.ts";
import type {
  OwnedRange,
  RangeHost,
  RangeService,
} from "../../src/workers/ranges/range-host-api.ts";
import { MapKeyValues } from "./map-key-values.ts";

const PROCESS = 1;

interface Batch {
  readonly bytes: Uint8Array;
  readonly boot: number;
  readonly thread: number;
  readonly nowMs: number;
}

class FakeRange {
  readonly descriptor: RangeDescriptor;
  readonly log: Batch[] = [];
  readonly store = new MapKeyValues();
  machine: RangeStateMachine | null = null;
  applied = 0;

  constructor(descriptor: RangeDescriptor) {
    this.descriptor = descriptor;
  }
}

export class FakeRanges {
  readonly ranges: readonly FakeRange[];
  readonly clients: FakeRangeClient[] = [];
  readonly nowMs: () => number;
  readonly service: ServiceId;
  /** Why whatever is proposed is refused; null: it is taken. */
  refusal: RefusalReason | null = null;
  readonly #services: (RangeService | null)[] = [];
  readonly #incarnations: number[] = [];
  #lastIncarnation = 0;
  readonly #reader = new RecordReader();

  constructor(service: ServiceId, workerCount: number, nowMs: () => number) {
    this.service = service;
    this.nowMs = nowMs;
    const plan = bootstrapPlan(workerCount).filter((range) => range.service === service);
    this.ranges = plan.map((range) => new FakeRange(range));
  }

  /** What a worker that starts gets. */
  start(thread: number): { readonly client: FakeRangeClient; readonly host: RangeHost } {
    this.#lastIncarnation += 1;
    const incarnation = this.#lastIncarnation;
    this.#incarnations[thread] = incarnation;
    const client = new FakeRangeClient(this, thread, workerBoot(PROCESS, incarnation));
    this.clients[thread] = client;
    return { client, host: this.#host(thread) };
  }

  /** The worker's services are registered: its machines begin, and apply what their logs hold. */
  open(thread: number): void {
    const service = this.#services[thread];
    assert.ok(service != null, "the service has registered");
    for (const range of this.#rangesOf(thread)) {
      range.machine = service.open(range.descriptor, range.store);
      range.applied = 0;
      service.rangesChanged?.();
      this.#apply(range);
      range.machine.goLive();
    }
  }

  find(key: Uint8Array): FakeRange | null {
    return this.ranges.find(({ descriptor }) => holdsKey(descriptor, key)) ?? null;
  }

  /** A worker has died; its machines go, their logs stay. */
  lost(thread: number): void {
    this.#incarnations[thread] = 0;
    for (const range of this.#rangesOf(thread)) {
      range.machine?.close();
      range.machine = null;
    }
  }

  mainTurn(): void {}

  hostTurn(thread: number): void {
    for (const range of this.#rangesOf(thread)) this.#apply(range);
  }

  clientTurn(thread: number): void {
    this.clients[thread]?.flush();
  }

  get isBusy(): boolean {
    const hasUnapplied = ({ machine, applied, log }: FakeRange) =>
      machine !== null && applied < log.length;
    return this.ranges.some(hasUnapplied) || this.clients.some((one) => one.gatheredBytes > 0);
  }

  /** Takes what all workers have gathered, and applies it. */
  run(): void {
    for (const client of this.clients) client?.flush();
    for (const range of this.ranges) this.#apply(range);
  }

  /** All state is written, and memory lets go of what it can. */
  save(): void {
    for (const { machine, store } of this.ranges) {
      machine?.collect(store.writer);
      store.commit();
      machine?.collected();
    }
  }

  #apply(range: FakeRange): void {
    while (range.machine !== null && range.applied < range.log.length) {
      const { bytes, boot, thread, nowMs } = range.log[range.applied]!;
      range.applied += 1;
      this.#reader.reset(bytes, 0, bytes.length);
      const isOwnBoot = this.#isAlive(boot, thread);
      const context = { index: range.applied, nowMs, boot, thread, isOwnBoot };
      range.machine.apply(this.#reader, context);
      this.#reader.release();
    }
  }

  #isAlive(boot: number, thread: number): boolean {
    return boot === workerBoot(PROCESS, this.#incarnations[thread] ?? 0);
  }

  #rangesOf(thread: number): FakeRange[] {
    return this.ranges.filter(({ descriptor }) => descriptor.storeId === thread);
  }

  #host(thread: number): RangeHost {
    const owned = (): OwnedRange[] => {
      return this.#rangesOf(thread).flatMap((range) => {
        const { descriptor, machine } = range;
        if (machine === null) return [];
        const lastIndex = range.log.length;
        return [{ descriptor, machine, isLive: true, applied: range.applied, lastIndex }];
      });
    };
    return {
      register: (service, registered) => {
        if (service === this.service) this.#services[thread] = registered;
      },
      owned: (_service, key) => owned().find((range) => holdsKey(range.descriptor, key)) ?? null,
      ownedBy: (service) => (service === this.service ? owned() : []),
      byId: (id) => owned().find(({ descriptor }) => descriptor.id === id) ?? null,
      isAlive: (boot, of) => this.#isAlive(boot, of),
    };
  }
}

export class FakeRangeClient implements RangeClient {
  readonly boot: number;
  readonly thread: number;
  readonly isCongested = false;
  isDiskFull = false;
  areRoutesWhole = true;
  readonly #setAside = new Set<RangeId>();
  readonly #listeners: (() => void)[] = [];
  readonly #ranges: FakeRanges;
  readonly #gathered = new Map<FakeRange, RecordWriter>();
  #owner: CommandOwner | null = null;

  constructor(ranges: FakeRanges, thread: number, boot: number) {
    this.#ranges = ranges;
    this.thread = thread;
    this.boot = boot;
  }

  register(service: ServiceId, owner: CommandOwner): void {
    if (service === this.#ranges.service) this.#owner = owner;
  }

  writer(_service: ServiceId, key: Uint8Array): RecordWriter {
    const range = this.#ranges.find(key)!;
    let writer = this.#gathered.get(range);
    if (writer === undefined) {
      writer = new RecordWriter();
      this.#gathered.set(range, writer);
    }
    return writer;
  }

  find(_service: ServiceId, key: Uint8Array): RangeDescriptor | null {
    return this.#ranges.find(key)?.descriptor ?? null;
  }

  ownerThread(_service: ServiceId, key: Uint8Array): number {
    return this.#ranges.find(key)?.descriptor.storeId ?? 0;
  }

  rangesOf(service: ServiceId): readonly RangeDescriptor[] {
    if (service !== this.#ranges.service) return [];
    return this.#ranges.ranges.map(({ descriptor }) => descriptor);
  }

  threadOf(range: RangeDescriptor): number {
    return range.storeId;
  }

  isSetAside(range: RangeDescriptor): boolean {
    return this.#setAside.has(range.id);
  }

  /** From now on nobody serves the range. */
  setAside({ id }: RangeDescriptor): void {
    this.#setAside.add(id);
    for (const listener of this.#listeners) listener();
  }

  onDirectory(listener: () => void): void {
    this.#listeners.push(listener);
  }

  flushKey(): void {}

  whenSettled(_service: ServiceId, done: () => void): void {
    done();
  }

  /** Commands gathered and not sent, in all. */
  get gatheredBytes(): number {
    let bytes = 0;
    for (const { size } of this.#gathered.values()) bytes += size;
    return bytes;
  }

  flush(): void {
    const gathered = [...this.#gathered];
    this.#gathered.clear();
    const { boot, thread } = this;
    for (const [range, writer] of gathered) {
      const bytes = writer.bytes.slice(0, writer.size);
      const { refusal } = this.#ranges;
      if (refusal === null) range.log.push({ bytes, boot, thread, nowMs: this.#ranges.nowMs() });
      else this.#comeBack(bytes, refusal);
    }
  }

  /** Everything gathered comes back as if ranges had been cut meanwhile. */
  reroute(): void {
    const gathered = [...this.#gathered.values()];
    this.#gathered.clear();
    for (const writer of gathered) {
      const reader = new RecordReader();
      reader.reset(writer.bytes, 0, writer.size);
      this.#owner!.reroute(reader);
      reader.release();
    }
  }

  #comeBack(bytes: Uint8Array, refusal: RefusalReason): void {
    const reader = new RecordReader();
    reader.reset(bytes, 0, bytes.length);
    this.#owner!.refused(reader, refusal);
    reader.release();
  }
}
