/**
 * From socket chunks to packets: decodes as long as whole packets are there and nothing pauses the session, and keeps
 * the rest. The common chunk holds whole packets only and is never copied.
 *
 * Flow: publish 2/8. Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { type DecodeOptions, decodePacket } from "../../shared/mqtt/decoder.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import { dispatch } from "./dispatch.ts";
import { refuseConnect } from "./refuse-connect.ts";
import type { Session } from "./session.ts";
import { PauseReason, Phase } from "./session-state.ts";

const FIRST_TAIL_SIZE = 512;

/** Bytes that arrived and are not processed: an incomplete packet, or everything behind a pause. */
export class InputTail {
  #bytes: Uint8Array | null = null;
  #size = 0;
  /** True while packets are being handled: a resume from inside one leaves the rest to the loop that runs. */
  isBusy = false;

  get size(): number {
    return this.#size;
  }

  get bytes(): Uint8Array | null {
    return this.#bytes;
  }

  /** Grows with what really arrived, never with what a length field promises. */
  append(source: Uint8Array, start: number, end: number): void {
    const needed = this.#size + (end - start);
    if (this.#bytes === null || this.#bytes.length < needed) {
      const capacity = Math.max(FIRST_TAIL_SIZE, needed, this.#size * 2);
      const grown = new Uint8Array(capacity);
      if (this.#bytes !== null) grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    this.#bytes.set(source.subarray(start, end), this.#size);
    this.#size = needed;
  }

  /** Forgets the first `count` bytes; empty, the tail holds no memory. */
  consume(count: number): void {
    if (count === this.#size) {
      this.release();
      return;
    }
    if (count === 0 || this.#bytes === null) return;
    this.#bytes.copyWithin(0, count, this.#size);
    this.#size -= count;
  }

  release(): void {
    this.#bytes = null;
    this.#size = 0;
  }
}

/** Reused for every call; `decodePacket` only reads it. */
const options: { -readonly [Key in keyof DecodeOptions]: DecodeOptions[Key] } = {
  protocolVersion: 0,
  maxPacketSize: 0,
  topicAliasMaximum: 0,
};

/** Handles bytes[start, end) behind what waits already; `bytes` null: only what waits. */
export function processInput(
  session: Session,
  bytes: Uint8Array | null,
  start: number,
  end: number,
): void {
  const tail = session.input;
  if (tail.isBusy) return;
  if (bytes !== null && tail.size === 0 && session.canRead) {
    const used = processPackets(session, bytes, start, end);
    if (session.phase !== Phase.CLOSED && used < end) tail.append(bytes, used, end);
    return;
  }
  if (bytes !== null) tail.append(bytes, start, end);
  const limit = session.context.config.limits.preAuthBytes;
  if (session.phase < Phase.ACTIVE && tail.size > limit) {
    session.transport.destroy();
    return;
  }
  if (!session.canRead || tail.bytes === null) return;
  const used = processPackets(session, tail.bytes, 0, tail.size);
  if (session.phase !== Phase.CLOSED) tail.consume(used);
}

/** Returns the index of the first byte not processed. */
function processPackets(session: Session, bytes: Uint8Array, start: number, end: number): number {
  const { context } = session;
  const { view, counters } = context;
  let at = start;
  session.input.isBusy = true;
  while (at < end && session.canRead) {
    setOptions(session);
    const size = decodePacket(view, bytes, at, end, options);
    if (size === 0) break;
    if (size < 0) {
      failInput(session, -size, view.faultText);
      break;
    }
    at += size;
    counters[Counter.PACKETS_RECEIVED]! += 1;
    if (session.tenant !== null) session.tenant.counters.messagesReceived += 1;
    dispatch(session, view);
    if (context.isCongested() && view.type === PacketType.PUBLISH) {
      session.pause(PauseReason.CONGESTION);
      context.noteCongested(session);
    }
  }
  session.input.isBusy = false;
  return at;
}

function setOptions(session: Session): void {
  const { limits } = session.context.config;
  options.protocolVersion = session.protocolVersion;
  const isOpen = session.phase === Phase.ACTIVE;
  options.maxPacketSize = isOpen
    ? limits.maxPacketSize
    : Math.min(limits.maxPacketSize, limits.preAuthBytes);
  options.topicAliasMaximum = session.tenant?.settings.MaxTopicAlias ?? 0;
}

/** A malformed or illegal packet: the reason code the specification names, then the end [MQTT-4.13.1-1]. */
function failInput(session: Session, reasonCode: number, text: string): void {
  session.context.counters[Counter.PROTOCOL_ERRORS]! += 1;
  session.context.log.info("protocol_error", {
    tenant: session.tenantId,
    client_id: session.clientId,
    peer: session.transport.remoteAddress,
    reason_code: reasonCode,
    reason: text,
  });
  if (session.phase === Phase.AWAIT_CONNECT) {
    // The view tells whether the fault lies in a CONNECT: only that is worth an answer [MQTT-3.1.4-1].
    refuseConnect(session, session.context.view, reasonCode, text);
    return;
  }
  session.close(reasonCode, text);
}
