/** Work in steps: done to its end without a pause, and what one step takes. */

import type { KeyValueReader } from "../../src/shared/range/key-value.ts";
import type { Steps } from "../../src/shared/range/steps.ts";

export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Rows that each step of `work` reads. */
export function rowsPerStep<Result>(
  store: KeyValueReader,
  work: (reader: KeyValueReader) => Steps<Result>,
): { readonly result: Result; readonly rows: readonly number[] } {
  const rows: number[] = [];
  let read = 0;
  const counting: KeyValueReader = {
    get: (key) => {
      read += 1;
      return store.get(key);
    },
    scan: (...bounds) => {
      const page = store.scan(...bounds);
      read += page.length;
      return page;
    },
  };
  const steps = work(counting);
  for (;;) {
    const { done, value } = steps.next();
    rows.push(read);
    read = 0;
    if (done === true) return { result: value, rows };
  }
}
