/**
 * A client with a stored session: connects, loses its connection, takes itself over, subscribes,
 * acknowledges late or never, and holds the broker to everything that it was told.
 */

import type { RecordWriter } from "../../../../src/shared/bytes/record-writer.ts";
import { AttachStatus, DropReason, InboxOp } from "../../../../src/shared/inbox/inbox-types.ts";
import {
  writeAttach,
  writeCommit,
  writeDetach,
  writeSubscribe,
  writeUnsubscribe,
} from "../../../../src/shared/inbox/log-command.ts";
import { bucketOf } from "../../../../src/shared/inbox/range/inbox-key.ts";
import type { InboxOutput } from "../../../../src/shared/inbox/range/inbox-output.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { message, OPTIONS } from "../../../helpers/service-workers.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { FrontDesk } from "../gateway/front-desk.ts";
import { routingKey } from "../gateway/gateway-command.ts";
import type { Origin, SimPush } from "../node/output-tap.ts";
import { demand } from "../range-invariants.ts";
import { ClientExchanges, numberOf, publisherOf } from "./client-exchanges.ts";
import { type AttachWish, Connection } from "./connection.ts";
import { SessionLife } from "./session-life.ts";
import { SimPublishing } from "./sim-publishing.ts";
import type { WillRecord } from "./will-book.ts";

type Attached = Parameters<InboxOutput["attached"]>[1];

const USER = "user";
const WINDOW_BYTES = 1 << 16;
const QOS = [1, 2];
/** One of so many sessions is no member of groups. */
const LONER = 3;

export class SimSession {
  readonly tenantId: string;
  readonly clientId: string;
  readonly bucket: number;
  readonly key: Uint8Array;
  readonly exchanges = new ClientExchanges();
  readonly publishing: SimPublishing;
  readonly #desk: FrontDesk;
  readonly #random: SimRandom;
  /** As confirmed last. */
  life: SessionLife | null = null;
  connection: Connection | null = null;
  /** Attaches since then whose outcome is unknown. */
  #unanswered = 0;
  #epoch = 0;
  readonly #wills: WillRecord[] = [];
  /** By filter, and by received identifier: number of the change sent last. */
  readonly #changes = new Map<string, number>();
  readonly #inboundChanges = new Map<number, number>();
  #lastChange = 0;

  constructor(desk: FrontDesk, random: SimRandom, tenantId: string, clientId: string) {
    this.#desk = desk;
    this.#random = random;
    this.tenantId = tenantId;
    this.clientId = clientId;
    this.bucket = bucketOf(tenantId, clientId);
    this.key = routingKey(this.bucket);
    this.publishing = new SimPublishing(this, desk);
  }

  get name(): string {
    return `${this.tenantId}/${this.clientId}`;
  }

  get isMember(): boolean {
    return Number(this.clientId.split(" ")[1]) % LONER > 0;
  }

  get isAttached(): boolean {
    return this.connection?.isOpen === true && this.connection.isAttached;
  }

  connect(wish: AttachWish): void {
    const reign = this.#desk.gateway.reignOf(ServiceId.INBOX, this.key);
    if (reign === null) return;
    const { cleanStart, expirySeconds, receiveMaximum, will } = wish;
    for (const before of this.#wills) {
      before.isReplaced = true;
      before.mayEnd ||= cleanStart;
    }
    if (will !== null) this.#wills.push(will);
    const connection = new Connection(this.#desk.nextToken(), reign.node, wish);
    this.connection = connection;
    this.#desk.join(this, connection);
    this.#unanswered += 1;
    if (this.life !== null) {
      this.life.mayBeEnded ||= cleanStart;
      this.life.expirySeconds = Math.min(this.life.expirySeconds, expirySeconds);
    }
    this.#epoch += 1;
    const { tenantId, clientId } = this;
    const who = { tenantId, clientId, userId: USER, epoch: this.#epoch };
    const stored =
      will === null ? null : message({ tenantId, topic: "will", payload: will.payload });
    const willOf = stored === null ? null : { message: stored, delaySeconds: will!.delaySeconds };
    const how = { cleanStart, sessionExpirySeconds: expirySeconds, receiveMaximum, will: willOf };
    this.#send(connection, (writer) => {
      writeAttach(writer, connection.token, { ...who, ...how }, WINDOW_BYTES);
    });
  }

  /** The client says goodbye; -1 keeps the expiry. */
  disconnect(discardWill: boolean, expirySeconds: number): void {
    const { connection, life } = this;
    if (connection === null || !connection.isOpen) return;
    connection.isOpen = false;
    const { will } = connection.wish;
    const limit = expirySeconds < 0 ? connection.wish.expirySeconds : expirySeconds;
    if (life !== null) life.expirySeconds = Math.min(life.expirySeconds, limit);
    if (will !== null) {
      will.expirySeconds = Math.min(will.expirySeconds, limit);
      will.mayBeDiscarded ||= discardWill;
    }
    const request = this.#desk.ask(() => {
      if (will !== null && discardWill) will.isDiscarded = true;
    });
    const detaching = { sessionExpirySeconds: expirySeconds, discardWill };
    this.#send(connection, (writer) =>
      writeDetach(writer, this.#at(connection), request, detaching),
    );
  }

  /** The client goes without a word, and nobody notices. */
  abandon(): void {
    if (this.connection !== null) this.connection.isOpen = false;
  }

  subscribe(filter: string): void {
    const isQosZero = this.#random.chance(this.#desk.profile.qosZeroShare);
    const qos = isQosZero ? 0 : this.#random.pick(QOS);
    const subscription = { filter, options: { ...OPTIONS, qos } };
    const done = (life: SessionLife) => {
      life.subscriptions.set(filter, "there");
      life.matched.add(filter);
    };
    this.#changeSubscription(filter, done, (writer, at, request) => {
      writeSubscribe(writer, at, request, 0, subscription);
    });
  }

  unsubscribe(filter: string): void {
    this.life?.matched.delete(filter);
    const done = (life: SessionLife) => life.subscriptions.set(filter, "gone");
    this.#changeSubscription(filter, done, (writer, at, request) => {
      writeUnsubscribe(writer, at, request, filter);
    });
  }

  /** Adds or removes an identifier that the client publishes with; `done`: it is stored. */
  changeInbound(packetId: number, isAdded: boolean, done: () => void): void {
    const { connection, life } = this;
    if (connection === null || life === null) return;
    this.#lastChange += 1;
    const change = this.#lastChange;
    this.#inboundChanges.set(packetId, change);
    life.inbound.set(packetId, "unknown");
    const request = this.#desk.ask(([isStale]) => {
      this.#demandFresh(connection, isStale === 1);
      if (isStale === 1) return;
      const isLatest = this.#inboundChanges.get(packetId) === change;
      if (isLatest) life.inbound.set(packetId, isAdded ? "there" : "gone");
      if (this.connection === connection && connection.isOpen) done();
    });
    const op = isAdded ? InboxOp.INBOUND_ADD : InboxOp.INBOUND_REMOVE;
    this.#commit(connection, op, packetId, request);
  }

  /** Answers something that was received; false: there is nothing. */
  acknowledge(): boolean {
    const { connection } = this;
    if (connection === null || !this.isAttached) return false;
    const answer = this.exchanges.send(this.#random.below(8));
    if (answer === null) return false;
    const { packetId } = answer;
    if (answer.kind !== "PUBREC") {
      this.#commit(connection, InboxOp.ACKNOWLEDGED, packetId, 0);
      return true;
    }
    const request = this.#desk.ask(([isStale]) => {
      this.#demandFresh(connection, isStale === 1);
      if (this.connection === connection && connection.isOpen) this.exchanges.released(packetId);
    });
    this.#commit(connection, InboxOp.RECEIVED, packetId, request);
    return true;
  }

  attached(token: number, reply: Attached, { nowMs }: Origin): void {
    const { connection } = this;
    // The client has gone on.
    if (connection === null || connection.token !== token || !connection.isOpen) return;
    demand(
      reply.status !== AttachStatus.UNAVAILABLE,
      "session",
      () => `${this.name}: not attached`,
    );
    this.#meetLife(connection, reply, nowMs);
    this.#unanswered = 0;
    if (reply.status !== AttachStatus.ATTACHED) {
      connection.isOpen = false;
      return;
    }
    connection.isAttached = true;
    this.exchanges.connected(connection.wish.receiveMaximum);
    if (connection.wish.will !== null) connection.wish.will.seenMs = nowMs;
    const { life } = this;
    const filters = new Set(reply.subscriptions.map(({ filter }) => filter));
    life!.confirm(life!.subscriptions, filters, "subscription");
    life!.confirm(life!.inbound, new Set(reply.inboundPacketIds), "received identifier");
    this.publishing.attached(this.#epoch, reply);
  }

  /** At the range, when it leaves. */
  pushed({ token, payload, qos, isDup, expiresAtMs }: SimPush, { nowMs }: Origin): void {
    const { connection, life } = this;
    if (connection === null || connection.token !== token || life === null) return;
    // QoS 0 goes by the clock of the node, which may be ahead of the log's.
    if (payload === null || qos > 0) life.seenMs = nowMs;
    if (payload === null) return;
    const number = numberOf(payload);
    if (this.#desk.publisher.isInOrder(number, qos, life.incarnation)) {
      // What goes past the log may be faster.
      const publisher = qos === 0 ? `${publisherOf(payload)}, QoS 0` : publisherOf(payload);
      this.#checkOrder(connection, life, number, { isDup, publisher });
    }
    demand(isDup || nowMs < expiresAtMs, "expiry", () => `${this.name}: ${number} had expired`);
  }

  #checkOrder(
    connection: Connection,
    life: SessionLife,
    number: number,
    { isDup, publisher }: { isDup: boolean; publisher: string },
  ): void {
    const before = connection.lastNumbers.get(publisher) ?? 0;
    const first = life.lastNumbers.get(publisher) ?? 0;
    demand(number > before && (isDup || number > first), "order", () => {
      return `${this.name}: message ${number} comes behind ${Math.max(before, first)}`;
    });
    connection.lastNumbers.set(publisher, number);
    life.lastNumbers.set(publisher, Math.max(first, number));
  }

  /** At the client. */
  received(push: SimPush): void {
    const { connection, life } = this;
    if (connection?.token !== push.token || !connection.isOpen || life === null) return;
    const { payload, qos, bytes, token } = push;
    const number = payload === null ? 0 : numberOf(payload);
    if (payload !== null && qos === 0) {
      connection.node.credit(this.key, token, bytes);
      if (!this.#desk.publisher.mayComeAgain(number)) life.pass(number);
    } else {
      this.exchanges.receive(push, life);
    }
    if (this.#isOfGroup(number))
      this.#desk.groups.delivered(number, `${this.name}#${life.incarnation}`);
  }

  /** Was it matched by this session's place in a group? */
  #isOfGroup(number: number): boolean {
    return this.isMember && this.#desk.profile.hasGroup && this.#desk.publisher.isForGroup(number);
  }

  /** The session that the broker tells of: the one that is known, or one that may be. */
  #meetLife({ wish }: Connection, reply: Attached, nowMs: number): void {
    const { life, name } = this;
    const { sessionPresent, incarnation } = reply;
    const isSame = sessionPresent && life?.incarnation === incarnation;
    demand(!(sessionPresent && wish.cleanStart), "session", () => `${name}: not a clean start`);
    if (isSame) {
      this.#checkDrops(life, reply);
      life.seenMs = nowMs;
      life.expirySeconds = wish.expirySeconds;
      life.mayBeEnded = false;
      return;
    }
    // An attach that was never answered may have begun another one.
    const isPossible = !sessionPresent || this.#unanswered > 1;
    demand(isPossible, "session", () => `${name}: session ${incarnation} comes from nowhere`);
    if (life !== null) {
      const mayBeOver = life.mayBeEnded || wish.cleanStart || life.mayHaveExpired(nowMs);
      demand(mayBeOver, "session", () => `${name}: session ${life.incarnation} is lost`);
      this.#desk.lifeEnded(life);
    }
    this.exchanges.forget();
    this.publishing.forget();
    this.life = null;
    if (reply.status !== AttachStatus.ATTACHED) return;
    const isGivenAway = (number: number) => this.#desk.groups.isHandedOver(number);
    this.life = new SessionLife(name, incarnation, nowMs, wish.expirySeconds, isGivenAway);
    this.#desk.lifeBegan(this.life);
  }

  #checkDrops(life: SessionLife, { drops }: Attached): void {
    const refusals = drops.filter(({ reason }) => reason !== DropReason.EXPIRED);
    const count = refusals.reduce((sum, drop) => sum + drop.count, 0);
    const least = this.#unanswered > 1 ? 0 : life.refused;
    const most = life.refused + life.perhapsRefused;
    demand(count >= least && count <= most, "session", () => {
      return `${this.name}: told of ${count} dropped messages, not of ${least} to ${most}`;
    });
    life.refused = 0;
    life.perhapsRefused = 0;
  }

  #changeSubscription(
    filter: string,
    done: (life: SessionLife) => void,
    write: (writer: RecordWriter, at: { bucket: number; token: number }, request: number) => void,
  ): void {
    const { connection, life } = this;
    if (connection === null || life === null || !this.isAttached) return;
    this.#lastChange += 1;
    const change = this.#lastChange;
    this.#changes.set(filter, change);
    life.subscriptions.set(filter, "unknown");
    const request = this.#desk.ask(() => {
      if (this.#changes.get(filter) === change) done(life);
    });
    this.#send(connection, (writer) => write(writer, this.#at(connection), request));
  }

  #demandFresh(connection: Connection, isStale: boolean): void {
    const isOver = !connection.isOpen || connection.isBroken || this.connection !== connection;
    demand(!isStale || isOver, "session", () => `${this.name}: its attachment is unknown`);
  }

  #commit(connection: Connection, op: InboxOp, packetId: number, request: number): void {
    this.#send(connection, (writer) => {
      writeCommit(writer, this.#at(connection), request, op, packetId);
    });
  }

  #at({ token }: Connection): { bucket: number; token: number } {
    return { bucket: this.bucket, token };
  }

  #send(connection: Connection, write: (writer: RecordWriter) => void): void {
    this.#desk.propose({
      service: ServiceId.INBOX,
      key: this.key,
      write,
      isOver: () => connection.isBroken,
      lost: () => {},
    });
  }
}
