/**
 * Where answers, pushes and owed effects of all ranges arrive, and whom they are for. The model of
 * everything in a worker that is not a range.
 */

import { distRangeKey } from "../../../../src/shared/dist/dist-key.ts";
import { writeLost } from "../../../../src/shared/inbox/log-command.ts";
import { bucketOfId, firstBucket } from "../../../../src/shared/inbox/range/inbox-key.ts";
import type { InboxOutput } from "../../../../src/shared/inbox/range/inbox-output.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import type { OutboxRecord } from "../../../../src/shared/inbox/range/outbox.ts";
import type { RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { storedRouteOf } from "../../../../src/workers/inbox/stored-route.ts";
import { NO_NODE } from "../../kernel/sim-loop.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { GroupBook } from "../checkers/group-book.ts";
import { numberOf } from "../clients/client-exchanges.ts";
import type { Connection } from "../clients/connection.ts";
import type { Publisher } from "../clients/publisher.ts";
import type { SessionLife } from "../clients/session-life.ts";
import type { SimSession } from "../clients/sim-session.ts";
import { reignsOf } from "../clients/topic-match.ts";
import { WillBook } from "../clients/will-book.ts";
import {
  type Origin,
  type RouteOrder,
  routeName,
  type SimPush,
  type TapListener,
} from "../node/output-tap.ts";
import { RangeEvent } from "../range-event.ts";
import type { RangeProfile } from "../range-profile.ts";
import type { RangeWorld } from "../range-world.ts";
import type { BrokenListener, Gateway, Reign } from "./gateway.ts";
import { type CommandBody, RangeCommand, routingKey, SingleCommand } from "./gateway-command.ts";
import { OutboxDesk } from "./outbox-desk.ts";
import { RouteDesk } from "./route-desk.ts";

type Attached = Parameters<InboxOutput["attached"]>[1];
type Handler = (values: readonly number[]) => void;

const LATER_MAX_US = 5000;
/** Sessions are spread over so many. */
const BUCKET_COUNT = 0x1000;

/** A push on its way to its client. */
export interface Arrival {
  readonly session: SimSession;
  readonly push: SimPush;
}

export class FrontDesk implements TapListener, BrokenListener {
  readonly gateway: Gateway;
  readonly wills = new WillBook();
  readonly routes = new RouteDesk(this);
  readonly outbox = new OutboxDesk(this);
  /** By incarnation. */
  readonly lives = new Map<number, SessionLife>();
  readonly endedLives = new Set<SessionLife>();
  readonly #world: RangeWorld;
  readonly #random: SimRandom;
  readonly #requests = new Map<number, Handler>();
  /** By token; those that are not broken. */
  readonly #connections = new Map<number, { session: SimSession; connection: Connection }>();
  #lastRequest = 0;
  #lastToken = 0;
  answerCount = 0;
  pushCount = 0;

  constructor(world: RangeWorld, gateway: Gateway, random: SimRandom) {
    this.#world = world;
    this.gateway = gateway;
    this.#random = random;
  }

  get isIdle(): boolean {
    return this.routes.isIdle && this.outbox.isIdle;
  }

  /** What the ranges say under the connection's token is for `session`. */
  join(session: SimSession, connection: Connection): void {
    this.#connections.set(connection.token, { session, connection });
  }

  nextToken(): number {
    this.#lastToken += 1;
    return this.#lastToken;
  }

  get profile(): RangeProfile {
    return this.#world.profile;
  }

  get publisher(): Publisher {
    return this.#world.publisher;
  }

  get groups(): GroupBook {
    return this.#world.groups;
  }

  /** A number under which the answer comes, if it comes. */
  ask(handler: Handler): number {
    this.#lastRequest += 1;
    this.#requests.set(this.#lastRequest, handler);
    return this.#lastRequest;
  }

  /** Whatever comes under this number, nobody waits for it. */
  forget(request: number): void {
    this.#requests.delete(request);
  }

  answer(request: number, values: readonly number[]): void {
    const handler = this.#requests.get(request);
    if (handler === undefined) return;
    this.#requests.delete(request);
    this.answerCount += 1;
    handler(values);
  }

  propose(body: CommandBody): void {
    this.gateway.add(new SingleCommand(this.gateway.nextSequence(), body));
  }

  later(action: () => void): void {
    const delay = this.#random.below(LATER_MAX_US) + 1;
    this.#world.loop.afterForAny(delay, RangeEvent.LATER, NO_NODE, action);
  }

  /** The process goes on. */
  isAlive(boot: number): boolean {
    return this.#world.nodes.some((node) => node.isUp && node.boot === boot);
  }

  /** Is the session alive, and subscribed to that filter, as far as its range has come? */
  wants(incarnation: number, filter: string): boolean {
    const key = routingKey(bucketOfId(incarnation));
    const machine = this.gateway.reignOf(ServiceId.INBOX, key)?.hosted.machine;
    return machine instanceof InboxRange && machine.wants(incarnation, filter);
  }

  lifeBegan(life: SessionLife): void {
    this.lives.set(life.incarnation, life);
  }

  lifeEnded(life: SessionLife): void {
    this.endedLives.add(life);
  }

  attached(token: number, reply: Attached, origin: Origin): void {
    this.#connections.get(token)?.session.attached(token, reply, origin);
  }

  pushed(push: SimPush, origin: Origin): void {
    const session = this.#connections.get(push.token)?.session;
    if (session === undefined) return;
    this.pushCount += 1;
    session.pushed(push, origin);
    const { connection, life } = session;
    if (connection?.token !== push.token) return;
    if (push.payload !== null && push.qos === 2 && life !== null) {
      this.groups.begun(numberOf(push.payload), life.incarnation);
    }
    const { loop, profile } = this.#world;
    // As on one TCP connection.
    const earliest = loop.now + this.#random.below(profile.arrivalMaxUs) + 1;
    connection.arrivalUs = Math.max(connection.arrivalUs, earliest);
    const arrival: Arrival = { session, push };
    loop.afterForAny(connection.arrivalUs - loop.now, RangeEvent.ARRIVAL, NO_NODE, arrival);
  }

  answered(request: number, values: readonly number[]): void {
    this.answer(request, values);
  }

  addRoute(order: RouteOrder, { boot }: Origin): void {
    const { tenantId, clientId, incarnation, filter, options, request } = order;
    const route = storedRouteOf({ tenantId, clientId, incarnation }, filter);
    const index = this.gateway.reignOf(ServiceId.DIST, distRangeKey(route))?.node.tap?.index;
    const known = index?.get(routeName(route));
    const isKnown = known?.route.incarnation === incarnation && known.options.qos === options.qos;
    if (request === 0 && isKnown) return;
    const done = () => this.answer(request, [0]);
    this.routes.change({ route, options, isWanted: () => this.isAlive(boot), done });
  }

  owe(record: OutboxRecord, origin: Origin): void {
    this.outbox.owe(record, origin);
  }

  lost(bucket: number, boot: number, lastToken: number): void {
    const { gateway } = this;
    const bucketsNow = () => reignsOf(gateway, ServiceId.INBOX).map(bucketsOf);
    const buckets = bucketsNow().find(({ first, end }) => bucket >= first && bucket < end);
    const command = new RangeCommand(
      gateway.nextSequence(),
      buckets ?? { first: bucket, end: bucket + 1 },
      () => bucketsNow().map(({ first }) => first),
      (writer, first) => writeLost(writer, first, boot, lastToken),
    );
    gateway.add(command);
  }

  settled(range: RangeId, proposal: number, isDone: boolean): void {
    if (isDone) this.gateway.batchDone(range, proposal);
    else this.gateway.batchMoved(range, proposal);
  }

  broken(boot: number, holds: ((key: Uint8Array) => boolean) | null): void {
    for (const [token, { session, connection }] of this.#connections) {
      if (connection.boot !== boot || (holds !== null && !holds(session.key))) continue;
      connection.breaks();
      this.#connections.delete(token);
    }
  }
}

function bucketsOf({ hosted: { descriptor } }: Reign) {
  const { start, end } = descriptor;
  return { first: firstBucket(start), end: end === null ? BUCKET_COUNT : firstBucket(end) };
}
