/**
 * A client's QoS 2 publishes, and what its worker makes of them: the worker forgets with the
 * connection, the client sends again whatever was not finished, under the same identifiers and in
 * the same order, as long as its session lives.
 *
 *   client                       worker                               ranges
 *   PUBLISH, again with DUP  ->  known? else number it         ->     inserts, INBOUND_ADD
 *   PUBREL                   <-  PUBREC, when all have answered <-
 *                            ->  settled                       ->     INBOUND_REMOVE
 *                            <-  PUBCOMP                        <-
 */

import type { InboxOutput } from "../../../../src/shared/inbox/range/inbox-output.ts";
import { InboundOrigins } from "../../../../src/workers/session/inbound-origins.ts";
import type { FrontDesk } from "../gateway/front-desk.ts";
import type { NumberedMessage } from "./receiver-desk.ts";
import type { SimSession } from "./sim-session.ts";

type Attached = Parameters<InboxOutput["attached"]>[1];
type Distributed = Parameters<InboundOrigins["next"]>[1];

const PACKET_IDS = [1, 2, 3, 4];
const QOS = 2;

interface OpenPublish {
  readonly packetId: number;
  readonly application: NumberedMessage;
  /** PUBREC has come. */
  isReceived: boolean;
  /** PUBREL was sent on this connection. */
  isReleasing: boolean;
}

export class SimPublishing {
  readonly #session: SimSession;
  readonly #desk: FrontDesk;
  /** By packet identifier, in the order in which they were sent first. */
  readonly #open = new Map<number, OpenPublish>();
  // The worker's, of this connection:
  #taken = new Set<number>();
  #origins: InboundOrigins | null = null;

  constructor(session: SimSession, desk: FrontDesk) {
    this.#session = session;
    this.#desk = desk;
  }

  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /** The session is over, and with it what was not finished. */
  forget(): void {
    this.#open.clear();
  }

  attached(epoch: number, reply: Attached): void {
    const { incarnation, inboundPacketIds, isAfterRestart } = reply;
    this.#taken = new Set(inboundPacketIds);
    this.#origins = new InboundOrigins({ incarnation, epoch }, inboundPacketIds, isAfterRestart);
    for (const publish of [...this.#open.values()]) {
      publish.isReleasing = false;
      // One of them was refused, and with it the connection.
      if (!this.#session.isAttached) continue;
      if (publish.isReceived) this.#release(publish);
      else this.#take(publish, true);
    }
  }

  publish(topic: string): void {
    const packetId = PACKET_IDS.find((id) => !this.#open.has(id));
    if (packetId === undefined || !this.#session.isAttached) return;
    const { tenantId, clientId } = this.#session;
    const application = this.#desk.publisher.make(clientId, tenantId, topic, QOS);
    const publish = { packetId, application, isReceived: false, isReleasing: false };
    this.#open.set(packetId, publish);
    this.#take(publish, false);
  }

  /** The client goes on with what it has got PUBREC for. */
  release(): void {
    if (!this.#session.isAttached) return;
    for (const publish of this.#open.values()) {
      if (publish.isReceived && !publish.isReleasing) this.#release(publish);
    }
  }

  /** PUBLISH comes in. */
  #take(publish: OpenPublish, isDup: boolean): void {
    const { packetId, application } = publish;
    const origins = this.#origins!;
    if (this.#taken.has(packetId) && !(isDup && origins.isUncertain(packetId))) {
      publish.isReceived = true;
      return;
    }
    this.#taken.add(packetId);
    const { connection } = this.#session;
    const isCurrent = () => this.#session.connection === connection && connection?.isOpen === true;
    let left = 2;
    const settle = () => {
      left -= 1;
      if (left === 0 && isCurrent()) publish.isReceived = true;
    };
    const sender = {
      origin: origins.next(packetId, distributed(application), isDup),
      isGone: () => connection?.isBroken === true,
    };
    const isMatched = this.#desk.publisher.distribute(application, sender, (isAnswered) => {
      if (isAnswered) settle();
      else if (isCurrent()) this.#refuse(packetId);
    });
    this.#session.changeInbound(packetId, true, settle);
    if (!isMatched) this.#refuse(packetId);
  }

  /** Not all have answered: the client must send it again, on its next connection. */
  #refuse(packetId: number): void {
    this.#origins!.settle(packetId);
    this.#taken.delete(packetId);
    this.#session.changeInbound(packetId, false, () => {});
    this.#session.disconnect(false, -1);
  }

  /** PUBREL comes in. */
  #release(publish: OpenPublish): void {
    const { packetId } = publish;
    publish.isReleasing = true;
    this.#taken.delete(packetId);
    this.#origins!.settle(packetId);
    this.#session.changeInbound(packetId, false, () => {
      if (this.#open.get(packetId) === publish) this.#open.delete(packetId);
    });
  }
}

/** As far as its number depends on it. */
function distributed({ message }: NumberedMessage): Distributed {
  const { topic, payload } = message;
  const topicPart = { topicBytes: topic, topicOffset: 0, topicLength: topic.length };
  const payloadPart = { payloadBytes: payload, payloadOffset: 0, payloadLength: payload.length };
  return { ...topicPart, ...payloadPart } as Distributed;
}
