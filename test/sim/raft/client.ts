/**
 * A client of the simulated store: one operation at a time, sent to the node that it believes to
 * lead, sent again elsewhere when no answer comes. Every try of a command has the same session and
 * sequence; a read that got lost is simply forgotten.
 *
 * Writes carry values that nobody else writes, so a read names the very write that it saw.
 */

import type { SimRandom } from "../kernel/sim-random.ts";
import { ABSENT } from "../lin/register.ts";
import { encodeCommand } from "./kv-command.ts";
import type { Profile } from "./profile.ts";

/** Tries of one command before the client lets it go, its outcome unknown for ever. */
const MAX_TRIES = 6;
/** Values of one client: its number times this, plus the command's sequence. */
const VALUES_PER_CLIENT = 2 ** 20;

/** What a node is asked. `request` is unique over the whole run and all tries. */
export interface ClientRequest {
  readonly request: number;
  readonly client: number;
  readonly session: number;
  readonly sequence: number;
  readonly key: number;
  /** Null for a read. */
  readonly command: Uint8Array | null;
  /** No answer to this read may be older: the newest index acknowledged when it was called. */
  readonly floor: number;
}

/** What a client is told. A command's result is 1 or 0, a read's the value. */
export interface ClientReply {
  readonly request: number;
  readonly client: number;
  readonly outcome: "done" | "refused";
  readonly result: number;
  /** Where the log stood for it. */
  readonly index: number;
  /** Who leads, as far as the node knows; NO_REPLICA when it does not. */
  readonly leader: number;
}

export interface ClientOperation {
  readonly kind: "read" | "write" | "swap";
  readonly key: number;
  readonly value: number;
  readonly expected: number;
  readonly sequence: number;
  readonly command: Uint8Array | null;
  readonly calledAt: number;
  readonly floor: number;
}

export class SimClient {
  readonly number: number;
  readonly #random: SimRandom;
  readonly #profile: Profile;
  readonly #known: Int32Array;
  /** Replicas that it knows of. */
  candidates: readonly number[];
  /** How often it asks the same node again that did not answer. */
  stubbornShare: number;
  #sequence = 0;
  #tries = 0;
  #request = 0;
  operation: ClientOperation | null = null;
  /** Number of the replica that it asks next. */
  target: number;
  doneCount = 0;
  /** Of these, commands. */
  commandCount = 0;

  constructor(number: number, random: SimRandom, profile: Profile) {
    this.number = number;
    this.#random = random;
    this.#profile = profile;
    this.stubbornShare = profile.stubbornShare;
    this.#known = new Int32Array(profile.keyCount).fill(ABSENT);
    this.candidates = Array.from({ length: profile.nodeCount }, (_none, node) => node + 1);
    this.target = random.pick(this.candidates);
  }

  /** Begins an operation at time `now` (any clock that never stands still between events). */
  begin(now: number, floor: number, isLull: boolean): void {
    const { readShare, swapShare, keyCount, roamShare } = this.#profile;
    if (this.#random.chance(roamShare)) this.target = this.#random.pick(this.candidates);
    const key = this.#random.below(keyCount);
    const isRead = this.#random.chance(readShare) || isLull;
    const isSwap = this.#random.chance(swapShare);
    this.#tries = 0;
    if (isRead) {
      const read = { kind: "read", value: ABSENT, expected: ABSENT, sequence: 0 } as const;
      this.operation = { ...read, key, command: null, calledAt: now, floor };
      return;
    }
    this.#sequence += 1;
    const sequence = this.#sequence;
    const value = this.number * VALUES_PER_CLIENT + sequence;
    const expected = this.#known[key] as number;
    const session = this.number;
    const command = { session, sequence, key, value, expected: isSwap ? expected : null };
    const bytes = encodeCommand(command);
    const kind = isSwap ? "swap" : "write";
    this.operation = { kind, key, value, expected, sequence, command: bytes, calledAt: now, floor };
  }

  /** The next try of the operation; `request` identifies it. */
  ask(request: number): ClientRequest {
    const operation = this.operation as ClientOperation;
    const { key, sequence, command, floor } = operation;
    this.#request = request;
    this.#tries += 1;
    return { request, client: this.number, session: this.number, sequence, key, command, floor };
  }

  /** Whether a reply, or the end of patience, belongs to the newest try. */
  awaits(request: number): boolean {
    return this.operation !== null && this.#request === request;
  }

  /** The operation is over, its result known. */
  finish(result: number): void {
    const operation = this.operation as ClientOperation;
    const { key, kind, value } = operation;
    if (kind === "read") this.#known[key] = result;
    else if (result === 1) this.#known[key] = value;
    this.operation = null;
    this.#request = 0;
    this.doneCount += 1;
    if (kind !== "read") this.commandCount += 1;
  }

  /** No answer, or a refusal. True: try again; false: give it up. */
  shallRetry(leader: number): boolean {
    this.#request = 0;
    const isStubborn = this.#random.chance(this.stubbornShare);
    if (leader > 0) this.target = leader;
    else if (!isStubborn) this.target = this.#random.pick(this.candidates);
    const isRead = this.operation?.kind === "read";
    return !isRead && this.#tries < MAX_TRIES;
  }

  giveUp(): void {
    this.operation = null;
    this.#request = 0;
  }

  thinkUs(): number {
    return this.#random.below(this.#profile.thinkMaxUs) + 1;
  }
}
