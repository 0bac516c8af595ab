/**
 * A cluster of real membership cores on a virtual clock and a seeded network: loss, delay, one-way
 * blocks, crashes, restarts, pauses. The seed decides everything, so a run repeats exactly.
 *
 * Datagrams are lost with `lossShare`. Streams are TCP as its users see it: a lost segment is sent
 * again after 200 ms, then 400, and so on; on a blocked link nothing arrives at all. A paused node
 * keeps what arrives, as its socket buffers would, and works it off when it wakes, late timers
 * last.
 */

import { Prng } from "../../../src/shared/base/prng.ts";
import { HASH_START, hashText } from "../../../src/shared/bytes/hash32.ts";
import type { MemberStatus, NodeDescription } from "../../../src/shared/swim/member.ts";
import { Swim, type SwimOptions } from "../../../src/shared/swim/swim.ts";
import { MemberChange, type SwimOutput } from "../../../src/shared/swim/swim-output.ts";
import { SWIM_DEFAULTS, type SwimParameters } from "../../../src/shared/swim/swim-parameters.ts";
import { EventQueue } from "./event-queue.ts";

export interface SimOptions {
  readonly seed: number;
  readonly parameters?: SwimParameters;
  readonly lossShare?: number;
  readonly delayMinMs?: number;
  readonly delayMaxMs?: number;
}

export interface SimNode {
  readonly index: number;
  readonly address: string;
  nodeId: string;
  swim: Swim;
  isUp: boolean;
  pausedUntilMs: number;
  /** Time for which its one timer is armed. */
  timerMs: number;
  packetsSent: number;
  bytesSent: number;
  streamBytesSent: number;
}

export interface LoggedEvent {
  readonly atMs: number;
  readonly node: SimNode;
  readonly output: SwimOutput;
}

const RETRANSMIT_MS = 200;
const EPOCH_START = 1_700_000_000_000;

export class SimCluster {
  readonly clock = new EventQueue();
  readonly nodes: SimNode[] = [];
  readonly events: LoggedEvent[] = [];
  largestPacketBytes = 0;
  lossShare: number;
  readonly #options: SimOptions;
  readonly #chance: Prng;
  readonly #network: Prng;
  readonly #byAddress = new Map<string, SimNode>();
  /** "from>to" of node indexes. */
  readonly #blocked = new Set<string>();

  constructor(options: SimOptions) {
    this.#options = options;
    this.lossShare = options.lossShare ?? 0;
    this.#chance = new Prng(options.seed);
    this.#network = this.#chance.split();
  }

  get nowMs(): number {
    return this.clock.nowMs;
  }

  get parameters(): SwimParameters {
    return this.#options.parameters ?? SWIM_DEFAULTS;
  }

  get up(): SimNode[] {
    return this.nodes.filter((node) => node.isUp);
  }

  /** A node that knows nobody yet. */
  add(overrides: Partial<SwimOptions> = {}): SimNode {
    const index = this.nodes.length;
    const nodeId = overrides.nodeId ?? nodeIdOf(index);
    const address = overrides.address ?? `10.0.${index >> 8}.${index & 255}:7946`;
    const swim = this.#createSwim({ ...overrides, nodeId, address });
    const counters = { packetsSent: 0, bytesSent: 0, streamBytesSent: 0 };
    const timers = { pausedUntilMs: 0, timerMs: Number.POSITIVE_INFINITY };
    const node: SimNode = { index, nodeId, address, swim, isUp: true, ...timers, ...counters };
    this.nodes.push(node);
    this.#byAddress.set(address, node);
    this.#settle(node);
    return node;
  }

  /** `count` nodes that all know each other, in no time. */
  addAcquainted(count: number): void {
    const knownNodes = Array.from({ length: count }, (_none, offset) => {
      return describe(this.nodes.length + offset, this.#epoch());
    });
    for (let i = 0; i < count; i++) this.add({ knownNodes });
  }

  /** `count` nodes that join through the first node of all. */
  addJoined(count: number): void {
    for (let i = 0; i < count; i++) {
      const node = this.add();
      this.join(node, this.nodes[0]!);
    }
  }

  act(node: SimNode, action: (swim: Swim) => void): void {
    action(node.swim);
    this.#settle(node);
  }

  crash(node: SimNode): void {
    node.isUp = false;
  }

  /** A new life on the same address, knowing nobody: of the same node, or of another one. */
  restart(node: SimNode, nodeId = node.nodeId): void {
    node.isUp = true;
    node.nodeId = nodeId;
    node.pausedUntilMs = 0;
    node.swim = this.#createSwim({ nodeId, address: node.address });
    node.timerMs = Number.POSITIVE_INFINITY;
    this.#settle(node);
  }

  join(node: SimNode, ...seeds: readonly SimNode[]): void {
    const addresses = seeds.map(({ address }) => address);
    this.act(node, (swim) => swim.join(addresses, this.nowMs));
  }

  pause(node: SimNode, forMs: number): void {
    node.pausedUntilMs = this.nowMs + forMs;
  }

  block(from: SimNode, to: SimNode): void {
    this.#blocked.add(`${from.index}>${to.index}`);
  }

  /** Nothing passes between the groups; a node in no group keeps all its links. */
  split(...groups: readonly (readonly SimNode[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (group === other) continue;
        for (const from of group) for (const to of other) this.block(from, to);
      }
    }
  }

  unblock(): void {
    this.#blocked.clear();
  }

  run(forMs: number): void {
    const limitMs = this.nowMs + forMs;
    while (this.clock.step(limitMs));
  }

  /** Milliseconds until `isDone` first held, or Infinity. Asked after each event: keep it cheap. */
  runUntil(isDone: () => boolean, limitMs: number): number {
    const startMs = this.nowMs;
    while (!isDone()) {
      if (!this.clock.step(startMs + limitMs)) return isDone() ? limitMs : Number.POSITIVE_INFINITY;
    }
    return this.nowMs - startMs;
  }

  /** All that are up know the same members, and as many as are up. */
  isConverged(): boolean {
    const up = this.up;
    const first = up[0]!.swim.digest;
    return up.every(({ swim }) => {
      const { liveCount, sumA, sumB } = swim.digest;
      const isEqual = sumA === first.sumA && sumB === first.sumB;
      return liveCount === up.length && isEqual;
    });
  }

  /** Nodes that are up and hold `subject` in `status`. */
  holding(subject: SimNode, status: MemberStatus): SimNode[] {
    return this.up.filter((node) => {
      return node !== subject && node.swim.member(subject.nodeId)?.status === status;
    });
  }

  /** Events of one kind about `subject`, or about anybody. */
  eventsOf(change: MemberChange, subject: SimNode | null = null): LoggedEvent[] {
    return this.events.filter(({ output }) => {
      if (output.kind !== "member" || output.change !== change) return false;
      return subject === null || output.member.node.nodeId === subject.nodeId;
    });
  }

  /** Deaths reported of nodes that are up. */
  falseDeaths(): LoggedEvent[] {
    return this.eventsOf(MemberChange.DEAD).filter(({ output }) => {
      return output.kind === "member" && this.#byAddress.get(output.member.node.address)!.isUp;
    });
  }

  /** FNV-1a over everything that happened, when and to whom. */
  traceHash(): number {
    return hashText(
      HASH_START,
      JSON.stringify(
        this.events.map(({ atMs, node, output }) => {
          return [atMs, node.index, node.packetsSent, node.bytesSent, output.kind, output];
        }),
      ),
    );
  }

  #epoch(): number {
    return EPOCH_START + Math.floor(this.nowMs);
  }

  #createSwim(options: Partial<SwimOptions> & { nodeId: string; address: string }): Swim {
    const clusterName = "test";
    const startEpoch = this.#epoch();
    const parameters = this.parameters;
    const all = { clusterName, startEpoch, parameters, ...options };
    return new Swim(all, this.nowMs, this.#chance.split());
  }

  /** Carries out what a core wants and arms its timer. */
  #settle(node: SimNode): void {
    for (const output of node.swim.drain()) this.#carryOut(node, output);
    const deadlineMs = node.swim.nextDeadlineMs;
    if (deadlineMs >= node.timerMs || deadlineMs === Number.POSITIVE_INFINITY) return;
    node.timerMs = deadlineMs;
    const { swim } = node;
    this.clock.at(deadlineMs, () => this.#ring(node, swim, deadlineMs));
  }

  #ring(node: SimNode, swim: Swim, deadlineMs: number): void {
    if (!node.isUp || node.swim !== swim || node.timerMs !== deadlineMs) return;
    if (node.pausedUntilMs > this.nowMs) {
      this.clock.at(node.pausedUntilMs, () => this.#ring(node, swim, deadlineMs));
      return;
    }
    node.timerMs = Number.POSITIVE_INFINITY;
    swim.handleTimeout(this.nowMs);
    this.#settle(node);
  }

  #carryOut(node: SimNode, output: SwimOutput): void {
    if (output.kind === "packet") {
      node.packetsSent += 1;
      node.bytesSent += output.bytes.length;
      this.largestPacketBytes = Math.max(this.largestPacketBytes, output.bytes.length);
      if (this.#network.chance(this.lossShare)) return;
      this.#transmit(node, output.address, output.bytes, false);
    } else if (output.kind === "stream") {
      node.streamBytesSent += output.bytes.length;
      this.#transmit(node, output.address, output.bytes, true);
    } else {
      this.events.push({ atMs: this.nowMs, node, output });
    }
  }

  #transmit(from: SimNode, address: string, bytes: Uint8Array, isStream: boolean): void {
    const to = this.#byAddress.get(address);
    if (to === undefined) return;
    const { delayMinMs = 0.2, delayMaxMs = 2 } = this.#options;
    let delayMs = delayMinMs + this.#network.fraction() * (delayMaxMs - delayMinMs);
    for (let retryMs = RETRANSMIT_MS; isStream && this.#network.chance(this.lossShare); ) {
      delayMs += retryMs;
      retryMs *= 2;
      if (delayMs > 60_000) return;
    }
    if (this.#blocked.has(`${from.index}>${to.index}`)) return;
    this.clock.at(this.nowMs + delayMs, () => this.#arrive(to, bytes, isStream));
  }

  #arrive(node: SimNode, bytes: Uint8Array, isStream: boolean): void {
    if (!node.isUp) return;
    if (node.pausedUntilMs > this.nowMs) {
      this.clock.at(node.pausedUntilMs, () => this.#arrive(node, bytes, isStream));
      return;
    }
    if (isStream) node.swim.handleStream(bytes, this.nowMs);
    else node.swim.handlePacket(bytes, this.nowMs);
    this.#settle(node);
  }
}

export function nodeIdOf(index: number): string {
  return `00000000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
}

function describe(index: number, startEpoch: number): NodeDescription {
  const address = `10.0.${index >> 8}.${index & 255}:7946`;
  const metadata = new Uint8Array(0);
  const nodeId = nodeIdOf(index);
  return { nodeId, startEpoch, incarnation: 0, address, protocolVersion: 1, metadata };
}
