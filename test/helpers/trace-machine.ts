/**
 * A service that can be checked: each command appends a number to a key's list. What was done, how
 * often and in which order is then to be read from the state.
 *
 *   command   key u8 | proposer u8 | number u32
 *   state     key -> { proposer u8 | number u32 } ...
 */

import type { RecordReader } from "../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../src/shared/bytes/record-writer.ts";
import type { KeyValueReader, KeyValueWriter } from "../../src/shared/range/key-value.ts";
import type {
  ApplyContext,
  RangeStateMachine,
} from "../../src/shared/range/range-state-machine.ts";
import type { Steps } from "../../src/shared/range/steps.ts";

export interface TraceEvent {
  readonly proposer: number;
  readonly number: number;
}

export interface TraceCommand extends TraceEvent {
  readonly key: number;
}

export function writeTrace(writer: RecordWriter, command: TraceCommand): void {
  writer.u8(command.key);
  writer.u8(command.proposer);
  writer.u32(command.number);
}

export function readTrace(reader: RecordReader): TraceCommand {
  const key = reader.u8();
  const proposer = reader.u8();
  return { key, proposer, number: reader.u32() };
}

/** Called for each command of this life that is applied. */
export type Acknowledge = (command: TraceCommand, context: ApplyContext) => void;

const EVENT_BYTES = 5;
/** Of a split or merge. */
const STEPS = 3;

export class TraceMachine implements RangeStateMachine {
  readonly #reader: KeyValueReader;
  readonly #acknowledge: Acknowledge;
  readonly lists = new Map<number, TraceEvent[]>();
  readonly #dirty = new Set<number>();
  /** Before a command is applied; may throw. */
  onApply: (command: TraceCommand) => void = () => {};
  isLive = false;
  isClosed = false;
  #isCollecting = false;
  #isStill = false;
  #lastMs = 0;

  constructor(reader: KeyValueReader, acknowledge: Acknowledge, loads = true) {
    this.#reader = reader;
    this.#acknowledge = acknowledge;
    if (!loads) return;
    for (const { key, value } of reader.scan(new Uint8Array(0), null, 1000, 1 << 30)) {
      this.lists.set(key[0]!, decode(value));
    }
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  get keyCount(): number {
    return this.lists.size;
  }

  get stateBytes(): number {
    return [...this.lists.values()].reduce((sum, list) => sum + list.length * EVENT_BYTES, 0);
  }

  apply(commands: RecordReader, context: ApplyContext): void {
    if (this.#isStill) throw new Error("applied amid a split or merge");
    if (context.nowMs < this.#lastMs) throw new Error("time went back");
    this.#lastMs = context.nowMs;
    // Its proposer waits for an answer, which a machine gives from goLive on.
    if (context.isOwnBoot && !this.isLive) throw new Error("applied before going live");
    while (!commands.isAtEnd) {
      const command = readTrace(commands);
      this.onApply(command);
      const list = this.lists.get(command.key) ?? [];
      list.push({ proposer: command.proposer, number: command.number });
      this.lists.set(command.key, list);
      this.#dirty.add(command.key);
      if (context.isOwnBoot) this.#acknowledge(command, context);
    }
  }

  collect(writer: KeyValueWriter): void {
    if (this.#isCollecting) throw new Error("collected twice");
    if (this.#isStill) throw new Error("collected amid a split or merge");
    this.#isCollecting = true;
    for (const key of this.#dirty) {
      writer.put(Uint8Array.of(key), encode(this.lists.get(key) ?? []));
    }
    this.#dirty.clear();
  }

  collected(): void {
    if (!this.#isCollecting) throw new Error("nothing was collected");
    this.#isCollecting = false;
  }

  goLive(): void {
    if (this.isLive) throw new Error("live twice");
    this.isLive = true;
  }

  *planSplit(at: Uint8Array | null): Steps<Uint8Array | null> {
    if (at !== null) return at;
    const keys = [...this.lists.keys()].sort((a, b) => a - b);
    for (const _key of keys) yield;
    return keys.length < 2 ? null : Uint8Array.of(keys[keys.length >> 1]!);
  }

  *splitOff(at: Uint8Array, reader: KeyValueReader): Steps<TraceMachine> {
    if (this.#isCollecting) throw new Error("split while collecting");
    yield* this.#stillSteps();
    const right = new TraceMachine(reader, this.#acknowledge, false);
    right.isLive = this.isLive;
    right.#lastMs = this.#lastMs;
    for (const [key, list] of [...this.lists]) {
      if (key < at[0]!) continue;
      right.lists.set(key, list);
      this.lists.delete(key);
      if (this.#dirty.delete(key)) right.#dirty.add(key);
    }
    return right;
  }

  *absorb(right: RangeStateMachine): Steps<void> {
    if (!(right instanceof TraceMachine)) throw new Error("of another service");
    if (this.#isCollecting || right.#isCollecting) throw new Error("merge while collecting");
    right.#isStill = true;
    yield* this.#stillSteps();
    for (const [key, list] of right.lists) this.lists.set(key, list);
    for (const key of right.#dirty) this.#dirty.add(key);
    this.#lastMs = Math.max(this.#lastMs, right.#lastMs);
  }

  close(): void {
    this.isClosed = true;
  }

  /** Between them nothing may be applied or collected. */
  *#stillSteps(): Steps<void> {
    this.#isStill = true;
    for (let left = STEPS; left > 0; left--) yield;
    this.#isStill = false;
  }

  /** What the store holds of this range, to compare. */
  storedKeys(): number[] {
    return this.#reader.scan(new Uint8Array(0), null, 1000, 1 << 30).map(({ key }) => key[0]!);
  }
}

function encode(list: readonly TraceEvent[]): Uint8Array {
  const writer = new RecordWriter(list.length * EVENT_BYTES);
  for (const { proposer, number } of list) {
    writer.u8(proposer);
    writer.u32(number);
  }
  return writer.bytes.slice(0, writer.size);
}

function decode(value: Uint8Array): TraceEvent[] {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const list: TraceEvent[] = [];
  for (let at = 0; at < value.length; at += EVENT_BYTES) {
    list.push({ proposer: view.getUint8(at), number: view.getUint32(at + 1, true) });
  }
  return list;
}
