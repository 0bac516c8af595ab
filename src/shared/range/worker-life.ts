/**
 * The number that names one life of one worker, in batches and in attachments: who proposed, and
 * whom to answer. It is unique for ever, as far as chance allows, because logs outlive processes.
 *
 *   boot = process: 36 random bits | start: the worker's incarnation, 16 bits          < 2^52
 */

const STARTS = 0x1_0000;
/** Exclusive bound of a process's part. */
export const PROCESS_NUMBER_BOUND = 2 ** 36;

/**
 * `processNumber`: random, one per start of the process; `incarnation`: grows with worker starts.
 */
export function workerBoot(processNumber: number, incarnation: number): number {
  return processNumber * STARTS + (incarnation % STARTS);
}

export function processOf(boot: number): number {
  return Math.floor(boot / STARTS);
}

/** Modulo 65,536: a process does not restart its workers that often. */
export function incarnationOf(boot: number): number {
  return boot % STARTS;
}
