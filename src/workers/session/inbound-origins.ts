/**
 * The QoS 2 publishes of a stored session by number, so that inbox ranges recognise their repeats
 * (shared/repeats/taken-publishes.ts).
 *
 * An identifier that the inbox had when the session attached is uncertain: its publish was on its
 * way into other inboxes, and whether they have it nobody here knows. When the client repeats it,
 * it goes to stored sessions once more, which take it once. Transient subscribers are spared,
 * unless the process has started since: those of before are gone, and those of now have not got it.
 * Thread: worker. Scope: one per stored session that publishes at QoS 2.
 */

import type { PublishOrigin } from "../../shared/mqtt/publish-origin.ts";
import { stableHashOfBytes } from "../../shared/range/stable-hash.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";

/** Enough to tell messages apart, whatever their size. */
const PAYLOAD_SAMPLE = 1024;

export class InboundOrigins {
  readonly #publisher: number;
  readonly #epoch: number;
  readonly #uncertain: Set<number>;
  readonly #isAfterRestart: boolean;
  #lastSequence = 0;
  /** By packet identifier: publishes that may be repeated, in order of sequence. */
  readonly #open = new Map<number, number>();
  /** Of those, refused ones of which the client may not know yet. */
  readonly #refused = new Set<number>();

  constructor(
    session: { readonly incarnation: number; readonly epoch: number },
    uncertain: readonly number[],
    isAfterRestart: boolean,
  ) {
    this.#publisher = session.incarnation;
    this.#epoch = session.epoch;
    this.#uncertain = new Set(uncertain);
    this.#isAfterRestart = isAfterRestart;
  }

  isUncertain(packetId: number): boolean {
    return this.#uncertain.has(packetId);
  }

  /**
   * PUBREL, which proves that PUBREC has arrived, and every refusal before it: whatever comes under
   * these identifiers is something else. That PUBREC was sent proves nothing: the connection may
   * have been dead.
   */
  settle(packetId: number): void {
    this.#uncertain.delete(packetId);
    const sequence = this.#open.get(packetId);
    if (sequence === undefined) return;
    this.#open.delete(packetId);
    for (const refused of this.#refused) {
      if ((this.#open.get(refused) ?? 0) > sequence) continue;
      this.#open.delete(refused);
      this.#refused.delete(refused);
    }
  }

  /** It is refused. A client that has not heard of it may repeat it, and some may have got it. */
  refuse(packetId: number): void {
    if (this.#open.has(packetId)) this.#refused.add(packetId);
  }

  /** Of a publish that is about to be distributed. */
  next(packetId: number, publish: BorrowedPublish, isRepeat: boolean): PublishOrigin {
    const isForStored = this.#uncertain.delete(packetId) && !this.#isAfterRestart;
    const settled = this.#settled;
    this.#lastSequence += 1;
    this.#refused.delete(packetId);
    this.#open.delete(packetId);
    this.#open.set(packetId, this.#lastSequence);
    return {
      publisher: this.#publisher,
      epoch: this.#epoch,
      packetId,
      sequence: this.#lastSequence,
      settled,
      fingerprint: fingerprintOf(publish),
      isRepeat,
      isForStored,
    };
  }

  /** Of all up to this one no repeat will come. */
  get #settled(): number {
    const [first] = this.#open.values();
    return first === undefined ? this.#lastSequence : first - 1;
  }
}

function fingerprintOf(publish: BorrowedPublish): number {
  const { topicBytes, topicOffset, topicLength } = publish;
  const { payloadBytes, payloadOffset, payloadLength } = publish;
  const topic = topicBytes.subarray(topicOffset, topicOffset + topicLength);
  const end = payloadOffset + Math.min(payloadLength, PAYLOAD_SAMPLE);
  const payload = payloadBytes.subarray(payloadOffset, end);
  const head = stableHashOfBytes(String(payloadLength), topic);
  return (head ^ stableHashOfBytes("", payload)) >>> 0;
}
