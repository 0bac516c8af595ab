/**
 * Bytes on their way to one client, gathered during a duty cycle so that they leave in one write.
 *
 * Contract (the implementation may chain chunks): `reserve(size)` makes room for `size` contiguous bytes and returns
 * the offset to write them at in `bytes`; the space counts as written. `bytes` may change with every `reserve`.
 * Idle connections hold no memory: chunks come from a per-worker pool and go back once written.
 */
export interface OutputBuffer {
  /** The chunk that the last `reserve` pointed into. */
  readonly bytes: Uint8Array;
  /** Bytes reserved and not yet flushed. */
  readonly size: number;
  reserve(size: number): number;
}
