/**
 * Clears what a dead worker left in shared memory: its gauges, its part of the connection counts
 * that limits are checked against, and the load of its shared subscriptions. Its counters stay; its
 * successor counts on from there.
 *
 * Thread: main, after the worker's thread has ended and before its successor starts: nobody else
 * writes that row then.
 */

import { COUNTERS, counterRow } from "../shared/metrics/counter-table.ts";
import {
  MAX_LISTENERS,
  SHARE_SLOTS,
  shareLoadWord,
  WORD_CONNECTIONS,
  WORD_LISTENER_CONNECTIONS,
  workerListenerWord,
} from "../shared/metrics/shared-words.ts";

export function clearDeadWorker(
  counters: SharedArrayBuffer,
  words: SharedArrayBuffer,
  threadIndex: number,
): void {
  const row = counterRow(counters, threadIndex);
  for (const [column, definition] of COUNTERS.entries()) {
    if (definition.kind === "gauge") row[column] = 0;
  }
  const shared = new Int32Array(words);
  for (let listener = 0; listener < MAX_LISTENERS; listener++) {
    const lost = Atomics.exchange(shared, workerListenerWord(threadIndex, listener), 0);
    Atomics.sub(shared, WORD_LISTENER_CONNECTIONS + listener, lost);
    Atomics.sub(shared, WORD_CONNECTIONS, lost);
  }
  const firstShareWord = shareLoadWord(threadIndex, 0);
  shared.fill(0, firstShareWord, firstShareWord + SHARE_SLOTS);
}
