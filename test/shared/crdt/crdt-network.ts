/** Nodes with anti-entropy on a virtual clock and a network that loses, doubles and reorders. */

import { Prng } from "../../../src/shared/base/prng.ts";
import { AntiEntropy } from "../../../src/shared/crdt/anti-entropy.ts";
import {
  ANTI_ENTROPY_DEFAULTS,
  type AntiEntropyParameters,
} from "../../../src/shared/crdt/anti-entropy-parameters.ts";
import type { CausalContext } from "../../../src/shared/crdt/causal-context.ts";
import { HybridClock } from "../../../src/shared/crdt/hlc.ts";
import { OrMap } from "../../../src/shared/crdt/or-map.ts";
import { EventQueue } from "../swim/event-queue.ts";

export interface CrdtNode {
  readonly replica: string;
  readonly map: OrMap;
  readonly clock: HybridClock;
  readonly antiEntropy: AntiEntropy;
  /** Keys reported as changed by others. */
  readonly changed: Set<string>;
  isUp: boolean;
  timerMs: number;
}

export class CrdtNetwork {
  readonly clock = new EventQueue();
  readonly nodes: CrdtNode[] = [];
  readonly parameters: AntiEntropyParameters;
  lossShare = 0;
  doubleShare = 0;
  messages = 0;
  bytes = 0;
  largestMessageBytes = 0;
  readonly #prng: Prng;
  readonly #blocked = new Set<string>();

  constructor(count: number, seed: number, changes: Partial<AntiEntropyParameters> = {}) {
    this.#prng = new Prng(seed);
    this.parameters = { ...ANTI_ENTROPY_DEFAULTS, ...changes };
    for (let i = 0; i < count; i++) this.add(`n${i}/1`);
    this.announce();
  }

  get nowMs(): number {
    return this.clock.nowMs;
  }

  get up(): CrdtNode[] {
    return this.nodes.filter((node) => node.isUp);
  }

  add(replica: string): CrdtNode {
    const map = new OrMap(replica);
    const antiEntropy = new AntiEntropy(map, this.#prng.split(), this.parameters);
    const clock = new HybridClock(60_000);
    const timers = { isUp: true, timerMs: Number.POSITIVE_INFINITY };
    const node = { replica, map, clock, antiEntropy, changed: new Set<string>(), ...timers };
    this.nodes.push(node);
    return node;
  }

  /** All that are up learn who lives, as membership would tell them. */
  announce(): void {
    const living = new Set(this.up.map(({ replica }) => replica));
    for (const node of this.up)
      this.#act(node, () => node.antiEntropy.handleLiving(living, this.nowMs));
  }

  put(node: CrdtNode, key: string, text: string): void {
    const stamp = node.clock.next(this.nowMs);
    this.local(node, node.map.put(key, new TextEncoder().encode(text), stamp));
  }

  remove(node: CrdtNode, key: string): void {
    this.local(node, node.map.remove(key));
  }

  local(node: CrdtNode, touched: CausalContext): void {
    this.#act(node, () => node.antiEntropy.handleLocal(touched, this.nowMs));
  }

  hear(node: CrdtNode, from: string, bytes: Uint8Array): void {
    this.#act(node, () => node.antiEntropy.handleMessage(from, bytes, this.nowMs));
  }

  split(left: readonly CrdtNode[], right: readonly CrdtNode[]): void {
    for (const a of left) {
      for (const b of right) {
        this.#blocked.add(`${a.replica}>${b.replica}`).add(`${b.replica}>${a.replica}`);
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

  /** Milliseconds until all that are up have equal states, or Infinity. */
  converge(limitMs: number): number {
    const startMs = this.nowMs;
    while (!this.isConverged()) {
      if (!this.clock.step(startMs + limitMs)) return Number.POSITIVE_INFINITY;
    }
    return this.nowMs - startMs;
  }

  isConverged(): boolean {
    const [first, ...others] = this.up.map(({ map }) => JSON.stringify(map.digest));
    return others.every((digest) => digest === first);
  }

  /** Keys and values of a node, sorted. */
  contentOf(node: CrdtNode): string[] {
    return [...node.map.keys()]
      .map((key) => {
        const values = node.map.entries(key).map(({ value }) => new TextDecoder().decode(value));
        return `${key}=${values.join("|")}`;
      })
      .sort();
  }

  #act(node: CrdtNode, action: () => void): void {
    action();
    for (const output of node.antiEntropy.drain()) {
      if (output.kind === "send") this.#transmit(node, output.replica, output.bytes);
      else {
        for (const key of output.keys) node.changed.add(key);
        if (output.latestStamp !== null) node.clock.observe(output.latestStamp, this.nowMs);
      }
    }
    this.#arm(node);
  }

  #arm(node: CrdtNode): void {
    const deadlineMs = node.antiEntropy.nextDeadlineMs;
    if (deadlineMs >= node.timerMs || deadlineMs === Number.POSITIVE_INFINITY) return;
    node.timerMs = deadlineMs;
    this.clock.at(deadlineMs, () => {
      if (!node.isUp || node.timerMs !== deadlineMs) return;
      node.timerMs = Number.POSITIVE_INFINITY;
      this.#act(node, () => node.antiEntropy.handleTimeout(this.nowMs));
    });
  }

  #transmit(from: CrdtNode, replica: string, bytes: Uint8Array): void {
    this.messages += 1;
    this.bytes += bytes.length;
    this.largestMessageBytes = Math.max(this.largestMessageBytes, bytes.length);
    const copies = this.#prng.chance(this.doubleShare) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#prng.chance(this.lossShare)) continue;
      const to = this.nodes.find((node) => node.replica === replica);
      if (to === undefined || this.#blocked.has(`${from.replica}>${replica}`)) continue;
      this.clock.at(this.nowMs + 1 + this.#prng.fraction() * 50, () => {
        if (to.isUp) this.hear(to, from.replica, bytes);
      });
    }
  }
}
