/**
 * What is counted against quotas of the whole node, in memory that all workers share: per tenant,
 * and of all tenants together.
 *
 * A tenant's sessions, messages and topics are spread over the ranges of all workers, and whoever
 * proposes a command that may add some cannot wait for an answer of the others. So it enters what
 * the command may add as reserved *before* it reads what is left, and takes it out when the command
 * is answered; by then the range's worker has entered what has come of it as held:
 *
 * ```
 *   proposer         reserve ─▶ room: limit - reserved - held ─▶ command, with the room ─▶ ... ─▶ release
 *   range's worker                                                 applied: hold ─▶ answer
 * ```
 *
 * Of two proposers at least one reads what the other has reserved, so both together never get more
 * than is left, and a quota is never overstepped. What is under way counts in full until it is
 * answered: a command may be refused although it would have fitted a moment later.
 *
 * Every word is written by one worker. The atomic step on an account's fence, before each reading,
 * is what orders them: who comes second sees all that the first has written before.
 * Thread: worker; main clears what a dead one had reserved. Scope: one per worker.
 */

import { stableHash } from "../range/stable-hash.ts";

/**
 * What is counted; bytes of sessions that are not stored lie in no range and are never reserved.
 */
export const Quota = {
  SESSIONS: 0,
  RETAINED_TOPICS: 1,
  RETAINED_BYTES: 2,
  QUEUE_BYTES: 3,
  TRANSIENT_BYTES: 4,
} as const;
export type Quota = (typeof Quota)[keyof typeof Quota];

/**
 * Tenants with an account of their own. Tenants come from the operator's files; one beyond that
 * number shares the account of another, and may be refused early.
 */
const ACCOUNTS = 16_384;
/** Account 0 is that of all tenants together. */
const ALL_TENANTS = 0;
/**
 * Numbers of one worker in one account: a cache line of what is held, and one of what is reserved.
 */
const RESERVED = 8;
const ROW = 16;
const NUMBER_BYTES = 8;
const OWNER_BYTES = 8;
const FENCE_BYTES = 4;

/** Memory for `workerCount` workers; pages that no account uses take none. */
export function createQuotaMemory(workerCount: number): SharedArrayBuffer {
  const accountBytes = workerCount * ROW * NUMBER_BYTES + OWNER_BYTES + FENCE_BYTES;
  return new SharedArrayBuffer(ACCOUNTS * accountBytes);
}

interface Parts {
  /** Whose an account is: a hash of the tenant's name; 0 = nobody's yet. */
  readonly owners: BigInt64Array;
  readonly fences: Int32Array;
  readonly numbers: Float64Array;
  readonly workerCount: number;
}

function partsOf(memory: SharedArrayBuffer): Parts {
  const numberBytes = memory.byteLength - ACCOUNTS * (OWNER_BYTES + FENCE_BYTES);
  const numberCount = numberBytes / NUMBER_BYTES;
  return {
    numbers: new Float64Array(memory, 0, numberCount),
    owners: new BigInt64Array(memory, numberBytes, ACCOUNTS),
    fences: new Int32Array(memory, numberBytes + ACCOUNTS * OWNER_BYTES, ACCOUNTS),
    workerCount: numberCount / ACCOUNTS / ROW,
  };
}

/** One tenant's, or that of all tenants, as one worker sees it. */
export class QuotaAccount {
  readonly #parts: Parts;
  readonly #slot: number;
  /** First number of all workers, and of this one. */
  readonly #first: number;
  readonly #own: number;
  /** Of this worker: what it has entered as held. */
  readonly #held = new Float64Array(RESERVED);

  constructor(parts: Parts, slot: number, threadIndex: number) {
    this.#parts = parts;
    this.#slot = slot;
    this.#first = slot * parts.workerCount * ROW;
    this.#own = this.#first + (threadIndex - 1) * ROW;
  }

  /** What this worker has of it now. */
  hold(quota: Quota, amount: number): void {
    this.#parts.numbers[this.#own + quota]! += amount - this.#held[quota]!;
    this.#held[quota] = amount;
  }

  /** A command may add so much; to be released when it is answered. */
  reserve(quota: Quota, amount: number): void {
    this.#parts.numbers[this.#own + RESERVED + quota]! += amount;
  }

  /** What has come of the command is held by now. */
  release(quota: Quota, amount: number): void {
    this.#fence();
    this.#parts.numbers[this.#own + RESERVED + quota]! -= amount;
  }

  /**
   * What is left of `limit`, at least 0, for who has just reserved `own` of it: all that is held,
   * and all that others have reserved, is taken.
   */
  room(quota: Quota, limit: number, own: number): number {
    this.#fence();
    // In this order: what moves from one to the other meanwhile counts twice rather than never.
    const reserved = this.#sum(RESERVED + quota);
    this.#fence();
    return Math.max(0, limit - (reserved - own) - this.#sum(quota));
  }

  /** Held by all workers. */
  held(quota: Quota): number {
    return this.#sum(quota);
  }

  #sum(column: number): number {
    const { numbers, workerCount } = this.#parts;
    let sum = 0;
    const end = this.#first + workerCount * ROW;
    for (let at = this.#first + column; at < end; at += ROW) sum += numbers[at]!;
    return sum;
  }

  #fence(): void {
    Atomics.add(this.#parts.fences, this.#slot, 1);
  }
}

export class QuotaLedger {
  /** Of all tenants together. */
  readonly all: QuotaAccount;
  readonly #parts: Parts;
  readonly #threadIndex: number;
  readonly #accounts = new Map<string, QuotaAccount>();
  /** By account and quota: what this thread's predecessor held, as long as it is not replaced. */
  readonly #inherited: { at: number; quota: number; amount: number }[] = [];

  constructor(memory: SharedArrayBuffer, threadIndex: number) {
    this.#parts = partsOf(memory);
    this.#threadIndex = threadIndex;
    this.#noteInherited();
    this.all = new QuotaAccount(this.#parts, ALL_TENANTS, threadIndex);
  }

  account(tenantId: string): QuotaAccount {
    let account = this.#accounts.get(tenantId);
    if (account === undefined) {
      account = new QuotaAccount(this.#parts, this.#claim(tenantId), this.#threadIndex);
      this.#accounts.set(tenantId, account);
    }
    return account;
  }

  /** Tenants that this worker has asked for. */
  tenants(): Iterable<string> {
    return this.#accounts.keys();
  }

  /**
   * This worker has told anew all that it holds of `quota`: what its predecessor held counts no
   * more. Until then it does, because it is still stored.
   */
  dropInherited(quota: Quota): void {
    for (let at = this.#inherited.length - 1; at >= 0; at--) {
      const inherited = this.#inherited[at]!;
      if (inherited.quota !== quota) continue;
      this.#parts.numbers[inherited.at]! -= inherited.amount;
      this.#inherited.splice(at, 1);
    }
  }

  #noteInherited(): void {
    eachNumber(this.#parts, this.#threadIndex, (at, column) => {
      const amount = this.#parts.numbers[at]!;
      if (column < RESERVED && amount !== 0) {
        this.#inherited.push({ at, quota: column, amount });
      }
    });
  }

  #claim(tenantId: string): number {
    const { owners } = this.#parts;
    const high = BigInt(stableHash(tenantId, ""));
    const owner = (high << 31n) | BigInt(stableHash("", tenantId) >>> 1) | 1n;
    const start = Number(high) % (ACCOUNTS - 1);
    for (let probe = 0; probe < ACCOUNTS - 1; probe++) {
      const slot = 1 + ((start + probe) % (ACCOUNTS - 1));
      const found = Atomics.compareExchange(owners, slot, 0n, owner);
      if (found === 0n || found === owner) return slot;
    }
    return 1 + start;
  }
}

/** `threadIndex` has died: nobody waits for its commands, and its own sessions are gone. */
export function clearQuotas(memory: SharedArrayBuffer, threadIndex: number): void {
  const parts = partsOf(memory);
  eachNumber(parts, threadIndex, (at, column) => {
    if (column >= RESERVED || column === Quota.TRANSIENT_BYTES) parts.numbers[at] = 0;
  });
}

/** The numbers of one worker in the accounts that are somebody's. Cold. */
function eachNumber(
  { owners, workerCount }: Parts,
  threadIndex: number,
  take: (at: number, column: number) => void,
): void {
  for (let slot = 0; slot < ACCOUNTS; slot++) {
    if (slot !== ALL_TENANTS && Atomics.load(owners, slot) === 0n) continue;
    const first = (slot * workerCount + threadIndex - 1) * ROW;
    for (let column = 0; column < ROW; column++) take(first + column, column);
  }
}
