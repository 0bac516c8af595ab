/**
 * The QoS 1 and 2 exchanges that are under way towards one client: packet identifier → message and
 * state.
 *
 * Why not a Map: a PUBACK arrives for every delivery, and a Map costs an entry object each way.
 * Slots are arrays of a power-of-two size indexed by `packetId & mask`; identifiers are given out
 * in sequence, so they collide only when an old exchange is still open after a whole turn, and then
 * the arrays double (at most to 65,536, where every identifier has a slot of its own).
 *
 *     identifiers   … 14 15 16 17 18 …      mask = 7
 *     slots         [16][17][18][ ][ ][ ][14][15]
 *
 * Thread: worker. Scope: one per session that ever received QoS 1 or 2.
 */

import { assert } from "../base/assert.ts";

/**
 * What the client owes for a packet identifier; the exchange is open until it has come
 * [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.3.3-5].
 */
export const Awaiting = { NOTHING: 0, PUBACK: 1, PUBREC: 2, PUBCOMP: 3 } as const;
export type Awaiting = (typeof Awaiting)[keyof typeof Awaiting];

/** Returned by `take` when the window has no room. */
export const NO_PACKET_ID = 0;

const FIRST_CAPACITY = 8;
const PACKET_ID_MAX = 65_535;

/** `T`: what is kept until the exchange is over (the message and how it was delivered). */
export class OutboundWindow<T> {
  /** Exchanges under way, 0..limit. */
  count = 0;
  /** Most exchanges at once, 1..65535: the client's Receive Maximum [MQTT-3.3.4-9]. */
  readonly limit: number;
  #mask = FIRST_CAPACITY - 1;
  #packetIds = new Uint16Array(FIRST_CAPACITY);
  #states = new Uint8Array(FIRST_CAPACITY);
  #values: (T | null)[] = new Array<T | null>(FIRST_CAPACITY).fill(null);
  #lastId = 0;

  constructor(limit: number) {
    assert(limit >= 1 && limit <= PACKET_ID_MAX, "receive maximum is 1..65535");
    this.limit = limit;
  }

  get isFull(): boolean {
    return this.count >= this.limit;
  }

  /**
   * Opens an exchange under a non-zero identifier not in use [MQTT-2.2.1-4] and returns it, or
   * NO_PACKET_ID when `limit` exchanges are open. Identifiers go round in sequence, so one is
   * reused as late as possible: a late acknowledgement then meets an unknown identifier instead of
   * somebody else's message.
   */
  take(value: T, awaiting: Awaiting): number {
    return this.takeAfter(this.#lastId, value, awaiting);
  }

  /** The same onward from `lastId`, for an owner who keeps that number with other state. */
  takeAfter(lastId: number, value: T, awaiting: Awaiting): number {
    if (this.isFull) return NO_PACKET_ID;
    let packetId = lastId;
    do {
      packetId = packetId === PACKET_ID_MAX ? 1 : packetId + 1;
    } while (this.awaiting(packetId) !== Awaiting.NOTHING);
    this.#lastId = packetId;
    this.put(packetId, value, awaiting);
    return packetId;
  }

  /**
   * Opens or replaces the exchange of an identifier that somebody else chose (a stored session's
   * inbox).
   */
  put(packetId: number, value: T | null, awaiting: Awaiting): void {
    let slot = packetId & this.#mask;
    while (this.#states[slot] !== Awaiting.NOTHING && this.#packetIds[slot] !== packetId) {
      this.#grow();
      slot = packetId & this.#mask;
    }
    if (this.#states[slot] === Awaiting.NOTHING) this.count += 1;
    this.#packetIds[slot] = packetId;
    this.#states[slot] = awaiting;
    this.#values[slot] = value;
  }

  /** What `packetId` waits for; NOTHING for unknown identifiers. */
  awaiting(packetId: number): Awaiting {
    const slot = packetId & this.#mask;
    if (this.#packetIds[slot] !== packetId) return Awaiting.NOTHING;
    return (this.#states[slot] ?? Awaiting.NOTHING) as Awaiting;
  }

  /** The value of an open exchange, null when there is none. */
  value(packetId: number): T | null {
    const slot = packetId & this.#mask;
    return this.#packetIds[slot] === packetId ? (this.#values[slot] ?? null) : null;
  }

  /**
   * PUBREC arrived: the message is the client's now, only the identifier is kept [MQTT-4.3.3-4].
   */
  becomeReceived(packetId: number): void {
    assert(this.awaiting(packetId) === Awaiting.PUBREC, "PUBREC of an open exchange");
    const slot = packetId & this.#mask;
    this.#states[slot] = Awaiting.PUBCOMP;
    this.#values[slot] = null;
  }

  /** Ends an open exchange; the identifier is free again. */
  release(packetId: number): void {
    assert(this.awaiting(packetId) !== Awaiting.NOTHING, "release of an open exchange");
    const slot = packetId & this.#mask;
    this.#states[slot] = Awaiting.NOTHING;
    this.#values[slot] = null;
    this.count -= 1;
  }

  /**
   * Open exchanges in the order their identifiers were taken; for hand-over when the session ends.
   * Cold.
   */
  entries(): { packetId: number; awaiting: Awaiting; value: T | null }[] {
    const found: { packetId: number; awaiting: Awaiting; value: T | null }[] = [];
    for (let slot = 0; slot <= this.#mask; slot += 1) {
      const awaiting = (this.#states[slot] ?? Awaiting.NOTHING) as Awaiting;
      if (awaiting === Awaiting.NOTHING) continue;
      found.push({
        packetId: this.#packetIds[slot] ?? 0,
        awaiting,
        value: this.#values[slot] ?? null,
      });
    }
    const age = (packetId: number) => (this.#lastId - packetId + PACKET_ID_MAX) % PACKET_ID_MAX;
    return found.sort((left, right) => age(right.packetId) - age(left.packetId));
  }

  #grow(): void {
    const packetIds = this.#packetIds;
    const states = this.#states;
    const values = this.#values;
    const capacity = packetIds.length * 2;
    assert(capacity <= PACKET_ID_MAX + 1, "every identifier has a slot of its own");
    this.#mask = capacity - 1;
    this.#packetIds = new Uint16Array(capacity);
    this.#states = new Uint8Array(capacity);
    this.#values = new Array<T | null>(capacity).fill(null);
    for (let old = 0; old < states.length; old += 1) {
      if (states[old] === Awaiting.NOTHING) continue;
      const packetId = packetIds[old] ?? 0;
      const slot = packetId & this.#mask;
      this.#packetIds[slot] = packetId;
      this.#states[slot] = states[old] ?? 0;
      this.#values[slot] = values[old] ?? null;
    }
  }
}
