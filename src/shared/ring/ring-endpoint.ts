/**
 * What the rest of the broker sees of the rings: one endpoint per thread, with a ring to and from
 * every thread, itself included (a record to oneself takes the same path, so that a service never
 * shares objects with its caller).
 */

/**
 * Returned by `tryClaim` when the target's ring has no room, or earlier records to it still wait in
 * the queue. Nothing announces room later: drop the record, or hand it to `enqueue`, which sends it
 * when it can.
 */
export const RING_FULL = -1;

/** `bytes` is borrowed: valid until the handler returns. */
export type RecordHandler = (
  bytes: Uint8Array,
  offset: number,
  length: number,
  source: number,
) => void;

export interface RingEndpoint {
  /** 0 = main, 1..N = workers. */
  readonly threadIndex: number;
  readonly threadCount: number;
  /** Memory of the claimed record; valid from `tryClaim` to `commit` or `abort`. */
  readonly claimBytes: Uint8Array;
  /** Largest payload in bytes that `tryClaim` takes; `enqueue` takes any size. */
  readonly maxClaimSize: number;

  setHandler(type: number, handler: RecordHandler): void;

  /**
   * Claims `size` payload bytes on the way to `target`: the caller writes claimBytes[offset ..
   * offset+size) and calls `commit`, or `abort`. One claim at a time. Returns the offset, or
   * RING_FULL. Asserts size <= maxClaimSize.
   */
  tryClaim(target: number, type: number, size: number): number;
  commit(): void;
  abort(): void;

  /**
   * Sends a copy of bytes[start, end) reliably and in order after all earlier records to `target`;
   * queues when full.
   */
  enqueue(target: number, type: number, bytes: Uint8Array, start: number, end: number): void;
  /** Bytes waiting in the sender's queue towards `target`, 8 more per record for its header. */
  queuedBytes(target: number): number;
  /**
   * Stop reading publishers' sockets. True from when any target's queue passes the mark
   * (`congestionBytes` of its ring, see ring-layout.ts) until every queue has fallen to half of it.
   */
  readonly isCongested: boolean;
  /** Called from `flush` or `replacePeer` when isCongested turns false. */
  onRelief: (() => void) | null;

  /**
   * Hands up to `limit` waiting records per source to their handlers; returns how many. A handler
   * may claim and enqueue, to its own thread too, but must close its claim, and may not call
   * `drain`.
   */
  drain(limit: number): number;
  /**
   * End of a duty cycle: moves queued records into rings and rings the bell of every parked target
   * once.
   */
  flush(): void;
  /**
   * Declares this thread about to sleep. False: something arrived, found room or was sent without
   * `flush` meanwhile: run another duty cycle. True: a bell comes with the next record, and also
   * when a queue can move on.
   */
  tryPark(): boolean;
  /** Awake again, whatever the reason: no bells until the next tryPark. */
  unpark(): void;
  /** A restarted peer has fresh rings; everything queued for the old one is discarded. */
  replacePeer(peer: number, inbound: SharedArrayBuffer, outbound: SharedArrayBuffer): void;
}
