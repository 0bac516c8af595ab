/**
 * Long work on a range in pieces: a machine yields after each, some hundred rows or sessions at
 * most, and its worker does as many as fit between two looks at the sockets. Time stays with the
 * worker: what comes out does not depend on where it pauses. Thread: worker.
 */

/** Ends with the result of the work. */
export type Steps<Result> = Generator<void, Result, void>;

/** Goes on until the work is over or `isTimeUp`; null: it is not over. */
export function runSteps<Result>(
  steps: Steps<Result>,
  isTimeUp: () => boolean,
): { readonly result: Result } | null {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return { result: value };
    if (isTimeUp()) return null;
  }
}
