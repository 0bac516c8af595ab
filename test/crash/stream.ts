/**
 * What one publisher sends to one topic: numbered messages of one QoS, and what is known about
 * each. A message carries its stream and its number in its payload, so whoever gets it can look it
 * up.
 */

import type { MessageKey } from "./event-trace.ts";

export interface StreamFields {
  readonly publisher: string;
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly isRetained: boolean;
  /**
   * Some of its messages are empty and remove the retained one; nobody subscribes to it for good.
   */
  readonly isCleared: boolean;
}

/** A tick that has not come. */
export const NEVER = Number.POSITIVE_INFINITY;

export class Stream implements StreamFields {
  readonly id: number;
  readonly publisher: string;
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly isRetained: boolean;
  readonly isCleared: boolean;
  // By sequence number.
  readonly firstSentAt: number[] = [];
  readonly lastSentAt: number[] = [];
  readonly sendCount: number[] = [];
  /** When PUBACK or PUBREC came; NEVER = not yet, or refused. */
  readonly storedAt: number[] = [];
  readonly isEmpty: boolean[] = [];
  /** The highest number with a PUBACK or PUBREC; -1 = none. */
  highestStored = -1;

  constructor(id: number, fields: StreamFields) {
    this.id = id;
    this.publisher = fields.publisher;
    this.topic = fields.topic;
    this.qos = fields.qos;
    this.isRetained = fields.isRetained;
    this.isCleared = fields.isCleared;
  }

  get length(): number {
    return this.firstSentAt.length;
  }

  /** The next message; returns its number. */
  append(isEmpty: boolean): number {
    const sequence = this.length;
    this.firstSentAt.push(NEVER);
    this.lastSentAt.push(NEVER);
    this.sendCount.push(0);
    this.storedAt.push(NEVER);
    this.isEmpty.push(isEmpty);
    return sequence;
  }

  sent(sequence: number, tick: number): void {
    if (this.sendCount[sequence] === 0) this.firstSentAt[sequence] = tick;
    this.lastSentAt[sequence] = tick;
    this.sendCount[sequence]! += 1;
  }

  stored(sequence: number, tick: number): void {
    this.storedAt[sequence] = tick;
    if (sequence > this.highestStored) this.highestStored = sequence;
  }
}

/** `size`: about how many bytes in all. */
export function payloadOf({ stream, sequence }: MessageKey, size: number): string {
  return `${stream}.${sequence} `.padEnd(size, "ratatosk ");
}

/** Null when the payload is none of ours, or damaged. */
export function keyOf(payload: string): MessageKey | null {
  const match = /^(\d+)\.(\d+) /u.exec(payload);
  if (match === null) return null;
  const key = { stream: Number(match[1]), sequence: Number(match[2]) };
  return payloadOf(key, payload.length) === payload ? key : null;
}
