/** A time limit for answers of providers. Thread: worker. */

import { PatientTimer } from "../../platform/patient-timer.ts";

export class TimeLimitError extends Error {
  override readonly name = "TimeLimitError";
}

/**
 * Settles like `answer`, or rejects with TimeLimitError after `limitMs`. A late answer is ignored,
 * a late rejection too: it must not surface as an unhandled one.
 */
export function withTimeLimit<T>(answer: PromiseLike<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = new PatientTimer(() => {
      reject(new TimeLimitError(`no answer within ${limitMs} ms`));
    }, limitMs);
    Promise.resolve(answer)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
