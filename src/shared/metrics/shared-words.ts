/**
 * Atomic 32-bit words that all threads share, beside the counter table: connection limits, the
 * accept token bucket, time, and how loaded each shared-group member is.
 *
 *   word 0              connections open in the whole process
 *   word 1              accept tokens left (main refills)
 *   word 2..63          connections per listener, by position in the configuration
 *   word 64..4031       of those, connections per worker and listener: what a worker that dies takes with it
 *   word 4032, 4033     the time of all threads (steady-clock.ts); a cache line of its own
 *   word 4048..         in-flight + queued shared messages, SHARE_SLOTS words per worker
 */

export const WORD_CONNECTIONS = 0;
export const WORD_ACCEPT_TOKENS = 1;
export const WORD_LISTENER_CONNECTIONS = 2;
export const MAX_LISTENERS = 62;
/**
 * 62: the match index keeps one bit per worker in two words of 31. The ring mesh grows with the
 * square of the threads; at this size it reserves about 1 GiB of address space.
 */
export const MAX_WORKERS = 62;
const WORD_WORKER_LISTENER = 64;
/** A multiple of 16 words: workers write to cache lines of their own. */
const WORKER_LISTENER_STRIDE = 64;
/** Seconds that stored state was ahead of the wall clock when the process started. */
export const WORD_CLOCK_RAISED = WORD_WORKER_LISTENER + MAX_WORKERS * WORKER_LISTENER_STRIDE;
/** Milliseconds. */
export const WORD_CLOCK_CORRECTION = WORD_CLOCK_RAISED + 1;
const CLOCK_STRIDE = 16;
const WORD_SHARE_LOAD = WORD_CLOCK_RAISED + CLOCK_STRIDE;
/**
 * Shared subscriptions per worker that "least in flight" can tell apart; further ones share slots.
 */
export const SHARE_SLOTS = 16_384;

/** Bytes of the words for `workerCount` workers. */
export function sharedWordsSize(workerCount: number): number {
  return (WORD_SHARE_LOAD + workerCount * SHARE_SLOTS) * Int32Array.BYTES_PER_ELEMENT;
}

/** Word that counts the connections of worker `threadIndex` (1..N) at one listener. */
export function workerListenerWord(threadIndex: number, listenerIndex: number): number {
  return WORD_WORKER_LISTENER + (threadIndex - 1) * WORKER_LISTENER_STRIDE + listenerIndex;
}

/** Word of shared slot `slot` (0..SHARE_SLOTS-1) of worker `threadIndex` (1..N). */
export function shareLoadWord(threadIndex: number, slot: number): number {
  return WORD_SHARE_LOAD + (threadIndex - 1) * SHARE_SLOTS + (slot % SHARE_SLOTS);
}
