/**
 * The receiver's half of a client: gives each message to the application (QoS 2 once per exchange),
 * acknowledges in order, at once or slowly, and judges what a server may send on a resumed session.
 */

import * as packets from "../helpers/packets.ts";
import type { PublishPacket } from "../helpers/raw-client.ts";
import { Happened, type MessageKey } from "./event-trace.ts";
import type { ExchangeHost } from "./exchange-host.ts";
import type { Arrival } from "./subscription-ledger.ts";

export interface IncomingOptions {
  readonly receiveMaximum: number;
  /** Who a message is from, and which it is; null when it is none of the run's. */
  readonly identify: (packet: PublishPacket) => MessageKey | null;
  readonly deliver: (key: MessageKey, arrival: Arrival, packet: PublishPacket) => void;
}

export class IncomingExchanges {
  readonly #host: ExchangeHost;
  readonly #options: IncomingOptions;
  /** Publishes of this connection that are not finished: they use up the receive maximum. */
  readonly #open = new Set<number>();
  /** Acknowledgements that wait for their time. */
  readonly #owed: (() => void)[] = [];
  #intervalMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #isFirstConnection = true;

  constructor(host: ExchangeHost, options: IncomingOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** One acknowledgement per so many milliseconds; 0 = each at once, those that wait included. */
  set ackIntervalMs(milliseconds: number) {
    this.#intervalMs = milliseconds;
    if (milliseconds > 0) return;
    for (const acknowledge of this.#owed.splice(0)) acknowledge();
  }

  resume(isResumed: boolean): void {
    this.#isFirstConnection = !isResumed;
  }

  /** The connection has ended: what is not acknowledged stays so. */
  stop(): void {
    this.#open.clear();
    this.#owed.length = 0;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  takePublish(packet: PublishPacket): void {
    if (packet.qos === 0) {
      this.#host.complain("stranger", `a message to ${packet.topic} came at QoS 0`);
      return;
    }
    const key = this.#options.identify(packet);
    if (key === null) {
      this.#host.complain("stranger", `a message to ${packet.topic} is not as it was sent`);
      return;
    }
    const { packetId } = packet;
    if (packet.dup && this.#isFirstConnection) {
      this.#host.complain("resume", `DUP in the first connection of a session`, key);
    }
    if (this.#open.has(packetId)) {
      this.#host.complain("identifier", `identifier ${packetId} came twice`, key);
    }
    this.#open.add(packetId);
    if (this.#open.size > this.#options.receiveMaximum) {
      this.#host.complain("window", `${this.#open.size} publishes in flight`, key);
    }
    if (packet.qos === 1) this.#takeOnce(packet, key);
    else this.#takeTwice(packet, key);
  }

  takePubrel(packetId: number): void {
    const { session } = this.#host;
    this.#acknowledge(() => {
      // One that is not known is answered too: an earlier PUBCOMP was lost [MQTT-4.3.3-11].
      session.incoming.delete(packetId);
      this.#open.delete(packetId);
      this.#host.send(packets.pubcomp({ packetId }));
    });
  }

  #takeOnce(packet: PublishPacket, key: MessageKey): void {
    const { session } = this.#host;
    const { packetId } = packet;
    const before = session.unacknowledged.get(packetId);
    if (before !== undefined) this.#judgeRedelivery(packet, key, before);
    session.unacknowledged.set(packetId, key);
    this.#deliver(packet, key);
    this.#acknowledge(() => {
      session.unacknowledged.delete(packetId);
      this.#open.delete(packetId);
      this.#host.send(packets.puback({ packetId }));
    });
  }

  #takeTwice(packet: PublishPacket, key: MessageKey): void {
    const { session, world, actor } = this.#host;
    const { packetId } = packet;
    const before = session.incoming.get(packetId);
    if (before === undefined) {
      session.incoming.set(packetId, key);
      this.#deliver(packet, key);
    } else {
      this.#judgeRedelivery(packet, key, before);
      world.trace.message(Happened.DELIVERED_AGAIN, actor, key, packetId);
    }
    this.#acknowledge(() => this.#host.send(packets.pubrec({ packetId })));
  }

  /** The identifier still belongs to a message that was not acknowledged. */
  #judgeRedelivery(packet: PublishPacket, key: MessageKey, before: MessageKey): void {
    const { packetId } = packet;
    if (key.stream !== before.stream || key.sequence !== before.sequence) {
      const text = `identifier ${packetId} still belongs to ${before.stream}.${before.sequence}`;
      this.#host.complain("identifier", text, key);
    } else if (!packet.dup) {
      this.#host.complain("resume", `identifier ${packetId} came again without DUP`, key);
    }
  }

  #deliver(packet: PublishPacket, key: MessageKey): void {
    const { world, actor } = this.#host;
    const what = packet.dup ? Happened.DELIVERED_AGAIN : Happened.DELIVERED;
    world.trace.message(what, actor, key, packet.packetId);
    const arrival = { qos: packet.qos, isDup: packet.dup, packetId: packet.packetId };
    this.#options.deliver(key, arrival, packet);
  }

  /** In the order of arrival [MQTT-4.6.0-2] [MQTT-4.6.0-3]. */
  #acknowledge(acknowledge: () => void): void {
    if (this.#intervalMs === 0) {
      acknowledge();
      return;
    }
    this.#owed.push(acknowledge);
    this.#timer ??= setTimeout(() => this.#acknowledgeOne(), this.#intervalMs);
  }

  #acknowledgeOne(): void {
    this.#timer = null;
    this.#owed.shift()?.();
    if (this.#owed.length > 0 && this.#intervalMs > 0) {
      this.#timer = setTimeout(() => this.#acknowledgeOne(), this.#intervalMs);
    }
  }
}
