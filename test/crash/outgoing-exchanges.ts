/**
 * The sender's half of a client: publishes messages within the window, re-sends after a reconnect
 * what is not acknowledged, and judges acknowledgements.
 */

import * as packets from "../helpers/packets.ts";
import type { ServerPacket } from "../helpers/server-packets.ts";
import type { Outgoing } from "./client-session.ts";
import { Happened, type MessageKey } from "./event-trace.ts";
import type { ExchangeHost } from "./exchange-host.ts";
import { payloadOf, type Stream } from "./stream.ts";
import { describe } from "./subscription-ledger.ts";

type AckPacket = Extract<ServerPacket, { type: "puback" | "pubrec" | "pubrel" | "pubcomp" }>;

/** Most payloads are small; some are large enough for a value in parts. */
const SIZES = [24, 24, 60, 60, 60, 200, 200, 1_000, 5_000, 20_000];
const DEFAULT_RECEIVE_MAXIMUM = 65_535;
const REFUSED = 0x80;

export class OutgoingExchanges {
  readonly #host: ExchangeHost;
  readonly #window: number;
  #quota = 0;
  /** Identifiers whose PUBACK or PUBREC is awaited, in the order of sending. */
  #pubacks: number[] = [];
  #pubrecs: number[] = [];
  #waiting: (() => void)[] = [];
  storedCount = 0;
  refusedCount = 0;

  constructor(host: ExchangeHost, window: number) {
    this.#host = host;
    this.#window = window;
  }

  get hasRoom(): boolean {
    return this.#host.isConnected && this.#host.session.outgoing.size < this.#quota;
  }

  /** Resolves when there is room, or no connection. */
  async room(): Promise<void> {
    while (this.#host.isConnected && !this.hasRoom) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** A new connection: what is unacknowledged goes first, in its order [MQTT-4.4.0-1]. */
  resume(receiveMaximum: number | undefined): void {
    const { session } = this.#host;
    this.#quota = Math.min(this.#window, receiveMaximum ?? DEFAULT_RECEIVE_MAXIMUM);
    this.#pubacks = [];
    this.#pubrecs = [];
    for (const [packetId, outgoing] of session.outgoing) {
      if (outgoing.isReleased) this.#host.send(packets.pubrel({ packetId }));
      else this.#send(packetId, outgoing, true);
    }
  }

  /** The connection has ended. */
  stop(): void {
    this.#wake();
  }

  publish(stream: Stream, isEmpty: boolean): void {
    const { session } = this.#host;
    const packetId = session.freeId();
    const outgoing = { stream, sequence: stream.append(isEmpty), isReleased: false };
    session.outgoing.set(packetId, outgoing);
    this.#send(packetId, outgoing, false);
  }

  takePuback(packet: AckPacket): void {
    const outgoing = this.#expected(packet, 1, this.#pubacks);
    if (outgoing === null) return;
    this.#host.session.outgoing.delete(packet.packetId);
    this.#conclude(packet, outgoing);
    this.#wake();
  }

  takePubrec(packet: AckPacket): void {
    const outgoing = this.#expected(packet, 2, this.#pubrecs);
    if (outgoing === null) return;
    const { packetId } = packet;
    this.#conclude(packet, outgoing);
    if (packet.reasonCode >= REFUSED) {
      this.#host.session.outgoing.delete(packetId);
      this.#wake();
    } else {
      this.#host.session.release(packetId, outgoing);
      this.#host.send(packets.pubrel({ packetId })); // [MQTT-4.3.3-4]
    }
  }

  takePubcomp({ packetId }: AckPacket): void {
    const { session, world, actor } = this.#host;
    const outgoing = session.outgoing.get(packetId);
    if (outgoing?.isReleased !== true) {
      this.#host.complain("acknowledgement", `PUBCOMP ${packetId} belongs to no PUBREL`);
      return;
    }
    session.outgoing.delete(packetId);
    world.trace.message(Happened.COMPLETED, actor, keyOf(outgoing), packetId);
    this.#wake();
  }

  #send(packetId: number, outgoing: Outgoing, isDup: boolean): void {
    const { world, actor, level } = this.#host;
    const { stream, sequence } = outgoing;
    const key = keyOf(outgoing);
    const what = isDup ? Happened.SENT_AGAIN : Happened.SENT;
    stream.sent(sequence, world.trace.message(what, actor, key, packetId));
    const { topic, qos } = stream;
    const size = SIZES[(stream.id * 7 + sequence * 13) % SIZES.length]!;
    const payload = stream.isEmpty[sequence] === true ? "" : payloadOf(key, size);
    const fields = { level, topic, qos, packetId, payload, dup: isDup, retain: stream.isRetained };
    this.#host.send(packets.publish(fields));
    (qos === 1 ? this.#pubacks : this.#pubrecs).push(packetId);
  }

  /** The publish that a PUBACK or PUBREC is for, which must be the oldest one. */
  #expected(packet: AckPacket, qos: number, order: number[]): Outgoing | null {
    const { packetId } = packet;
    const outgoing = this.#host.session.outgoing.get(packetId);
    const name = packet.type.toUpperCase();
    const at = order.indexOf(packetId);
    if (outgoing === undefined || outgoing.stream.qos !== qos || at < 0) {
      this.#host.complain("acknowledgement", `${name} ${packetId} belongs to no publish`);
      return null;
    }
    if (at > 0) {
      const text = `${name} for ${describe(outgoing.stream, outgoing.sequence)} overtakes ${at} others`;
      this.#host.complain("acknowledgement", text, keyOf(outgoing));
    }
    order.splice(at, 1);
    return outgoing;
  }

  #conclude({ packetId, reasonCode }: AckPacket, outgoing: Outgoing): void {
    const { world, actor } = this.#host;
    const isRefused = reasonCode >= REFUSED;
    const what = isRefused ? Happened.REFUSED : Happened.STORED;
    const tick = world.trace.message(what, actor, keyOf(outgoing), packetId);
    if (isRefused) this.refusedCount += 1;
    else {
      this.storedCount += 1;
      outgoing.stream.stored(outgoing.sequence, tick);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function keyOf({ stream, sequence }: Outgoing): MessageKey {
  return { stream: stream.id, sequence };
}
