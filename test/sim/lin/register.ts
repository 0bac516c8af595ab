/**
 * A register that can be read, written, and written if it holds an expected value, and the check of
 * a history over many registers: linearizability is local, so each key is decided alone (Herlihy
 * and Wing, theorem 1), which turns one exponential search into many small ones.
 */

import { checkHistory, DEFAULT_STEP_LIMIT } from "./check-history.ts";
import {
  type CheckResult,
  type Operation,
  REFUSED,
  type SequentialModel,
  type Verdict,
} from "./operation.ts";

/** What an unwritten register holds. Written values are 0 or above. */
export const ABSENT = -1;

export type RegisterOperation = Operation & { readonly key: number } & (
    | { readonly kind: "read"; readonly value: number }
    | { readonly kind: "write"; readonly value: number }
    | {
        readonly kind: "swap";
        readonly expected: number;
        readonly value: number;
        /** Whether it replaced; null when the answer never came. */
        readonly isDone: boolean | null;
      }
  );

export const REGISTER: SequentialModel<RegisterOperation> = {
  initialState: ABSENT,
  apply(state, operation) {
    if (operation.kind === "write") return operation.value;
    if (operation.kind === "read") return state === operation.value ? state : REFUSED;
    const replaces = state === operation.expected;
    if (operation.isDone !== null && operation.isDone !== replaces) return REFUSED;
    return replaces ? operation.value : state;
  },
};

export interface KeyVerdict extends CheckResult {
  readonly key: number;
  readonly operations: readonly RegisterOperation[];
}

/** The keys that are not proven linearizable; empty when all is well. */
export function checkRegisters(
  operations: readonly RegisterOperation[],
  stepLimit: number = DEFAULT_STEP_LIMIT,
): KeyVerdict[] {
  const byKey = new Map<number, RegisterOperation[]>();
  for (const operation of operations) {
    // A read without an answer saw nothing and changed nothing.
    if (operation.kind === "read" && operation.returnedAt === Infinity) continue;
    const others = byKey.get(operation.key);
    if (others === undefined) byKey.set(operation.key, [operation]);
    else others.push(operation);
  }
  return [...byKey]
    .map(([key, own]) => ({ key, operations: own, ...checkHistory(REGISTER, own, stepLimit) }))
    .filter(({ verdict }) => verdict !== "linearizable");
}

/** The verdict on a whole history: the worst of its keys'. */
export function verdictOf(operations: readonly RegisterOperation[]): Verdict {
  const doubtful = checkRegisters(operations);
  if (doubtful.some(({ verdict }) => verdict === "violated")) return "violated";
  return doubtful.length > 0 ? "unknown" : "linearizable";
}
