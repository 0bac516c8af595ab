/**
 * What production does to everything that leaves a core: messages become bytes for the network,
 * appends become records for the disk, and come back as other objects. Worlds that do so find what
 * a codec loses, and what relies on two replicas sharing an object.
 */

import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import {
  decodeEntryRecord,
  decodeHardState,
  decodeSnapshotRecord,
  encodeEntryRecord,
  encodeHardState,
  encodeSnapshotRecord,
} from "../../../src/shared/raft/disk-codec.ts";
import type { RaftMessage } from "../../../src/shared/raft/message.ts";
import { decodeMessage, encodeMessage } from "../../../src/shared/raft/message-codec.ts";
import type { StorageAppend } from "../../../src/shared/raft/ready.ts";
import { violate } from "./checkers/violation.ts";

const writer = new RecordWriter();

export function throughNetwork(message: RaftMessage): RaftMessage {
  writer.clear();
  encodeMessage(writer, message);
  const bytes = writer.bytes.slice(0, writer.size);
  return present(decodeMessage(bytes, 0, bytes.length), "a message");
}

export function throughDisk(append: StorageAppend): StorageAppend {
  const { hardState, entries, snapshot } = append;
  return {
    ...append,
    hardState:
      hardState && present(decodeHardState(encodeHardState(hardState).slice()), "a hard state"),
    entries: entries.map((entry) =>
      present(decodeEntryRecord(encodeEntryRecord(entry).slice()), "an entry"),
    ),
    snapshot:
      snapshot &&
      present(decodeSnapshotRecord(encodeSnapshotRecord(snapshot).slice()), "a snapshot"),
  };
}

function present<T>(decoded: T | null, what: string): T {
  return decoded ?? violate("assertion", `${what} does not survive its codec`);
}
