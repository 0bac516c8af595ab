/** Retained messages that a stored session is owed: what is remembered of them, and how long. */

import assert from "node:assert/strict";
import { ReplayStep } from "../../../../src/shared/inbox/inbox-types.ts";
import { NO_LIMITS } from "../../../helpers/inbox-rig.ts";
import { message } from "../../../helpers/service-workers.ts";
import { both, type SessionFixture } from "../../../helpers/session-fixture.ts";

/** A retained message of that topic, handed to the session. */
function hand({ rig }: SessionFixture, topic: string, limits = NO_LIMITS): void {
  const form = { qos: 1, retain: true, subscriptionIdentifiers: [], shareFilter: null };
  const receiver = { incarnation: rig.incarnation("c"), ...form, isReplay: true };
  rig.insert(message({ topic }), [receiver], limits);
}

function step(fixture: SessionFixture, replayStep: ReplayStep, filter: string): void {
  fixture.rig.replay("c", fixture.token, replayStep, filter);
}

function subscribeOwed(fixture: SessionFixture, ...filters: readonly string[]): void {
  for (const filter of filters) fixture.rig.subscribeOwed("c", fixture.token, filter);
}

both("replay: owed from SUBSCRIBE until it is over, over restarts", (fixture) => {
  const { rig } = fixture;
  assert.deepEqual(fixture.attach().replays, []);
  fixture.subscribe("plain");
  subscribeOwed(fixture, "a/#", "b/#");
  rig.crash();
  const begun = fixture.attach().replays;
  assert.deepEqual(begun, [
    { filter: "a/#", handedTopics: [] },
    { filter: "b/#", handedTopics: [] },
  ]);
  step(fixture, ReplayStep.BEGUN, "b/#");
  for (const topic of ["b/1", "b/2", "b/\u00e9"]) hand(fixture, topic);
  fixture.detach();
  rig.crash();
  assert.deepEqual(fixture.attach().replays, [
    { filter: "b/#", handedTopics: ["b/1", "b/2", "b/\u00e9"] },
    { filter: "a/#", handedTopics: [] },
  ]);
  hand(fixture, "b/3");
  step(fixture, ReplayStep.OVER, "b/#");
  step(fixture, ReplayStep.BEGUN, "a/#");
  hand(fixture, "a");
  fixture.detach();
  assert.deepEqual(fixture.attach().replays, [{ filter: "a/#", handedTopics: ["a"] }]);
  step(fixture, ReplayStep.OVER, "a/#");
  fixture.detach();
  rig.crash();
  assert.deepEqual(fixture.attach().replays, []);
});

both("replay: one that is owed once more begins anew", (fixture) => {
  fixture.attach();
  subscribeOwed(fixture, "a/#", "a/#");
  step(fixture, ReplayStep.BEGUN, "a/#");
  hand(fixture, "a/1");
  step(fixture, ReplayStep.OVER_ONCE, "a/#");
  fixture.detach();
  assert.deepEqual(fixture.attach().replays, [{ filter: "a/#", handedTopics: [] }]);
});

both("replay: what the queue refuses is not handed over", (fixture) => {
  fixture.attach({ receiveMaximum: 1 });
  subscribeOwed(fixture, "a/#");
  step(fixture, ReplayStep.BEGUN, "a/#");
  for (const topic of ["a/1", "a/2", "a/3"])
    hand(fixture, topic, { ...NO_LIMITS, sessionInboxSize: 1 });
  fixture.detach();
  assert.deepEqual(fixture.attach().replays, [{ filter: "a/#", handedTopics: ["a/1", "a/2"] }]);
});

both("replay: ends with its subscription and with the session", (fixture) => {
  const { rig } = fixture;
  fixture.attach();
  subscribeOwed(fixture, "a/#", "b/#");
  step(fixture, ReplayStep.BEGUN, "a/#");
  hand(fixture, "a/1");
  rig.unsubscribe("c", fixture.token, "a/#");
  subscribeOwed(fixture, "a/#");
  fixture.detach();
  assert.deepEqual(fixture.attach().replays, [
    { filter: "b/#", handedTopics: [] },
    { filter: "a/#", handedTopics: [] },
  ]);
  assert.deepEqual(fixture.attach({ cleanStart: true }).replays, []);
});

both("replay: as many topics are remembered as 1 MiB holds", (fixture) => {
  fixture.attach();
  subscribeOwed(fixture, "a/#");
  step(fixture, ReplayStep.BEGUN, "a/#");
  const topics = Array.from({ length: 20 }, (_, index) => `a/${index}`.padEnd(65_000, "x"));
  for (const topic of topics) hand(fixture, topic);
  fixture.detach();
  const [replay] = fixture.attach().replays;
  assert.deepEqual(replay?.handedTopics, topics.slice(0, 17));
});
