/**
 * Bytes of configuration changes (data of CONF_CHANGE entries) and of configurations (in snapshots
 * and in the host's range metadata). Little-endian.
 *
 *   change   version=1 u8 | transition u8 | count u32 | { type u8 | replica u64 } ... | context blob
 *   conf     4 lists { count u32 | replica u64 ... } | autoLeave u8
 *
 * The change that leaves a joint configuration is empty: an entry without data is never refused by
 * a quota (raft pitfall 32).
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import { WireReader } from "../bytes/wire-reader.ts";
import { isOneOf, numbersOf, readBlob, readCount, readFlag } from "./codec-fields.ts";
import {
  type ConfChange,
  type ConfChangeStep,
  ConfChangeType,
  type ConfState,
  EMPTY_CONF,
  leavesJoint,
  Transition,
} from "./conf-state.ts";
import { confFault } from "./config-change.ts";
import type { ReplicaId } from "./entry.ts";

const VERSION = 1;
const STEP_BYTES = 9;
const ID_BYTES = 8;
const STEP_TYPES = numbersOf(ConfChangeType);
const TRANSITIONS = numbersOf(Transition);

export const LEAVE_JOINT: ConfChange = {
  transition: Transition.AUTO,
  steps: [],
  context: NO_BYTES,
};

export function encodeConfChange(change: ConfChange): Uint8Array {
  if (leavesJoint(change) && change.context.length === 0) return NO_BYTES;
  const writer = new RecordWriter(64);
  writer.u8(VERSION);
  writer.u8(change.transition);
  writer.u32(change.steps.length);
  for (const { type, replica } of change.steps) {
    writer.u8(type);
    writer.u64(replica);
  }
  writer.blob(change.context);
  return writer.bytes.slice(0, writer.size);
}

/** Null if these are not the bytes of a change. */
export function decodeConfChange(data: Uint8Array): ConfChange | null {
  if (data.length === 0) return LEAVE_JOINT;
  const reader = new WireReader(data);
  if (reader.u8() !== VERSION) return null;
  const transition = reader.u8();
  const steps: ConfChangeStep[] = [];
  for (let left = readCount(reader, STEP_BYTES); left > 0; left--) {
    const type = reader.u8();
    const replica = reader.u64();
    if (!isOneOf(STEP_TYPES, type)) return null;
    steps.push({ type, replica });
  }
  const context = readBlob(reader);
  if (reader.isMalformed || !reader.isAtEnd || !isOneOf(TRANSITIONS, transition)) return null;
  return { transition, steps, context };
}

export function writeConf(writer: RecordWriter, conf: ConfState): void {
  for (const ids of [conf.voters, conf.outgoing, conf.learners, conf.learnersNext]) {
    writer.u32(ids.length);
    for (const id of ids) writer.u64(id);
  }
  writer.u8(conf.autoLeave ? 1 : 0);
}

/** Makes the reader malformed if this is no configuration that could have come about. */
export function readConf(reader: WireReader): ConfState {
  const voters = readIds(reader);
  const outgoing = readIds(reader);
  const learners = readIds(reader);
  const learnersNext = readIds(reader);
  const conf = { voters, outgoing, learners, learnersNext, autoLeave: readFlag(reader) };
  if (confFault(conf) !== null) reader.refuse();
  return reader.isMalformed ? EMPTY_CONF : conf;
}

function readIds(reader: WireReader): readonly ReplicaId[] {
  const ids: ReplicaId[] = [];
  for (let left = readCount(reader, ID_BYTES); left > 0; left--) ids.push(reader.u64());
  return ids;
}
