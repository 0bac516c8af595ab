/**
 * What a correct MQTT client keeps of its session while it is not connected: publishes that are not
 * acknowledged, and what it has received and not finished. It outlives connections, and the broker.
 */

import type { MessageKey } from "./event-trace.ts";
import type { Stream } from "./stream.ts";

/** A publish of ours under way. Kept in the order of sending [MQTT-4.6.0-1]. */
export interface Outgoing {
  readonly stream: Stream;
  readonly sequence: number;
  /** PUBREC has come: from here on only PUBREL is sent [MQTT-4.3.3-6]. */
  isReleased: boolean;
}

/** What the broker must have of the session. */
export type StoredState = "none" | "kept" | "unknown";

const MAX_PACKET_ID = 65_535;

export class ClientSession {
  readonly outgoing = new Map<number, Outgoing>();
  /** QoS 2 messages received whose PUBREL has not come, by identifier. */
  readonly incoming = new Map<number, MessageKey>();
  /** QoS 1 messages received whose PUBACK was never sent, by identifier. */
  readonly unacknowledged = new Map<number, MessageKey>();
  stored: StoredState = "none";
  /** Identifiers of SUBSCRIBE and UNSUBSCRIBE under way. */
  readonly requests = new Set<number>();

  /**
   * The lowest identifier that is free: used again at once, so that a broker that still has an old
   * meaning for it is found out.
   */
  freeId(): number {
    for (let id = 1; id <= MAX_PACKET_ID; id++) {
      if (!this.outgoing.has(id) && !this.requests.has(id)) return id;
    }
    throw new Error("all packet identifiers are in use");
  }

  /** PUBREC has come; PUBRELs are kept in the order of PUBRECs. */
  release(packetId: number, outgoing: Outgoing): void {
    outgoing.isReleased = true;
    this.outgoing.delete(packetId);
    this.outgoing.set(packetId, outgoing);
  }

  /** The broker has nothing of it any more, so neither has the client [MQTT-3.2.2-5]. */
  clear(): void {
    this.outgoing.clear();
    this.incoming.clear();
    this.unacknowledged.clear();
  }
}
