/**
 * Decides whether a history of one object is linearizable: whether its operations can be put in one
 * order that the sequential model allows and that never puts an operation before one that had
 * already returned when it was called.
 *
 * The algorithm of Wing and Gong with Lowe's memory of visited states: walk along the time line,
 * place any operation that the model allows, start again from the earliest event left; at a return
 * of an operation that is not placed yet, take the newest placement back and go on behind it.
 * Exponential in the number of concurrent operations at worst, hence the limit of steps.
 */

import { type CheckResult, type Operation, REFUSED, type SequentialModel } from "./operation.ts";
import { TimeLine } from "./time-line.ts";
import { VisitedStates } from "./visited-states.ts";

/** 4 million placements take a few seconds; histories that need more hold too many lost answers. */
export const DEFAULT_STEP_LIMIT = 1 << 22;

export function checkHistory<Op extends Operation>(
  model: SequentialModel<Op>,
  operations: readonly Op[],
  stepLimit: number = DEFAULT_STEP_LIMIT,
): CheckResult {
  const search = new Search(model, operations);
  for (let step = 0; step < stepLimit; step += 1) {
    if (search.isComplete) return { verdict: "linearizable", longestOrder: search.placed };
    if (!search.advance()) return { verdict: "violated", longestOrder: search.longest };
  }
  return { verdict: "unknown", longestOrder: search.longest };
}

class Search<Op extends Operation> {
  readonly #model: SequentialModel<Op>;
  readonly #operations: readonly Op[];
  readonly #line: TimeLine;
  readonly #visited: VisitedStates;
  /** Operations in the order tried now, and the state in front of each. */
  readonly placed: number[] = [];
  readonly #statesBefore: number[] = [];
  longest: readonly number[] = [];
  /** Answered operations that have no place yet; the others need none. */
  #unplaced: number;
  #state: number;
  #event: number;

  constructor(model: SequentialModel<Op>, operations: readonly Op[]) {
    this.#model = model;
    this.#operations = operations;
    this.#line = new TimeLine(operations);
    this.#visited = new VisitedStates(operations.length);
    this.#unplaced = operations.filter((operation) => isAnswered(operation)).length;
    this.#state = model.initialState;
    this.#event = this.#line.first;
  }

  get isComplete(): boolean {
    return this.#unplaced === 0;
  }

  /** One event further; false when every order has failed. */
  advance(): boolean {
    if (!this.#line.isCall(this.#event)) return this.#takeBack();
    if (!this.#tryPlace(this.#event)) this.#event = this.#line.after(this.#event);
    return true;
  }

  #tryPlace(position: number): boolean {
    const operation = this.#operations[position] as Op;
    const state = this.#model.apply(this.#state, operation);
    if (state === REFUSED) return false;
    this.#visited.toggle(position);
    if (!this.#visited.enter(state)) {
      this.#visited.toggle(position);
      return false;
    }
    this.#statesBefore.push(this.#state);
    this.placed.push(position);
    this.#state = state;
    this.#line.lift(position);
    if (isAnswered(operation)) this.#unplaced -= 1;
    this.#event = this.#line.first;
    return true;
  }

  #takeBack(): boolean {
    if (this.placed.length > this.longest.length) this.longest = this.placed.slice();
    const position = this.placed.pop();
    if (position === undefined) return false;
    this.#state = this.#statesBefore.pop() as number;
    this.#visited.toggle(position);
    this.#line.putBack(position);
    if (isAnswered(this.#operations[position] as Op)) this.#unplaced += 1;
    this.#event = this.#line.after(position);
    return true;
  }
}

function isAnswered(operation: Operation): boolean {
  return operation.returnedAt !== Infinity;
}
