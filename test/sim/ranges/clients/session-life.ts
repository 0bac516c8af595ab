/**
 * What one life of a stored session owes to its client, as far as anybody was told: messages,
 * subscriptions, received identifiers. A life is known by its incarnation.
 *
 * Many outcomes stay unknown, because an answer got lost; then either is right, until the next
 * answer tells.
 */

import { demand } from "../range-invariants.ts";

/** Of a subscription, or of a received identifier. */
export type Belief = "there" | "gone" | "unknown";

export interface PromisedMessage {
  readonly number: number;
  readonly expiresAtMs: number;
}

export class SessionLife {
  readonly name: string;
  readonly incarnation: number;
  /** By number: acknowledged as stored for this life. */
  readonly promised = new Map<number, PromisedMessage>();
  /** By number: how often the application got it. */
  readonly delivered = new Map<number, number>();
  /** The same at QoS 0. */
  readonly passed = new Set<number>();
  readonly subscriptions = new Map<string, Belief>();
  /** Filters whose subscription was answered: from then on publishes find it. */
  readonly matched = new Set<string>();
  readonly inbound = new Map<number, Belief>();
  /** The session was attached at this time of its log. */
  seenMs: number;
  /** The shortest expiry that it may have been given since. */
  expirySeconds: number;
  /** A command that ends it was sent, and not answered. */
  mayBeEnded = false;
  /** By publisher: highest number that was pushed for the first time. */
  readonly lastNumbers = new Map<string, number>();
  /** Refused for want of room: certainly, and perhaps, since it was told of drops last. */
  refused = 0;
  perhapsRefused = 0;

  /** Is the message one that may come again, because its first holder has given it away? */
  readonly #isGivenAway: (number: number) => boolean;

  constructor(
    name: string,
    incarnation: number,
    seenMs: number,
    expirySeconds: number,
    isGivenAway: (number: number) => boolean = () => false,
  ) {
    this.#isGivenAway = isGivenAway;
    this.name = name;
    this.incarnation = incarnation;
    this.seenMs = seenMs;
    this.expirySeconds = expirySeconds;
  }

  /** By the clock of its log: has it been away for long enough to be forgotten? */
  mayHaveExpired(nowMs: number): boolean {
    return nowMs >= this.seenMs + this.expirySeconds * 1000;
  }

  /** The session tells what is stored of it. */
  confirm<Key>(beliefs: Map<Key, Belief>, told: ReadonlySet<Key>, what: string): void {
    for (const [key, belief] of beliefs) {
      const isRight = belief === "unknown" || (belief === "there") === told.has(key);
      demand(isRight, "session", () => `${this.name}: ${what} ${key} should be ${belief}`);
    }
    for (const key of told) {
      demand(beliefs.has(key), "session", () => `${this.name}: ${what} ${key} comes from nowhere`);
    }
    for (const key of beliefs.keys()) beliefs.set(key, told.has(key) ? "there" : "gone");
  }

  /** The application gets a message. */
  deliver(number: number, qos: number): void {
    const count = (this.delivered.get(number) ?? 0) + 1;
    this.delivered.set(number, count);
    const isOnce = count === 1 || qos !== 2 || this.#isGivenAway(number);
    demand(isOnce, "exactlyOnce", () => {
      return `${this.name}: message ${number} is delivered ${count} times`;
    });
  }

  /** The application gets a message of QoS 0, which nobody sends again. */
  pass(number: number): void {
    demand(
      !this.passed.has(number),
      "qosZero",
      () => `${this.name}: message ${number} comes twice`,
    );
    this.passed.add(number);
  }

  /** Nothing is on its way any more: what was promised must have come, or have expired. */
  checkComplete(latestMs: number): void {
    for (const { number, expiresAtMs } of this.promised.values()) {
      const isHere = this.delivered.has(number) || expiresAtMs <= latestMs;
      demand(
        isHere,
        "stored",
        () => `${this.name}: message ${number} was acknowledged and is lost`,
      );
    }
  }
}
