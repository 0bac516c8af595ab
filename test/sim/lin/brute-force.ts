/**
 * The definition of linearizability, tried out without any cleverness: every order of the answered
 * operations and of every choice of unanswered ones. The oracle for histories of up to seven.
 */

import { REFUSED } from "./operation.ts";
import { REGISTER, type RegisterOperation } from "./register.ts";

export function hasLegalOrder(operations: readonly RegisterOperation[]): boolean {
  return canFinish(REGISTER.initialState, operations);
}

function canFinish(state: number, left: readonly RegisterOperation[]): boolean {
  if (left.every(({ returnedAt }) => returnedAt === Infinity)) return true;
  return left.some((candidate) => {
    const mustWait = left.some(({ returnedAt }) => returnedAt < candidate.calledAt);
    if (mustWait) return false;
    const next = REGISTER.apply(state, candidate);
    if (next === REFUSED) return false;
    return canFinish(
      next,
      left.filter((operation) => operation !== candidate),
    );
  });
}
