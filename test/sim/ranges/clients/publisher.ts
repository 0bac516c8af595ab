/**
 * Publishes to whoever is matched, and writes down for whom it was acknowledged. Messages are
 * numbered in the order in which they are sent, which is the order that subscribers must see.
 */

import type { PublishOrigin } from "../../../../src/shared/mqtt/publish-origin.ts";
import { message } from "../../../helpers/service-workers.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { FrontDesk } from "../gateway/front-desk.ts";
import { demand } from "../range-invariants.ts";
import type { RangeWorld } from "../range-world.ts";
import { Distribution } from "./distribution.ts";
import { type NumberedMessage, ReceiverDesk } from "./receiver-desk.ts";
import { type Matched, matchTopic, shareFilterOf, topicName } from "./topic-match.ts";

export const TENANTS = ["t", "u"];
/** All publishers without a session: they are one, as they never repeat. */
const ANYBODY = "anybody";

/** A session that publishes, on one connection. */
export interface Sender {
  /** What the publish is recognised by when it comes again. */
  readonly origin: PublishOrigin;
  /** Whoever had taken the publish is no more, and what was waiting to be sent on is not either. */
  isGone(): boolean;
}

const EXPIRIES = [1, 3, 20, 10_000];

export class Publisher {
  readonly receivers: ReceiverDesk;
  readonly #world: RangeWorld;
  readonly #desk: FrontDesk;
  readonly #random: SimRandom;
  /** By number, of those that may be sent again: for whom they were at first. */
  readonly #entitled = new Map<number, ReadonlyMap<number, number>>();
  /** By number: got lost on their way into a range, and are sent again. */
  readonly #straying = new Set<number>();
  /** By number: of the topic that groups subscribe to. */
  readonly #forGroup = new Set<number>();
  #lastNumber = 0;

  constructor(world: RangeWorld, desk: FrontDesk, random: SimRandom) {
    this.#world = world;
    this.#desk = desk;
    this.#random = random;
    this.receivers = new ReceiverDesk(world, desk, random);
  }

  get publishedCount(): number {
    return this.#lastNumber;
  }

  /** Somebody without a stored session publishes, and does not repeat what gets lost. */
  publish(): void {
    if (this.#desk.gateway.isCongested) return;
    const random = this.#random;
    const { topicCount, burstMax, qosZeroShare } = this.#world.profile;
    const tenantId = random.pick(TENANTS);
    const topic = topicName(random.below(topicCount));
    for (let left = 1 + random.below(burstMax); left > 0; left -= 1) {
      const qos = random.chance(qosZeroShare) ? 0 : random.pick([1, 2, 2]);
      const application = this.make(ANYBODY, tenantId, topic, qos);
      if (!this.distribute(application, null, () => {})) return;
    }
  }

  /**
   * A repeat may reach who has subscribed since the message came first: such a session gets it
   * behind others. Who gets it because another member of the group is gone does, too: there is no
   * order among members [MQTT-4.6.0-6]. And when a range's leader dies, but not the node that the
   * publisher is connected to, what waits there behind a message that got lost overtakes its
   * repeat: with one node this cannot be.
   */
  isInOrder(number: number, qos: number, incarnation: number): boolean {
    if (this.#world.groups.isDiverted(number)) return false;
    if (this.#straying.has(number) && this.#world.nodes.length > 1) return false;
    const entitled = this.#entitled.get(number);
    return entitled === undefined || Math.sign(entitled.get(incarnation) ?? -1) === Math.sign(qos);
  }

  /** More than once: giving away is done at least once. */
  mayComeAgain(number: number): boolean {
    return this.#world.groups.isHandedOver(number);
  }

  isForGroup(number: number): boolean {
    return this.#forGroup.has(number);
  }

  /** A message that nobody has sent yet. */
  make(publisher: string, tenantId: string, topic: string, qos: number): NumberedMessage {
    const random = this.#random;
    const { profile } = this.#world;
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    const size = profile.payloadMin + random.below(profile.payloadMax - profile.payloadMin + 1);
    const isExpiring = random.chance(profile.expiringShare);
    const expirySeconds = isExpiring ? random.pick(EXPIRIES) : -1;
    const receivedAtMs = this.#world.wallMs();
    const payload = `${number}:${publisher}:`.padEnd(size, ".");
    const fields = { tenantId, topic, payload, qos, expirySeconds, receivedAtMs };
    const expiresAtMs = isExpiring ? receivedAtMs + expirySeconds * 1000 : Number.POSITIVE_INFINITY;
    const sent = message(fields);
    const entitled = new Map<number, number>();
    if (topic === topicName(0)) this.#forGroup.add(number);
    if (publisher !== ANYBODY) this.#entitled.set(number, entitled);
    const refused = new Map<number, boolean>();
    return { number, topic, message: sent, expiresAtMs, entitled, refused, distributions: 0 };
  }

  /**
   * Hands it to all who are matched now; `settled` tells whether all have answered. False: nobody
   * can say who is matched.
   */
  distribute(
    application: NumberedMessage,
    sender: Sender | null,
    settled: (isAnswered: boolean) => void,
  ): boolean {
    const { topic, message: sent } = application;
    const matched = matchTopic(this.#desk.gateway, sent.tenantId, topic);
    if (matched === null) return false;
    for (const session of this.#world.sessions) {
      if (session.tenantId === sent.tenantId) this.#checkMatched(session, topic, matched);
    }
    const { number } = application;
    application.distributions += 1;
    const distribution = new Distribution((isAnswered) => {
      if (!isAnswered) this.#straying.add(number);
      settled(isAnswered);
    });
    this.receivers.send(application, sender, matched, distribution);
    distribution.seal();
    return true;
  }

  #checkMatched(
    session: RangeWorld["sessions"][number],
    topic: string,
    { plain, members }: Matched,
  ): void {
    const { life, clientId } = session;
    if (life === null || life.mayBeEnded) return;
    if (life.mayHaveExpired(this.#world.latestWallMs())) return;
    const kinds = [
      { filter: topic, routes: plain },
      { filter: shareFilterOf(topic), routes: members },
    ];
    for (const { filter, routes } of kinds) {
      if (!life.matched.has(filter)) continue;
      const incarnation = routes.get(clientId)?.route.incarnation ?? 0;
      demand(incarnation === life.incarnation, "route", () => {
        const found = incarnation === 0 ? "nothing" : `session ${incarnation}`;
        return `${life.name}: "${filter.slice(0, 20)}" finds ${found}, not ${life.incarnation}`;
      });
    }
  }
}
