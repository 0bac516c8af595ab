/**
 * A client's side of QoS 1 and 2, as MQTT has it: what it received and has not finished, and the
 * answers that it could send now. It outlives connections, and ends with the session.
 */

import type { SimPush } from "../node/output-tap.ts";
import { demand } from "../range-invariants.ts";
import type { SessionLife } from "./session-life.ts";

export interface ClientAnswer {
  readonly kind: "PUBACK" | "PUBREC" | "PUBCOMP";
  readonly packetId: number;
}

export class ClientExchanges {
  /** On the present connection. */
  answers: ClientAnswer[] = [];
  /** By identifier: sent by the broker, not finished by the client. */
  readonly #unfinished = new Map<number, string>();
  /** By identifier: a QoS 2 message that the application has, until PUBREL. */
  readonly #held = new Map<number, string>();
  #open = 0;
  #receiveMaximum = 0;

  connected(receiveMaximum: number): void {
    this.answers = [];
    this.#open = 0;
    this.#receiveMaximum = receiveMaximum;
  }

  /** The session is over. */
  forget(): void {
    this.answers = [];
    this.#unfinished.clear();
    this.#held.clear();
  }

  receive(push: SimPush, life: SessionLife): void {
    const { payload, packetId } = push;
    this.#open += 1;
    // PUBRELs that are repeated are no part of the window (MQTT5 §4.9).
    if (payload === null) this.released(packetId);
    else this.#receiveMessage(push, payload, life);
  }

  /** PUBREL came. */
  released(packetId: number): void {
    this.#held.delete(packetId);
    this.answers.push({ kind: "PUBCOMP", packetId });
  }

  /** Sends one of the possible answers; null: there is none. */
  send(choice: number): ClientAnswer | null {
    if (this.answers.length === 0) return null;
    const answer = this.answers.splice(choice % this.answers.length, 1)[0]!;
    if (answer.kind === "PUBREC") return answer;
    this.#open -= 1;
    this.#unfinished.delete(answer.packetId);
    return answer;
  }

  #receiveMessage({ packetId, qos, isDup }: SimPush, payload: string, life: SessionLife): void {
    demand(this.#open <= this.#receiveMaximum, "exchange", () => {
      return `${life.name}: ${this.#open} exchanges in flight, ${this.#receiveMaximum} allowed`;
    });
    const before = this.#unfinished.get(packetId);
    const isSame = before === undefined || (isDup && before === payload);
    demand(isSame, "exchange", () => {
      return `${life.name}: identifier ${packetId} is used for another message, or without DUP`;
    });
    this.#unfinished.set(packetId, payload);
    const number = numberOf(payload);
    if (qos === 1) {
      life.deliver(number, qos);
      this.answers.push({ kind: "PUBACK", packetId });
      return;
    }
    if (!this.#held.has(packetId)) life.deliver(number, qos);
    this.#held.set(packetId, payload);
    this.answers.push({ kind: "PUBREC", packetId });
  }
}

/** Messages begin with their number. */
export function numberOf(payload: string): number {
  return Number.parseInt(payload, 10);
}

/** Who has published it: numbers of one publisher come in order. */
export function publisherOf(payload: string): string {
  return payload.split(":")[1] ?? "";
}
