/** Retained messages as the simplest possible machine: a map, fed with the same commands. */

import type { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import { messageInRecord } from "../../../../src/shared/mqtt/message-codec.ts";
import {
  type RetainLogHandler,
  readRetainLog,
} from "../../../../src/shared/retain/retain-log-command.ts";
import { payloadOf, topicOf } from "../../../helpers/service-workers.ts";

interface Kept {
  readonly payload: string;
  readonly expiresAtMs: number;
}

export class RetainModel implements RetainLogHandler {
  /** By tenant and topic. */
  readonly kept = new Map<string, Kept>();
  #nowMs = 0;

  apply(commands: RecordReader, nowMs: number): void {
    this.#nowMs = nowMs;
    readRetainLog(commands, this);
  }

  storeMessage(_request: number, _allowance: unknown, record: Uint8Array): void {
    const message = messageInRecord(record);
    const name = keptName(message.tenantId, topicOf(message));
    const payload = payloadOf(message) ?? "";
    if (payload === "" || message.isExpired(this.#nowMs)) {
      this.kept.delete(name);
      return;
    }
    const { expirySeconds, receivedAtMs } = message;
    const isLasting = expirySeconds < 0;
    const expiresAtMs = isLasting ? Number.POSITIVE_INFINITY : receivedAtMs + expirySeconds * 1000;
    this.kept.set(name, { payload, expiresAtMs });
  }

  /** One that was replaced meanwhile has another time. */
  expire(tenantId: string, topic: Uint8Array, expiresAtMs: number): void {
    const name = keptName(tenantId, new TextDecoder().decode(topic));
    if (this.kept.get(name)?.expiresAtMs === expiresAtMs) this.kept.delete(name);
  }
}

export function keptName(tenantId: string, topic: string): string {
  return `${tenantId}|${topic}`;
}
