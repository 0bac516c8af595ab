/**
 * What members of shared groups got: every message goes to one of them, and to another one only
 * after the session of the first has ended without it.
 */

import { demand } from "../range-invariants.ts";

/**
 * A message that a member's range has taken at QoS 1. At QoS 2 it may have got an identifier there,
 * and then it is finished with that member or never [MQTT-4.8.2-5].
 */
interface Taken {
  readonly number: number;
  readonly expiresAtMs: number;
  /** Session of the member. */
  readonly incarnation: number;
}

export class GroupBook {
  /** By number: who has got it, by name and incarnation. */
  readonly #holders = new Map<number, Set<string>>();
  readonly #handedOver = new Set<number>();
  /** By number: to whom it was sent at QoS 2. */
  readonly #begun = new Map<number, number>();
  readonly #diverted = new Set<number>();
  readonly #taken: Taken[] = [];

  /** The number of messages that were given to another member. */
  get handedOverCount(): number {
    return this.#handedOver.size;
  }

  get takenCount(): number {
    return this.#taken.length;
  }

  /** It was sent to this session at QoS 2. */
  begun(number: number, incarnation: number): void {
    this.#begun.set(number, incarnation);
  }

  /**
   * The range of a session that has ended owes it to another member. A QoS 2 exchange that had
   * begun is over with the session [MQTT-4.8.2-5].
   */
  handedOver(number: number, incarnation: number): void {
    // What was given away before may be here twice.
    const isBegun = this.#begun.get(number) === incarnation && !this.#handedOver.has(number);
    demand(!isBegun, "group", () => {
      return `message ${number} was sent to session ${incarnation} and is given away`;
    });
    this.#handedOver.add(number);
  }

  /** Whoever owes it does so until it is told that it is done: at least once. */
  isHandedOver(number: number): boolean {
    return this.#handedOver.has(number);
  }

  /** The session of the member that was chosen first is over: what came behind may be faster. */
  diverted(number: number): void {
    this.#diverted.add(number);
  }

  isDiverted(number: number): boolean {
    return this.#diverted.has(number) || this.#handedOver.has(number);
  }

  taken(taken: Taken): void {
    this.#taken.push(taken);
  }

  delivered(number: number, holder: string): void {
    const holders = this.#holders.get(number) ?? new Set();
    this.#holders.set(number, holders.add(holder));
    const isOne = holders.size === 1 || this.#handedOver.has(number);
    demand(isOne, "group", () => `message ${number} went to ${[...holders].join(" and ")}`);
  }

  /** Nothing is on its way any more; `isOver`: that session has ended. */
  checkComplete(latestMs: number, isOver: (incarnation: number) => boolean): void {
    for (const { number, expiresAtMs, incarnation } of this.#taken) {
      const isOwed = isOver(incarnation) && expiresAtMs > latestMs;
      const isHere = this.#holders.has(number) || this.#handedOver.has(number);
      demand(!isOwed || isHere, "group", () => `message ${number} of an ended member is lost`);
    }
  }
}
