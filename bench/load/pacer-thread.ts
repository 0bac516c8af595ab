/**
 * The sleeping half of pacer.ts. A wake-up that the event loop has not served yet is not repeated.
 */

import { parentPort, workerData } from "node:worker_threads";
import { nowMicros } from "./clock.ts";
import { PACER_PENDING_WORD, PACER_STOP_WORD, PACER_TICK_WORD, type PacerBoot } from "./pacer.ts";

const boot = workerData as PacerBoot;
const words = new Int32Array(boot.words);
let tick = 0;

while (Atomics.load(words, PACER_STOP_WORD) === 0) {
  const now = nowMicros();
  tick = Math.max(tick + 1, Math.floor((now - boot.startMicros) / boot.tickMicros) + 1);
  const sleepMs = (boot.startMicros + tick * boot.tickMicros - now) / 1000;
  Atomics.wait(words, PACER_STOP_WORD, 0, sleepMs);
  Atomics.store(words, PACER_TICK_WORD, tick);
  if (Atomics.exchange(words, PACER_PENDING_WORD, 1) === 0) parentPort?.postMessage(0);
}
