/**
 * At most one live connection per (tenant, client identifier), newest wins [MQTT-3.1.4-3]: the pure
 * state machine of one owner thread. Time plays no part; the order of the calls is the order of
 * events.
 *
 * One entry per session with a connection:
 *
 * ```
 *           claim              claim: kick                      release, worker lost
 *   free ──────────▶ held ──────────────────▶ held, one waits ────────────────────────▶ held
 *     ▲                │                         ▲         │                      by the one
 *     └─ release, lost ┘                         └─ claim ─┘
 *                                     the newest waits, the other is superseded
 * ```
 *
 * The predecessor releases before the successor is granted, so whoever is granted sees all of its
 * state.
 * Invariants: an entry has a holder; every claim is answered exactly once unless its worker is
 * lost; the epochs of one session grow with each grant.
 */

import { assert } from "../base/assert.ts";
import { mayTake } from "../base/operator-user.ts";
import { ClaimStatus } from "./claim-status.ts";

/** What the dictionary tells the threads. `request` comes from the claim that is answered. */
export interface DictionaryOutput {
  claimed(thread: number, request: number, status: ClaimStatus, epoch: number): void;
  /** The holder on `thread` must close its connection and release. */
  kick(thread: number, tenantId: string, clientId: string, epoch: number): void;
}

export interface SessionClaim {
  readonly tenantId: string;
  readonly clientId: string;
  readonly userId: string;
  /** The worker that has the connection. */
  readonly thread: number;
  /** That worker's number for this claim. */
  readonly request: number;
}

/** A claim that was granted by a predecessor of this dictionary and is still held. */
export interface HeldSession {
  readonly tenantId: string;
  readonly clientId: string;
  readonly userId: string;
  readonly thread: number;
  readonly epoch: number;
}

interface Entry {
  holder: HeldSession;
  isKicked: boolean;
  waiting: SessionClaim | null;
}

/** Incarnations lie above it: epochs stay safe integers for two million restarts of one process. */
const EPOCHS_PER_INCARNATION = 0x1_0000_0000;

/**
 * The key of a session in maps: the client identifier within its tenant [MQTT-3.1.3-2]. U+0000
 * occurs in neither [MQTT-1.5.4-2].
 */
export function sessionKey(tenantId: string, clientId: string): string {
  return `${tenantId}\u0000${clientId}`;
}

export class SessionDictionary {
  readonly #output: DictionaryOutput;
  readonly #entries = new Map<string, Entry>();
  #lastEpoch: number;

  /**
   * `incarnation` of the owner's worker start: epochs of a restarted owner lie above all earlier
   * ones.
   */
  constructor(incarnation: number, output: DictionaryOutput) {
    this.#output = output;
    this.#lastEpoch = incarnation * EPOCHS_PER_INCARNATION;
    assert(Number.isSafeInteger(this.#lastEpoch), "epochs are safe integers");
  }

  /** Sessions with a connection. */
  get size(): number {
    return this.#entries.size;
  }

  claim(claim: SessionClaim): void {
    const key = sessionKey(claim.tenantId, claim.clientId);
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const holder = this.#grant(claim);
      this.#entries.set(key, { holder, isKicked: false, waiting: null });
      return;
    }
    if (!mayTake(claim.userId, entry.holder.userId)) {
      this.#output.claimed(claim.thread, claim.request, ClaimStatus.WRONG_USER, 0);
      return;
    }
    const overtaken = entry.waiting;
    entry.waiting = claim;
    if (overtaken !== null) {
      this.#output.claimed(overtaken.thread, overtaken.request, ClaimStatus.SUPERSEDED, 0);
    }
    this.#kick(entry);
  }

  /**
   * Ignores epochs that are not held: a lost worker's last words, or a holder that lost against a
   * newer claim.
   */
  release(tenantId: string, clientId: string, epoch: number): void {
    const key = sessionKey(tenantId, clientId);
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.holder.epoch === epoch) this.#vacate(key, entry);
  }

  /**
   * A holder tells the restarted owner what it holds. If somebody claimed the session before this
   * arrived, the newer one stays and this one is kicked.
   */
  reclaim(held: HeldSession): void {
    const key = sessionKey(held.tenantId, held.clientId);
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#entries.set(key, { holder: held, isKicked: false, waiting: null });
      return;
    }
    if (entry.holder.epoch < held.epoch) {
      const older = entry.holder;
      const mayNeedKick = !entry.isKicked;
      entry.holder = held;
      entry.isKicked = false;
      if (mayNeedKick) this.#output.kick(older.thread, older.tenantId, older.clientId, older.epoch);
      if (entry.waiting !== null) this.#kick(entry);
      return;
    }
    // Equal: told twice.
    if (entry.holder.epoch === held.epoch) return;
    this.#output.kick(held.thread, held.tenantId, held.clientId, held.epoch);
  }

  /** The worker died: what it held is free, what it waited for is forgotten. O(sessions); rare. */
  peerLost(thread: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.waiting?.thread === thread) entry.waiting = null;
      if (entry.holder.thread === thread) this.#vacate(key, entry);
    }
  }

  #kick(entry: Entry): void {
    if (entry.isKicked) return;
    entry.isKicked = true;
    const { thread, tenantId, clientId, epoch } = entry.holder;
    this.#output.kick(thread, tenantId, clientId, epoch);
  }

  #vacate(key: string, entry: Entry): void {
    const next = entry.waiting;
    if (next === null) {
      this.#entries.delete(key);
      return;
    }
    entry.waiting = null;
    entry.isKicked = false;
    entry.holder = this.#grant(next);
  }

  #grant(claim: SessionClaim): HeldSession {
    this.#lastEpoch += 1;
    const { tenantId, clientId, userId, thread } = claim;
    const holder = { tenantId, clientId, userId, thread, epoch: this.#lastEpoch };
    this.#output.claimed(thread, claim.request, ClaimStatus.GRANTED, holder.epoch);
    return holder;
  }
}
