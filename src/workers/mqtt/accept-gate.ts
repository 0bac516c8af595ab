/**
 * The limits a connection must pass before a byte of it is read: connections of the process,
 * connections of the listener, and accepts per second. All are words shared by every thread; main
 * refills the accept tokens. Thread: worker. Scope: one per listener and worker.
 */

import { assert } from "../../shared/base/assert.ts";
import type { LimitsConfig } from "../../shared/config/config.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import {
  WORD_ACCEPT_TOKENS,
  WORD_CONNECTIONS,
  WORD_LISTENER_CONNECTIONS,
  workerListenerWord,
} from "../../shared/metrics/shared-words.ts";

export type Refusal = "process_limit" | "listener_limit" | "accept_rate";

/** Which words of the shared ones are meant. */
export interface GatePlace {
  /** 1..N. */
  readonly threadIndex: number;
  /** Position of the listener in the configuration. */
  readonly listenerIndex: number;
}

export class AcceptGate {
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #listenerWord: number;
  /** This worker's part of the listener's connections: main takes it back when the worker dies. */
  readonly #ownWord: number;
  #limits: LimitsConfig;
  #listenerMax: number;
  /** Connections that entered through this gate and have not left. */
  #openCount = 0;

  /** `listenerMax`: 0 = no limit. */
  constructor(
    words: Int32Array,
    counters: Float64Array,
    place: GatePlace,
    limits: LimitsConfig,
    listenerMax: number,
  ) {
    this.#words = words;
    this.#counters = counters;
    this.#listenerWord = WORD_LISTENER_CONNECTIONS + place.listenerIndex;
    this.#ownWord = workerListenerWord(place.threadIndex, place.listenerIndex);
    this.#limits = limits;
    this.#listenerMax = listenerMax;
  }

  get openCount(): number {
    return this.#openCount;
  }

  /** Takes changed limits into use; open connections stay. */
  setLimits(limits: LimitsConfig, listenerMax: number): void {
    this.#limits = limits;
    this.#listenerMax = listenerMax;
  }

  /**
   * Counts a connection in and returns null, or counts a refusal and says why. Every entry owes one
   * `leave`.
   */
  tryEnter(): Refusal | null {
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.#counters[Counter.ACCEPTS_REFUSED]! += 1;
      return refusal;
    }
    this.#openCount += 1;
    Atomics.add(this.#words, this.#ownWord, 1);
    this.#counters[Counter.ACCEPTS]! += 1;
    this.#counters[Counter.CONNECTIONS]! += 1;
    return null;
  }

  /** Counts a connection out. */
  leave(): void {
    assert(this.#openCount > 0, "more connections closed than were accepted");
    this.#openCount -= 1;
    this.#counters[Counter.CONNECTIONS]! -= 1;
    Atomics.sub(this.#words, this.#ownWord, 1);
    Atomics.sub(this.#words, this.#listenerWord, 1);
    Atomics.sub(this.#words, WORD_CONNECTIONS, 1);
  }

  #refusal(): Refusal | null {
    const { maxConnections, acceptRatePerSecond } = this.#limits;
    if (!this.#take(WORD_CONNECTIONS, maxConnections)) return "process_limit";
    if (!this.#take(this.#listenerWord, this.#listenerMax)) {
      Atomics.sub(this.#words, WORD_CONNECTIONS, 1);
      return "listener_limit";
    }
    if (acceptRatePerSecond === 0 || this.#takeToken()) return null;
    Atomics.sub(this.#words, this.#listenerWord, 1);
    Atomics.sub(this.#words, WORD_CONNECTIONS, 1);
    return "accept_rate";
  }

  // Add first, look afterwards: two threads that both pass the check before either adds would break
  // the limit.
  #take(word: number, maximum: number): boolean {
    const before = Atomics.add(this.#words, word, 1);
    if (maximum === 0 || before < maximum) return true;
    Atomics.sub(this.#words, word, 1);
    return false;
  }

  #takeToken(): boolean {
    if (Atomics.sub(this.#words, WORD_ACCEPT_TOKENS, 1) > 0) return true;
    Atomics.add(this.#words, WORD_ACCEPT_TOKENS, 1);
    return false;
  }
}
