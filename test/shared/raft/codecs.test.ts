import assert from "node:assert/strict";
import test from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { RecordWriter } from "../../../src/shared/bytes/record-writer.ts";
import {
  decodeConfChange,
  encodeConfChange,
  LEAVE_JOINT,
} from "../../../src/shared/raft/conf-change-codec.ts";
import { ConfChangeType, type ConfState, Transition } from "../../../src/shared/raft/conf-state.ts";
import { crc32 } from "../../../src/shared/raft/crc32.ts";
import {
  decodeConfRecord,
  decodeEntryRecord,
  decodeHardState,
  decodeSnapshotRecord,
  encodeConfRecord,
  encodeEntryRecord,
  encodeHardState,
  encodeSnapshotRecord,
} from "../../../src/shared/raft/disk-codec.ts";
import { ENTRY_OVERHEAD_BYTES, EntryType } from "../../../src/shared/raft/entry.ts";
import { writeEntry } from "../../../src/shared/raft/entry-codec.ts";
import { createMessage, MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import { decodeMessage, encodeMessage } from "../../../src/shared/raft/message-codec.ts";
import { bytesOf, confOf, entryOf } from "../../helpers/raft-group.ts";

/** Objects of the prototype that decoded values have. */
const PLAIN = { noNullPrototype: true } as const;
const u64 = fc.nat(Number.MAX_SAFE_INTEGER);
const bytes = fc.uint8Array({ maxLength: 40 });
const entry = fc.record(
  {
    index: u64,
    term: u64,
    type: fc.constantFrom(...Object.values(EntryType)),
    data: bytes,
  },
  PLAIN,
);
const ids = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 5 });

/** Disjoint, sorted, as configurations are. */
const conf: fc.Arbitrary<ConfState> = fc.tuple(ids, ids, fc.boolean()).map(([one, two, isAuto]) => {
  const sorted = (list: number[]) => [...list].sort((a, b) => a - b);
  const voters = sorted([...one, 41]);
  const outgoing = isAuto ? sorted(two.filter((id) => !one.includes(id))) : [];
  const learners = isAuto ? [] : sorted(two.filter((id) => !one.includes(id)));
  const autoLeave = isAuto && outgoing.length > 0;
  return { voters, outgoing, learners, learnersNext: outgoing.slice(0, 1), autoLeave };
});
const snapshot = fc.record({ index: u64, term: u64, conf, data: bytes }, PLAIN);
const hardState = fc.record(
  { term: u64, vote: u64, commit: u64, epoch: u64, epochIndex: u64 },
  PLAIN,
);
const message: fc.Arbitrary<RaftMessage> = fc.record(
  {
    type: fc.constantFrom(...Object.values(MessageType)),
    from: u64,
    to: u64,
    term: u64,
    epoch: u64,
    logTerm: u64,
    index: u64,
    commit: u64,
    hint: u64,
    context: u64,
    isRejected: fc.boolean(),
    isForced: fc.boolean(),
    entries: fc.array(entry, { maxLength: 4 }),
    snapshot: fc.option(snapshot),
  },
  PLAIN,
);
const change = fc.record(
  {
    transition: fc.constantFrom(...Object.values(Transition)),
    steps: fc.array(
      fc.record({ type: fc.constantFrom(...Object.values(ConfChangeType)), replica: u64 }, PLAIN),
      { maxLength: 4 },
    ),
    context: bytes,
  },
  PLAIN,
);

function encoded(value: RaftMessage): Uint8Array {
  const writer = new RecordWriter();
  encodeMessage(writer, value);
  return writer.bytes.slice(0, writer.size);
}

function decodeWhole(record: Uint8Array): RaftMessage | null {
  return decodeMessage(record, 0, record.length);
}

const RECORDS = {
  message: { values: message, encode: encoded, decode: decodeWhole },
  entry: { values: entry, encode: encodeEntryRecord, decode: decodeEntryRecord },
  "hard state": { values: hardState, encode: encodeHardState, decode: decodeHardState },
  snapshot: { values: snapshot, encode: encodeSnapshotRecord, decode: decodeSnapshotRecord },
  conf: { values: conf, encode: encodeConfRecord, decode: decodeConfRecord },
} as const;

for (const [name, record] of Object.entries(RECORDS)) {
  // One shape for all kinds: the pairs belong together by construction.
  const { values, encode, decode } = record as unknown as {
    values: fc.Arbitrary<unknown>;
    encode: (value: unknown) => Uint8Array;
    decode: (bytes: Uint8Array) => unknown;
  };

  test(`${name} record: what is written is what is read`, () => {
    const property = fc.property(values, (value) => {
      assert.deepEqual(decode(encode(value)), value);
    });
    fc.assert(property);
  });

  test(`${name} record: a torn, longer or altered one is none`, () => {
    const property = fc.property(
      values,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (value, at, flip) => {
        const written = encode(value);
        assert.equal(decode(written.slice(0, at % written.length)), null, "torn");
        assert.equal(decode(Uint8Array.of(...written, 0)), null, "longer");
        written[at % written.length]! ^= flip;
        assert.equal(decode(written), null, "altered");
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  test(`${name} record: any bytes are survived, also with a right checksum`, () => {
    const property = fc.property(fc.uint8Array({ maxLength: 150 }), (body) => {
      assert.equal(decode(body) === null || body.length > 5, true);
      const fields = Uint8Array.of(1, ...body);
      const writer = new RecordWriter();
      writer.raw(fields);
      writer.u32(crc32(fields, 0, fields.length));
      decode(writer.bytes.slice(0, writer.size));
    });
    fc.assert(property, { numRuns: 300 });
  });
}

test("message record: two in a row are told apart by whoever framed them", () => {
  const writer = new RecordWriter();
  const first = Object.assign(createMessage(MessageType.HEARTBEAT, 2), { from: 1, term: 3 });
  encodeMessage(writer, first);
  const end = writer.size;
  encodeMessage(writer, { ...first, to: 3 });
  const { bytes: all, size } = writer;
  assert.deepEqual(decodeMessage(all, 0, end), first);
  assert.equal(decodeMessage(all, end, size)?.to, 3);
});

test("message record: keeps nothing of the memory it was read from [raft pitfall 15]", () => {
  const value = createMessage(MessageType.APPEND, 2);
  value.entries = [entryOf(1, 1, "kept"), entryOf(2, 1, "a longer one that is copied as a block")];
  value.snapshot = { index: 1, term: 1, conf: confOf([1]), data: bytesOf("manifest") };
  const memory = encoded(value);
  const read = decodeWhole(memory);
  memory.fill(0xff);
  assert.deepEqual(read, value);
});

test("configuration change: what is written is what is read, leaving a joint one is empty [raft pitfall 32]", () => {
  const property = fc.property(change, (value) => {
    assert.deepEqual(decodeConfChange(encodeConfChange(value)), value);
  });
  fc.assert(property);
  assert.equal(encodeConfChange(LEAVE_JOINT).length, 0);
});

test("configuration change: any bytes are survived", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
    const value = decodeConfChange(data);
    if (value !== null) assert.deepEqual(encodeConfChange(value), data);
  });
  fc.assert(property, { numRuns: 500 });
});

test("entry: its overhead is what the limits count", () => {
  const writer = new RecordWriter();
  writeEntry(writer, entryOf(1, 1, "12345"));
  assert.equal(writer.size, ENTRY_OVERHEAD_BYTES + 5);
});

test("crc32: the check value of the standard, and the runtime's own where it has one", () => {
  const check = bytesOf("123456789");
  assert.equal(crc32(check, 0, check.length), 0xcbf43926);
  assert.equal(crc32(check, 0, 0), 0);
  const property = fc.property(fc.uint8Array({ maxLength: 70 }), (data) => {
    assert.equal(crc32(data, 0, data.length), zlibCrc32(data));
  });
  if (zlibCrc32 !== undefined) fc.assert(property);
});
