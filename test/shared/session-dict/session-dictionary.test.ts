/**
 * The session dictionary as a pure machine: by table, then against a model of live connections.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OPERATOR_USER } from "../../../src/shared/base/operator-user.ts";
import { ClaimStatus } from "../../../src/shared/session-dict/claim-status.ts";
import {
  type DictionaryOutput,
  SessionDictionary,
} from "../../../src/shared/session-dict/session-dictionary.ts";

class Recorder implements DictionaryOutput {
  readonly log: string[] = [];
  readonly answers: { thread: number; request: number; status: ClaimStatus; epoch: number }[] = [];
  readonly kicks: { thread: number; clientId: string; epoch: number }[] = [];

  claimed(thread: number, request: number, status: ClaimStatus, epoch: number): void {
    this.answers.push({ thread, request, status, epoch });
    const names = ["granted", "superseded", "wrong user", "unavailable"];
    this.log.push(`${names[status]} ${request}`);
  }

  kick(thread: number, _tenantId: string, clientId: string, epoch: number): void {
    this.kicks.push({ thread, clientId, epoch });
    this.log.push(`kick ${thread}`);
  }
}

function fixture(incarnation = 1) {
  const recorder = new Recorder();
  const dictionary = new SessionDictionary(incarnation, recorder);
  const claim = (request: number, thread = request, userId = "user", tenantId = "t") =>
    dictionary.claim({ tenantId, clientId: "c", userId, thread, request });
  const epochOf = (request: number) =>
    recorder.answers.find((answer) => answer.request === request)!.epoch;
  const takeLog = () => recorder.log.splice(0);
  return { recorder, dictionary, claim, epochOf, takeLog };
}

test("session dictionary: a free session is granted at once; the next waits for the release [MQTT-3.1.4-3]", () => {
  const { dictionary, claim, epochOf, takeLog } = fixture();
  claim(1);
  claim(2);
  assert.deepEqual(takeLog(), ["granted 1", "kick 1"]);
  dictionary.release("t", "c", epochOf(1));
  assert.deepEqual(takeLog(), ["granted 2"]);
  assert.ok(epochOf(2) > epochOf(1));
  dictionary.release("t", "c", epochOf(2));
  assert.equal(dictionary.size, 0);
});

test("session dictionary: of several that wait the newest wins, the others are superseded, one kick", () => {
  const { dictionary, claim, epochOf, takeLog } = fixture();
  for (const request of [1, 2, 3, 4]) claim(request);
  assert.deepEqual(takeLog(), ["granted 1", "kick 1", "superseded 2", "superseded 3"]);
  dictionary.release("t", "c", epochOf(1));
  assert.deepEqual(takeLog(), ["granted 4"]);
  claim(5);
  assert.deepEqual(takeLog(), ["kick 4"]);
});

test("session dictionary: the operator takes anybody's session, and nobody is refused meanwhile", () => {
  const { dictionary, claim, epochOf, takeLog } = fixture();
  claim(1);
  claim(2, 2, OPERATOR_USER);
  dictionary.release("t", "c", epochOf(1));
  claim(3, 3, "another");
  assert.deepEqual(takeLog(), ["granted 1", "kick 1", "granted 2", "kick 2"]);
  dictionary.release("t", "c", epochOf(2));
  assert.deepEqual(takeLog(), ["granted 3"]);
});

test("session dictionary: another user is refused and disturbs nobody", () => {
  const { claim, takeLog } = fixture();
  claim(1);
  claim(2, 2, "thief");
  assert.deepEqual(takeLog(), ["granted 1", "wrong user 2"]);
});

test("session dictionary: a release under another epoch is ignored", () => {
  const { dictionary, claim, epochOf, takeLog } = fixture();
  claim(1);
  dictionary.release("t", "c", epochOf(1) - 1);
  dictionary.release("t", "other", epochOf(1));
  dictionary.release("u", "c", epochOf(1));
  claim(2);
  assert.deepEqual(takeLog(), ["granted 1", "kick 1"]);
});

test("session dictionary: tenants have sessions of their own", () => {
  const { dictionary, claim, takeLog } = fixture();
  claim(1);
  claim(2, 2, "user", "u");
  assert.deepEqual(takeLog(), ["granted 1", "granted 2"]);
  assert.equal(dictionary.size, 2);
});

test("session dictionary: a lost worker frees what it held and is not answered", () => {
  const { dictionary, claim, takeLog } = fixture();
  claim(1, 1);
  claim(2, 2);
  dictionary.peerLost(1);
  assert.deepEqual(takeLog(), ["granted 1", "kick 1", "granted 2"]);
  claim(3, 1);
  dictionary.peerLost(1);
  assert.deepEqual(takeLog(), ["kick 2"]);
  dictionary.peerLost(2);
  assert.equal(dictionary.size, 0);
});

test("session dictionary: epochs of a restarted owner lie above all earlier ones", () => {
  const before = fixture(7);
  for (let i = 1; i <= 100; i++) before.claim(i, i, "user", `t${i}`);
  const after = fixture(8);
  after.claim(1);
  assert.ok(after.epochOf(1) > before.epochOf(100));
});

test("session dictionary: a holder from before the owner's restart keeps its session", () => {
  const { dictionary, claim, takeLog } = fixture(2);
  dictionary.reclaim({ tenantId: "t", clientId: "c", userId: "user", thread: 3, epoch: 77 });
  dictionary.reclaim({ tenantId: "t", clientId: "c", userId: "user", thread: 3, epoch: 77 });
  assert.deepEqual(takeLog(), []);
  claim(2);
  assert.deepEqual(takeLog(), ["kick 3"]);
  dictionary.release("t", "c", 77);
  assert.deepEqual(takeLog(), ["granted 2"]);
});

test("session dictionary: who claimed before the old holder reported stays, the old one is kicked", () => {
  const { dictionary, claim, epochOf, takeLog } = fixture(2);
  claim(1);
  dictionary.reclaim({ tenantId: "t", clientId: "c", userId: "user", thread: 3, epoch: 77 });
  assert.deepEqual(takeLog(), ["granted 1", "kick 3"]);
  dictionary.release("t", "c", 77);
  claim(2);
  assert.deepEqual(takeLog(), ["kick 1"]);
  dictionary.release("t", "c", epochOf(1));
  assert.deepEqual(takeLog(), ["granted 2"]);
});

type Step = readonly ["claim" | "release" | "die", number];

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant("claim" as const), fc.nat(3)) },
    { weight: 4, arbitrary: fc.tuple(fc.constant("release" as const), fc.nat(20)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("die" as const), fc.nat(3)) },
  ),
  { maxLength: 80 },
);

/**
 * Connections on four threads that claim one session; `release` lets a kicked (or any) holder go.
 * After each step at most one live connection is granted and not released.
 */
function replay(sequence: readonly Step[]): void {
  const { recorder, dictionary, claim } = fixture();
  const threadOf = new Map<number, number>();
  const dead = new Set<number>();
  const released = new Set<number>();
  let lastEpoch = 0;
  let request = 0;
  const holders = () =>
    recorder.answers.filter(
      (answer) =>
        answer.status === ClaimStatus.GRANTED &&
        !released.has(answer.request) &&
        !dead.has(answer.request),
    );
  for (const [action, n] of sequence) {
    if (action === "claim") {
      request += 1;
      threadOf.set(request, n);
      claim(request, n);
    } else if (action === "release") {
      const holder = holders()[0];
      if (holder !== undefined) {
        released.add(holder.request);
        dictionary.release("t", "c", holder.epoch);
      }
    } else {
      for (const [known, thread] of threadOf) if (thread === n) dead.add(known);
      dictionary.peerLost(n);
    }
    assert.ok(holders().length <= 1, "at most one holder");
  }
  // Everybody leaves: each claim of a live worker has been answered once, the newest of those that
  // waited was granted.
  for (let holder = holders()[0]; holder !== undefined; holder = holders()[0]) {
    released.add(holder.request);
    dictionary.release("t", "c", holder.epoch);
  }
  assert.equal(dictionary.size, 0);
  for (const known of threadOf.keys()) {
    const count = recorder.answers.filter((answer) => answer.request === known).length;
    assert.ok(
      count === 1 || (count === 0 && dead.has(known)),
      `claim ${known} answered ${count} times`,
    );
  }
  for (const { status, epoch } of recorder.answers) {
    if (status !== ClaimStatus.GRANTED) continue;
    assert.ok(epoch > lastEpoch, "epochs grow");
    lastEpoch = epoch;
  }
  const answer = recorder.answers.find((known) => known.request === request);
  if (request > 0 && !dead.has(request)) {
    assert.equal(answer?.status, ClaimStatus.GRANTED, "newest wins");
  }
}

test("session dictionary: at most one holder, newest wins, everyone answered once, over random histories", () => {
  fc.assert(fc.property(steps, replay), { numRuns: 500 });
});
