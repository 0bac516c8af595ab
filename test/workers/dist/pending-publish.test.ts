/** What a publisher is told once inboxes and the retained store have answered. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { PublishOutcome } from "../../../src/workers/dist/dist-api.ts";
import { PendingPublish } from "../../../src/workers/dist/pending-publish.ts";
import { InsertStatus } from "../../../src/workers/inbox/inbox-api.ts";
import { RetainStatus } from "../../../src/workers/retain/retain-api.ts";

const { DELIVERED, NO_SUBSCRIBER, QUOTA, FAILED, NO_ROOM, IN_PART } = PublishOutcome;
const { STORED, NO_INBOX } = InsertStatus;

interface Case {
  readonly name: string;
  /** Statuses per insert command. */
  readonly inserts: readonly (readonly number[])[];
  readonly retain?: RetainStatus;
  /** Matching found somebody; default true. */
  readonly isMatched?: boolean;
  /** Transient subscribers have it; default false. */
  readonly isTaken?: boolean;
  readonly outcome: PublishOutcome;
}

const FULL = InsertStatus.QUOTA;
const AWAY = InsertStatus.UNAVAILABLE;

const CASES: readonly Case[] = [
  { name: "every inbox has stored it", inserts: [[STORED, STORED], [STORED]], outcome: DELIVERED },
  { name: "one of two inboxes is full", inserts: [[STORED], [FULL]], outcome: IN_PART },
  { name: "every inbox is full", inserts: [[FULL], [FULL]], outcome: QUOTA },
  {
    name: "every inbox is full, a connected session has it",
    inserts: [[FULL]],
    isTaken: true,
    outcome: IN_PART,
  },
  { name: "an inbox is gone", inserts: [[NO_INBOX]], outcome: DELIVERED },
  { name: "a worker was lost", inserts: [[STORED], [AWAY]], outcome: FAILED },
  {
    name: "a worker was lost, others full",
    inserts: [[FULL, AWAY]],
    isTaken: true,
    outcome: FAILED,
  },
  {
    name: "nobody but the retained store",
    inserts: [],
    retain: RetainStatus.OK,
    isMatched: false,
    outcome: NO_SUBSCRIBER,
  },
  {
    name: "the retained store is full",
    inserts: [],
    retain: RetainStatus.QUOTA,
    isMatched: false,
    outcome: QUOTA,
  },
  {
    name: "the retained store is full, connected sessions have it",
    inserts: [],
    retain: RetainStatus.QUOTA,
    isTaken: true,
    outcome: QUOTA,
  },
  {
    name: "the retained store is full, an inbox has it",
    inserts: [[STORED]],
    retain: RetainStatus.QUOTA,
    outcome: IN_PART,
  },
  {
    name: "the disk is full for one inbox, another has it",
    inserts: [[STORED], [InsertStatus.NO_ROOM]],
    isTaken: true,
    outcome: NO_ROOM,
  },
  {
    name: "the disk is full for the retained store",
    inserts: [[STORED]],
    retain: RetainStatus.NO_ROOM,
    outcome: NO_ROOM,
  },
  {
    name: "the retained store's worker was lost",
    inserts: [[STORED]],
    retain: RetainStatus.UNAVAILABLE,
    outcome: FAILED,
  },
];

/**
 * Runs a case with the answers before `seal`, which returns the outcome then, or after it; returns
 * what the publisher was told.
 */
function outcomeOf(one: Case, isAnsweredFirst: boolean): PublishOutcome[] {
  const told: PublishOutcome[] = [];
  const pending = new PendingPublish((outcome) => told.push(outcome));
  const stored = one.retain === undefined ? null : pending.expectStored();
  const inserted = one.inserts.map(() => pending.expectInserted());
  const answer = () => {
    if (stored !== null && one.retain !== undefined) stored(one.retain);
    for (const [index, statuses] of one.inserts.entries()) {
      inserted[index]?.(Uint8Array.from(statuses));
    }
  };
  const base = (one.isMatched ?? true) ? DELIVERED : NO_SUBSCRIBER;
  if (isAnsweredFirst) answer();
  const sealed = pending.seal(base, one.isTaken ?? false);
  const isOver = isAnsweredFirst || (one.inserts.length === 0 && one.retain === undefined);
  assert.equal(sealed !== null, isOver);
  assert.deepEqual(told, [], "nobody is called before the publish is sealed");
  if (!isAnsweredFirst) answer();
  return sealed === null ? told : [sealed, ...told];
}

for (const one of CASES) {
  test(`pending publish: ${one.name}`, () => {
    assert.deepEqual(outcomeOf(one, false), [one.outcome]);
  });

  test(`pending publish: ${one.name}, known before everything is sent`, () => {
    assert.deepEqual(outcomeOf(one, true), [one.outcome]);
  });
}

test("pending publish: with nothing to wait for, the caller answers itself", () => {
  const pending = new PendingPublish(() => assert.fail("nobody is to be called"));
  assert.equal(pending.seal(DELIVERED, true), DELIVERED);
});

test("pending publish: the last answer decides when, not the first", () => {
  const told: PublishOutcome[] = [];
  const pending = new PendingPublish((outcome) => told.push(outcome));
  const [first, second] = [pending.expectInserted(), pending.expectInserted()];
  assert.equal(pending.seal(DELIVERED, false), null);
  second(Uint8Array.of(STORED));
  assert.deepEqual(told, []);
  first(Uint8Array.of(STORED));
  assert.deepEqual(told, [DELIVERED]);
});
