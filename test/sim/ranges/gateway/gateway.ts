/**
 * Between clients and ranges: knows who leads which range, gathers commands into batches, and sends
 * again, in order, what met an older boundary. It outlives all nodes; what a node knew of a client
 * does not.
 *
 * A reign is the time in which one node serves a range. With it end the open batches (nobody knows
 * what became of them) and the connections of sessions in that range.
 */

import { RecordWriter } from "../../../../src/shared/bytes/record-writer.ts";
import { BatchKind, writeBatchHeader } from "../../../../src/shared/range/command-batch.ts";
import { holdsKey, NO_RANGE, type RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import type { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { NO_NODE } from "../../kernel/sim-loop.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import type { TapListener } from "../node/output-tap.ts";
import type { RangeNode } from "../node/range-node.ts";
import { RangeEvent } from "../range-event.ts";
import type { RangeWorld } from "../range-world.ts";
import type { GatewayCommand } from "./gateway-command.ts";

const CYCLE_MAX_US = 2000;
const THREAD = 1;
/** Commands that wait; every cycle looks at all of them. */
const CONGESTED_AT = 200;

interface OpenBatch {
  readonly proposal: number;
  readonly boundaryVersion: number;
  readonly commands: readonly GatewayCommand[];
}

/** A range and the node that serves it. */
export interface Reign {
  readonly node: RangeNode;
  readonly hosted: HostedMachine;
}

/** Who must hear that a node serves no more. */
export interface BrokenListener {
  /** `holds`: null for everything that the process served. */
  broken(boot: number, holds: ((key: Uint8Array) => boolean) | null): void;
}

export class Gateway {
  listener!: TapListener & BrokenListener;
  readonly #world: RangeWorld;
  readonly #random: SimRandom;
  readonly #reigns = new Map<RangeId, RangeNode>();
  readonly #open = new Map<RangeId, OpenBatch[]>();
  readonly #writer = new RecordWriter();
  #pending: GatewayCommand[] = [];
  #lastProposal = 0;
  #lastSequence = 0;
  #isScheduled = false;
  batchCount = 0;
  movedCount = 0;

  constructor(world: RangeWorld, random: SimRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** More is to be sent than is taken: nobody should publish. */
  get isCongested(): boolean {
    return this.#pending.length > CONGESTED_AT;
  }

  get isIdle(): boolean {
    if (this.#pending.length > 0) return false;
    return [...this.#open.values()].every((batches) => batches.length === 0);
  }

  nextSequence(): number {
    this.#lastSequence += 1;
    return this.#lastSequence;
  }

  add(command: GatewayCommand): void {
    this.#pending.push(command);
    this.#schedule();
  }

  /** All that serve now. */
  *reigns(): Iterable<Reign> {
    for (const [id, node] of this.#reigns) {
      const hosted = node.seat(id)?.hosted;
      if (hosted?.isLive === true) yield { node, hosted };
    }
  }

  /** Who serves a key; null: nobody. */
  reignOf(service: ServiceId, key: Uint8Array): Reign | null {
    for (const reign of this.reigns()) {
      const { descriptor } = reign.hosted;
      if (descriptor.service === service && holdsKey(descriptor, key)) return reign;
    }
    return null;
  }

  isServed(range: RangeId): boolean {
    return this.#reigns.has(range);
  }

  reignBegan(range: RangeId, node: RangeNode): void {
    const before = this.#reigns.get(range);
    if (before !== undefined) this.reignEnded(range, before);
    if (before !== undefined && before !== node) before.seat(range)?.oust();
    this.#reigns.set(range, node);
    this.#schedule();
  }

  reignEnded(range: RangeId, node: RangeNode): void {
    if (this.#reigns.get(range) !== node) return;
    const descriptor = node.seat(range)?.hosted.descriptor;
    this.#reigns.delete(range);
    this.#loseBatches(range);
    if (descriptor === undefined) return;
    this.listener.broken(node.boot, (key) => holdsKey(descriptor, key));
  }

  /** With the process of that name. */
  nodeDied(node: RangeNode, boot: number): void {
    for (const [range, serving] of this.#reigns) {
      if (serving !== node) continue;
      this.#reigns.delete(range);
      this.#loseBatches(range);
    }
    this.listener.broken(boot, null);
  }

  /** Taken over by a neighbour that another node serves. */
  reignTaken(range: RangeId): void {
    const node = this.#reigns.get(range);
    if (node !== undefined) this.reignEnded(range, node);
  }

  /**
   * Taken over by its neighbour, which the same node serves: what it has not applied, it never
   * will.
   */
  rangeGone(range: RangeId): void {
    this.#reigns.delete(range);
    const open = this.#open.get(range) ?? [];
    this.#open.delete(range);
    for (const { commands } of open) this.#putBack(commands);
  }

  batchDone(range: RangeId, proposal: number): void {
    this.#take(range, proposal);
  }

  batchMoved(range: RangeId, proposal: number): void {
    const batch = this.#take(range, proposal);
    if (batch === null) return;
    this.movedCount += 1;
    this.#putBack(batch.commands);
  }

  /** A change of the range itself. False: not now. */
  change(reign: Reign, kind: BatchKind, write: (writer: RecordWriter) => void): boolean {
    return this.#propose(reign, kind, [], write);
  }

  /** Sends what can be sent. */
  flush(): void {
    this.#isScheduled = false;
    const batches = new Map<RangeId, { reign: Reign; commands: GatewayCommand[] }>();
    const waiting: GatewayCommand[] = [];
    for (const command of this.#pending) {
      if (command.isOver()) {
        command.lost();
        continue;
      }
      for (const part of command.parts((service, key) => this.#homeOf(service, key))) {
        this.#assign(part, batches, waiting);
      }
    }
    this.#pending = waiting;
    for (const { reign, commands } of batches.values()) {
      const write = (writer: RecordWriter) => {
        for (const command of commands) command.write(writer);
      };
      if (!this.#propose(reign, BatchKind.COMMANDS, commands, write)) this.#putBack(commands);
    }
    if (this.#pending.length > 0) this.#schedule();
  }

  #assign(
    command: GatewayCommand,
    batches: Map<RangeId, { reign: Reign; commands: GatewayCommand[] }>,
    waiting: GatewayCommand[],
  ): void {
    const reign = this.reignOf(command.service, command.key);
    if (reign === null || !this.#mayTake(reign)) {
      waiting.push(command);
      return;
    }
    const { id } = reign.hosted;
    const batch = batches.get(id);
    if (batch === undefined) batches.set(id, { reign, commands: [command] });
    else if (batch.commands.length < this.#world.profile.batchMax) batch.commands.push(command);
    else waiting.push(command);
  }

  /** Nothing overtakes what was sent under an older boundary. */
  #mayTake({ node, hosted }: Reign): boolean {
    const { descriptor, id } = hosted;
    if (descriptor.mergingInto !== NO_RANGE || node.seat(id)?.isLeader !== true) return false;
    const open = this.#open.get(id) ?? [];
    if (open.length >= this.#world.profile.openBatches) return false;
    return open.every(({ boundaryVersion }) => boundaryVersion === descriptor.boundaryVersion);
  }

  #homeOf(service: ServiceId, key: Uint8Array): RangeId | null {
    return this.reignOf(service, key)?.hosted.id ?? null;
  }

  #propose(
    { node, hosted }: Reign,
    kind: BatchKind,
    commands: readonly GatewayCommand[],
    write: (writer: RecordWriter) => void,
  ): boolean {
    const { id, descriptor } = hosted;
    const { boundaryVersion } = descriptor;
    this.#lastProposal += 1;
    const proposal = this.#lastProposal;
    const writer = this.#writer;
    writer.clear();
    const { nowMs, boot } = node;
    writeBatchHeader(writer, { kind, nowMs, boundaryVersion, boot, thread: THREAD, proposal });
    write(writer);
    const open = this.#open.get(id) ?? [];
    this.#open.set(id, open);
    open.push({ proposal, boundaryVersion, commands });
    this.batchCount += 1;
    if (node.propose(id, writer.bytes.slice(0, writer.size))) return true;
    // If it is not there any more, the reign has ended meanwhile, and it is lost.
    return this.#take(id, proposal) === null;
  }

  #take(range: RangeId, proposal: number): OpenBatch | null {
    const open = this.#open.get(range);
    const at = open?.findIndex((batch) => batch.proposal === proposal) ?? -1;
    if (at < 0) return null;
    this.#schedule();
    return open!.splice(at, 1)[0]!;
  }

  #loseBatches(range: RangeId): void {
    const open = this.#open.get(range) ?? [];
    this.#open.delete(range);
    for (const { commands } of open) for (const command of commands) command.lost();
    this.#schedule();
  }

  #putBack(commands: readonly GatewayCommand[]): void {
    this.#pending.push(...commands);
    this.#pending.sort((left, right) => left.sequence - right.sequence);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const delay = this.#random.below(CYCLE_MAX_US) + 1;
    this.#world.loop.afterForAny(delay, RangeEvent.CYCLE, NO_NODE);
  }
}
