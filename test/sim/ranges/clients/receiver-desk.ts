/**
 * Brings messages into the ranges of those who are matched: at QoS 1 and 2 through their logs, at
 * QoS 0 past them. Of a shared group one member gets a message; when it comes again, all ranges are
 * asked first whether one of them has it for a member, as the broker does it.
 */

import type { RouteRecord } from "../../../../src/shared/dist/dist-range.ts";
import {
  type InboxReceiver,
  InsertStatus,
  NobodyInsert,
} from "../../../../src/shared/inbox/inbox-types.ts";
import { storedMessage } from "../../../../src/shared/inbox/range/delivery.ts";
import { bucketOfId, firstBucket, nobodyIn } from "../../../../src/shared/inbox/range/inbox-key.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import type { Message } from "../../../../src/shared/mqtt/message.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { payloadOf } from "../../../helpers/service-workers.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { FrontDesk } from "../gateway/front-desk.ts";
import type { Reign } from "../gateway/gateway.ts";
import { InsertCommand, routingKey } from "../gateway/gateway-command.ts";
import { demand } from "../range-invariants.ts";
import type { RangeWorld } from "../range-world.ts";
import { numberOf } from "./client-exchanges.ts";
import { Distribution } from "./distribution.ts";
import type { Sender } from "./publisher.ts";
import type { SessionLife } from "./session-life.ts";
import {
  isWhole,
  type Matched,
  matchTopic,
  reignsOf,
  shareFilterOf,
  topicOfFilter,
} from "./topic-match.ts";

/** Queues of that size never fill. */
const ROOMY = 100_000;
/** So often another member is picked when one is gone. */
const MAX_ATTEMPTS = 8;
const NO_LIMITS = {
  sessionBytes: Number.MAX_SAFE_INTEGER,
  tenantRoom: Number.MAX_SAFE_INTEGER,
  processRoom: Number.MAX_SAFE_INTEGER,
};

/** A message of the application; its payload begins with its number and its publisher. */
export interface NumberedMessage {
  readonly number: number;
  readonly topic: string;
  readonly message: Message;
  readonly expiresAtMs: number;
  /**
   * Incarnations that were matched when it came first, and at which QoS: who subscribes later is
   * promised nothing.
   */
  readonly entitled: Map<number, number>;
  /** Incarnations that had no room for it; false: perhaps. */
  readonly refused: Map<number, boolean>;
  distributions: number;
}

/** What is being distributed, and how often a member was gone already when it came to it. */
interface Parcel {
  readonly application: NumberedMessage;
  readonly sender: Sender | null;
  readonly distribution: Distribution;
  readonly attempt: number;
}

export class ReceiverDesk {
  readonly #world: RangeWorld;
  readonly #desk: FrontDesk;
  readonly #random: SimRandom;
  /** QoS 0 on its way into the ranges; it keeps its order. */
  readonly #passing: { readonly message: Message; readonly receiver: InboxReceiver }[] = [];
  promisedCount = 0;
  qosZeroCount = 0;
  askedCount = 0;

  constructor(world: RangeWorld, desk: FrontDesk, random: SimRandom) {
    this.#world = world;
    this.#desk = desk;
    this.#random = random;
  }

  send(
    application: NumberedMessage,
    sender: Sender | null,
    { plain, members }: Matched,
    distribution: Distribution,
  ): void {
    const parcel: Parcel = { application, sender, distribution, attempt: 0 };
    const receivers = [...plain.values()].map((record) => receiverOf(application, record, null));
    if (sender?.origin.isRepeat === true) {
      if (members.size > 0) this.#ask(parcel);
    } else receivers.push(...this.#pick(parcel, members));
    if (application.distributions === 1) {
      for (const { incarnation, qos } of receivers) application.entitled.set(incarnation, qos);
    }
    this.#deliver(parcel, receivers);
  }

  /**
   * The session that had it has ended. `done`: false when it must be tried again; nobody else may
   * be there.
   */
  redispatch(sent: Message, shareFilter: string, done: (isDone: boolean) => void): void {
    const topic = topicOfFilter(shareFilter);
    const matched = matchTopic(this.#desk.gateway, sent.tenantId, topic);
    if (matched === null) {
      done(false);
      return;
    }
    const { expirySeconds, receivedAtMs } = sent;
    const lasts = expirySeconds < 0 ? Number.POSITIVE_INFINITY : expirySeconds * 1000;
    const application: NumberedMessage = {
      number: numberOf(payloadOf(sent) ?? ""),
      topic,
      message: sent,
      expiresAtMs: receivedAtMs + lasts,
      entitled: new Map(),
      refused: new Map(),
      distributions: 1,
    };
    const distribution = new Distribution(done);
    const parcel: Parcel = { application, sender: null, distribution, attempt: 0 };
    this.#deliver(parcel, this.#pick(parcel, matched.members));
    distribution.seal();
  }

  /** One member; none when there is none. */
  #pick(
    { application }: Parcel,
    members: ReadonlyMap<string, RouteRecord>,
  ): readonly InboxReceiver[] {
    if (members.size === 0) return [];
    const member = this.#random.pick([...members.values()]);
    return [receiverOf(application, member, shareFilterOf(application.topic))];
  }

  #deliver(parcel: Parcel, receivers: readonly InboxReceiver[]): void {
    const storing = receivers.filter(({ qos }) => qos > 0);
    const passing = receivers.filter(({ qos }) => qos === 0);
    if (passing.length > 0) this.#passOnce(parcel, passing);
    if (storing.length > 0) this.#insert(parcel, storing);
  }

  /**
   * What may be sent again is noted first, in the range of its publisher. Nobody waits for that.
   */
  #passOnce(parcel: Parcel, receivers: readonly InboxReceiver[]): void {
    const { application, sender } = parcel;
    if (sender === null) {
      for (const receiver of receivers) this.#pass(application, receiver);
      return;
    }
    const bucket = bucketOfId(sender.origin.publisher);
    for (const shareFilter of new Set(receivers.map((receiver) => receiver.shareFilter))) {
      const note = forNobody(bucket, NobodyInsert.PASSING, shareFilter ?? "");
      const said = (status: number) => {
        if (status !== InsertStatus.NO_INBOX) return;
        for (const receiver of receivers) {
          if (receiver.shareFilter === shareFilter) this.#pass(application, receiver);
        }
      };
      this.#say(parcel, note, said, () => {});
    }
  }

  /** At most once: nobody answers. */
  #pass({ message }: NumberedMessage, receiver: InboxReceiver): void {
    this.#passing.push({ message, receiver });
    this.#desk.later(() => {
      const first = this.#passing.shift()!;
      this.#passNow(first.message, first.receiver);
    });
  }

  #passNow(message: Message, receiver: InboxReceiver): void {
    const { incarnation } = receiver;
    const key = routingKey(bucketOfId(incarnation));
    const reign = this.#desk.gateway.reignOf(ServiceId.INBOX, key);
    if (!(reign?.hosted.machine instanceof InboxRange)) return;
    this.qosZeroCount += 1;
    const { sessionInboxSize: SessionInboxSize, dropsOldest } = this.#world.profile;
    const limits = { SessionInboxSize, QoS0DropOldest: dropsOldest };
    reign.node.insertQosZero(reign.hosted, {
      incarnation,
      stored: storedMessage(message, false),
      form: receiver,
      limits,
    });
  }

  #insert(parcel: Parcel, receivers: readonly InboxReceiver[]): void {
    const { application, sender, distribution } = parcel;
    const { sessionInboxSize } = this.#world.profile;
    distribution.expect(receivers.length);
    const insertion = {
      message: application.message,
      origin: sender?.origin ?? null,
      isOver: () => sender?.isGone() === true,
      limits: { ...NO_LIMITS, sessionInboxSize },
      ask: (asked: readonly InboxReceiver[]) => {
        return this.#desk.ask((statuses) => {
          asked.forEach((receiver, at) => {
            this.#note(parcel, receiver, statuses[at]!);
          });
          distribution.settle(asked.length, true);
        });
      },
      lost: (lost: readonly InboxReceiver[]) => {
        for (const { incarnation } of lost) {
          const life = this.#desk.lives.get(incarnation);
          if (life !== undefined) life.perhapsRefused += 1;
          if (sessionInboxSize < ROOMY) this.#noteDoubt(application, incarnation);
        }
        distribution.settle(lost.length, false);
      },
    };
    const sequence = this.#desk.gateway.nextSequence();
    this.#desk.gateway.add(new InsertCommand(sequence, insertion, receivers));
  }

  #note(parcel: Parcel, receiver: InboxReceiver, status: number): void {
    const { incarnation, shareFilter } = receiver;
    const life = this.#desk.lives.get(incarnation);
    if (status === InsertStatus.NO_INBOX && shareFilter !== null) this.#replace(parcel);
    if (life === undefined) return;
    if (status === InsertStatus.STORED) {
      this.#promise(parcel, receiver);
    } else if (status === InsertStatus.QUOTA) {
      this.#noteRefusal(parcel, receiver, life);
    } else if (status === InsertStatus.NO_INBOX) {
      const mayBeOver =
        this.#desk.endedLives.has(life) ||
        life.mayBeEnded ||
        life.mayHaveExpired(this.#world.latestWallMs());
      demand(mayBeOver, "session", () => `${life.name}: session ${incarnation} takes no messages`);
    }
  }

  /** Of one that comes again the range may say what it has said before: that is no other drop. */
  #noteRefusal({ application }: Parcel, receiver: InboxReceiver, life: SessionLife): void {
    const { incarnation, shareFilter } = receiver;
    const { distributions, entitled, refused } = application;
    const isCertain = refused.get(incarnation);
    if (shareFilter === null && isCertain === true) return;
    // Or others of its range had no room when it came first.
    const isSure = distributions === 1 || this.#isEntitled(entitled, incarnation);
    if (isSure && isCertain !== false) life.refused += 1;
    else life.perhapsRefused += 1;
    refused.set(incarnation, true);
  }

  #noteDoubt({ refused }: NumberedMessage, incarnation: number): void {
    if (!refused.has(incarnation)) refused.set(incarnation, false);
  }

  #isEntitled(entitled: ReadonlyMap<number, number>, incarnation: number): boolean {
    // Who got it at QoS 0 may be subscribed otherwise when it comes again.
    return (entitled.get(incarnation) ?? 0) > 0;
  }

  #promise({ application, sender }: Parcel, receiver: InboxReceiver): void {
    const { incarnation, shareFilter, qos } = receiver;
    const { number, expiresAtMs, entitled, refused } = application;
    if (shareFilter === null) {
      // Of a repeat the range says so whom it has stored it for; not for all, if some had no room.
      if (!this.#isEntitled(entitled, incarnation) || refused.has(incarnation)) return;
    } else {
      // It may have been stored before, for another one.
      if (sender !== null) return;
      if (qos === 1) this.#world.groups.taken({ number, expiresAtMs, incarnation });
    }
    this.#desk.lives.get(incarnation)?.promised.set(number, application);
    this.promisedCount += 1;
  }

  /** A member is gone: another one. */
  #replace({ attempt, ...parcel }: Parcel): void {
    const { number, topic, message } = parcel.application;
    this.#world.groups.diverted(number);
    const matched = matchTopic(this.#desk.gateway, message.tenantId, topic);
    if (attempt === MAX_ATTEMPTS || matched === null) {
      parcel.distribution.expect(1);
      parcel.distribution.settle(1, false);
      return;
    }
    const next = { ...parcel, attempt: attempt + 1 };
    this.#deliver(next, this.#pick(next, matched.members));
  }

  /** Has any range stored it for a member of the group? If none has, one gets it. */
  #ask(parcel: Parcel): void {
    const { distribution } = parcel;
    const { topic } = parcel.application;
    const reigns = reignsOf(this.#desk.gateway, ServiceId.INBOX);
    distribution.expect(1);
    if (!isWhole(reigns)) {
      distribution.settle(1, false);
      return;
    }
    this.askedCount += 1;
    const statuses: number[] = [];
    const asked = boundsOf(reigns);
    const answered = new Distribution((isAnswered) => {
      // Of a range that was cut meanwhile only one half has been asked.
      const isAsked = asked === boundsOf(reignsOf(this.#desk.gateway, ServiceId.INBOX));
      if (isAnswered && !isAsked) this.#ask(parcel);
      else if (isAnswered && !statuses.includes(InsertStatus.STORED)) this.#replace(parcel);
      distribution.settle(1, isAnswered);
    });
    for (const { hosted } of reigns) {
      const bucket = firstBucket(hosted.descriptor.start);
      const question = forNobody(bucket, NobodyInsert.QUESTION, shareFilterOf(topic));
      const said = (status: number) => {
        statuses.push(status);
        answered.settle(1, true);
      };
      answered.expect(1);
      this.#say(parcel, question, said, () => answered.settle(1, false));
    }
    answered.seal();
  }

  /** Tells or asks a range something. */
  #say(
    { application, sender }: Parcel,
    receiver: InboxReceiver,
    said: (status: number) => void,
    lost: () => void,
  ): void {
    const insertion = {
      message: application.message,
      origin: sender?.origin ?? null,
      isOver: () => sender?.isGone() === true,
      limits: { ...NO_LIMITS, sessionInboxSize: ROOMY },
      ask: () => this.#desk.ask(([status]) => said(status!)),
      lost,
    };
    const sequence = this.#desk.gateway.nextSequence();
    this.#desk.gateway.add(new InsertCommand(sequence, insertion, [receiver]));
  }
}

/** Which ranges there are, and how they are cut. */
function boundsOf(reigns: readonly Reign[]): string {
  const names = reigns.map(({ hosted: { descriptor } }) => {
    return `${descriptor.id}#${descriptor.boundaryVersion}`;
  });
  return names.sort().join();
}

/** A receiver that no inbox is for. */
function forNobody(bucket: number, says: NobodyInsert, shareFilter: string): InboxReceiver {
  const plain = { retain: false, subscriptionIdentifiers: [] };
  return { incarnation: nobodyIn(bucket), qos: says, shareFilter, ...plain };
}

function receiverOf(
  { message }: NumberedMessage,
  { route, options }: RouteRecord,
  shareFilter: string | null,
): InboxReceiver {
  return {
    incarnation: route.incarnation,
    qos: Math.min(message.qos, options.qos),
    retain: false,
    subscriptionIdentifiers: [],
    shareFilter,
  };
}
