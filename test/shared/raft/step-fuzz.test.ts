/**
 * Whatever a peer sends, a replica neither throws nor breaks its own rules; what it does not
 * believe it drops.
 */

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import { EntryType } from "../../../src/shared/raft/entry.ts";
import { MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import { bytesOf, confOf, TestGroup, type TestReplica } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);
const small = fc.nat(6);

/** Entries that follow each other, as any codec output that passes a peer's own checks would. */
const run = fc.record({ from: small, terms: fc.array(small, { maxLength: 4 }) });

const message: fc.Arbitrary<RaftMessage> = fc
  .record({
    type: fc.constantFrom(...Object.values(MessageType)),
    from: fc.nat(4),
    term: small,
    epoch: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
    logTerm: small,
    index: small,
    commit: small,
    hint: small,
    context: small,
    isRejected: fc.boolean(),
    isForced: fc.boolean(),
    run,
    snapshot: fc.option(fc.record({ index: small, term: small })),
  })
  .map(({ run: { from, terms }, snapshot, ...fields }) => ({
    ...fields,
    to: 1,
    entries: terms.map((term, at) => ({
      index: (fields.type === MessageType.APPEND ? fields.index : from) + 1 + at,
      term,
      type: EntryType.NORMAL,
      data: NO_BYTES,
    })),
    snapshot: snapshot === null ? null : { ...snapshot, conf: THREE, data: NO_BYTES },
  }));

type Step = RaftMessage | "tick" | "campaign" | "propose" | "read" | "work" | "ready" | "restart";

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: message, weight: 6 },
  {
    arbitrary: fc.constantFrom<Step>(
      "tick",
      "campaign",
      "propose",
      "read",
      "work",
      "ready",
      "restart",
    ),
    weight: 4,
  },
);

function take(group: TestGroup, replica: TestReplica, what: Step): void {
  const { core } = replica;
  if (typeof what !== "string") core.step(what);
  else if (what === "tick") for (let i = 0; i < 7; i++) core.tick(i);
  else if (what === "campaign") core.campaign();
  else if (what === "propose") core.propose([bytesOf("x")]);
  else if (what === "read") core.readIndex(1);
  else if (what === "work") group.work(replica);
  else if (what === "ready") replica.takeReady();
  else replica.restart();
}

test("step: any messages in any order are survived, and nothing promised is taken back", () => {
  const property = fc.property(
    fc.array(step, { maxLength: 60 }),
    fc.boolean(),
    (steps, isCareful) => {
      const group = new TestGroup(THREE, { preVote: isCareful, checkQuorum: isCareful });
      const replica = group.get(1);
      let promised = replica.storage.hardState;
      let committed = 0;
      for (const what of steps) {
        take(group, replica, what);
        group.network = [];
        const { hardState } = replica.storage;
        assert.ok(hardState.term >= promised.term, "the term on disk never falls");
        const isSameTerm = hardState.term === promised.term && promised.vote !== 0;
        if (isSameTerm) assert.equal(hardState.vote, promised.vote, "one vote per term");
        promised = hardState;
        if (what !== "restart")
          assert.ok(replica.core.committed >= committed, "commit never falls");
        committed = replica.core.committed;
      }
    },
  );
  fc.assert(property, { numRuns: 1500 });
});
