/**
 * What goes straight to the worker of an inbox range, past its log, because nothing of it is kept:
 * QoS 0, credit for it, and the question whether a session is stored. One ring record holds one or
 * more, one after the other.
 *
 * ```
 *  QOS_0    u8 1 · insert (insert-codec.ts)
 *  CREDIT   u8 2 · u16 bucket · u64 boot · u32 token · u32 bytes of QoS 0 taken
 *  PROBE    u8 3 · u32 token · u16 bucket · text tenant · text client
 * ```
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import type { InboxReceiver } from "./inbox-types.ts";
import { type InsertHandler, readInsert, writeInsert } from "./insert-codec.ts";

const QOS_0 = 1;
const CREDIT = 2;
const PROBE = 3;

/** An attachment by the life of its worker. */
export interface Credited {
  readonly bucket: number;
  readonly boot: number;
  readonly token: number;
}

export function writeQosZero(
  writer: RecordWriter,
  message: Message,
  receivers: readonly InboxReceiver[],
): void {
  writer.u8(QOS_0);
  writeInsert(writer, message, receivers);
}

export function writeCredit(writer: RecordWriter, credited: Credited, bytes: number): void {
  writer.u8(CREDIT);
  writer.u16(credited.bucket);
  writer.u64(credited.boot);
  writer.u32(credited.token);
  writer.u32(bytes);
}

/** Is there a session of that name? */
export interface Probe {
  readonly bucket: number;
  readonly tenantId: string;
  readonly clientId: string;
}

export function writeProbe(writer: RecordWriter, token: number, probe: Probe): void {
  writer.u8(PROBE);
  writer.u32(token);
  writer.u16(probe.bucket);
  writer.text(probe.tenantId);
  writer.text(probe.clientId);
}

/** One call per command, in record order; QOS_0 by the calls of InsertHandler. */
export interface DirectCommandHandler extends InsertHandler {
  credit(credited: Credited, bytes: number): void;
  probe(token: number, probe: Probe): void;
}

/** Reads all commands of one record. */
export function readDirectCommands(reader: RecordReader, handler: DirectCommandHandler): void {
  while (!reader.isAtEnd) {
    const kind = reader.u8();
    assert(kind >= QOS_0 && kind <= PROBE, "known direct inbox command");
    if (kind === QOS_0) {
      readInsert(reader, handler);
    } else if (kind === CREDIT) {
      const credited = { bucket: reader.u16(), boot: reader.u64(), token: reader.u32() };
      handler.credit(credited, reader.u32());
    } else {
      const token = reader.u32();
      const bucket = reader.u16();
      const tenantId = reader.text();
      handler.probe(token, { bucket, tenantId, clientId: reader.text() });
    }
  }
}
