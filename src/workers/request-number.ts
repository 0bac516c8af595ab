/**
 * Numbers for requests that wait for a reply record: 1..2^32-1, round and round. 0 means "no reply
 * wanted".
 * Thread: worker.
 */

const UINT32_MAX = 0xffff_ffff;

/**
 * The next number after `last` that is not waiting in `pending`; only after four billion requests
 * can one be.
 */
export function nextRequest(last: number, pending: ReadonlyMap<number, unknown>): number {
  let request = last;
  do {
    request = request === UINT32_MAX ? 1 : request + 1;
  } while (pending.has(request));
  return request;
}
