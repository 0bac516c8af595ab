/**
 * Slows down guessing: each failed login takes a token from its remote address, and an address
 * without tokens is refused before anything is hashed. Successes take nothing, so that a thousand
 * honest devices behind one address reconnect at full speed.
 *
 * The map is bounded; the address that failed longest ago is forgotten first. Time is an argument.
 * Thread: worker. Scope: one per worker, kept over reloads (a reload must not hand out a fresh
 * budget).
 */

/** Failures an address may make in a row, and how fast it earns new ones. */
const BURST = 20;
const REFILL_PER_SECOND = 1;
/** 10 000 entries are about 1.5 MiB per worker. */
const MAX_ADDRESSES = 10_000;

interface FailureBudget {
  tokens: number;
  refilledAtMs: number;
}

export class FailureLimiter {
  /**
   * Map keeps the order of insertion; a failing address is inserted anew, so the first is the
   * oldest.
   */
  readonly #budgets = new Map<string, FailureBudget>();

  get size(): number {
    return this.#budgets.size;
  }

  /** True when the address has used up its failures. `nowMs` must not run backwards. */
  isBlocked(remoteAddress: string, nowMs: number): boolean {
    const budget = this.#budgets.get(budgetKey(remoteAddress));
    if (budget === undefined) return false;
    refill(budget, nowMs);
    return budget.tokens < 1;
  }

  recordFailure(remoteAddress: string, nowMs: number): void {
    const key = budgetKey(remoteAddress);
    const budget = this.#budgets.get(key) ?? { tokens: BURST, refilledAtMs: nowMs };
    refill(budget, nowMs);
    budget.tokens = Math.max(0, budget.tokens - 1);
    this.#budgets.delete(key);
    this.#budgets.set(key, budget);
    if (this.#budgets.size <= MAX_ADDRESSES) return;
    for (const oldest of this.#budgets.keys()) {
      this.#budgets.delete(oldest);
      return;
    }
  }
}

function refill(budget: FailureBudget, nowMs: number): void {
  const elapsedMs = Math.max(0, nowMs - budget.refilledAtMs);
  budget.tokens = Math.min(BURST, budget.tokens + (elapsedMs * REFILL_PER_SECOND) / 1000);
  budget.refilledAtMs = nowMs;
}

/**
 * IPv4 addresses count one by one, IPv6 by /64: that is what one customer gets, and can change
 * address within.
 */
function budgetKey(remoteAddress: string): string {
  if (!remoteAddress.includes(":")) return remoteAddress;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [head = "", tail] = remoteAddress.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  // `::` stands for at least one group of zeros; only what it pushes out of the first four matters
  // here.
  if (tail !== undefined) {
    const tailGroups = tail === "" ? [] : tail.split(":");
    while (groups.length + tailGroups.length < 8) groups.push("0");
    groups.push(...tailGroups);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
