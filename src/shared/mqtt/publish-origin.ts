/**
 * Which QoS 2 publish of a stored session a message is, so that its repeat is recognised where it
 * has been stored, also after a crash: the packet identifier alone is kept in another range, which
 * may be ahead or behind.
 */

export interface PublishOrigin {
  /** Incarnation of the publishing session. */
  readonly publisher: number;
  /** Of its attachment. */
  readonly epoch: number;
  readonly packetId: number;
  /** Number among the QoS 2 publishes of the attachment, from 1. */
  readonly sequence: number;
  /** PUBREL has come for all up to this one, so no repeat of them will. */
  readonly settled: number;
  /** Of topic and payload: identifiers are used again. */
  readonly fingerprint: number;
  /** DUP. */
  readonly isRepeat: boolean;
  /** Transient subscribers have got it before, or are to be spared. Not for the log. */
  readonly isForStored: boolean;
}
