import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DeliveryJudge, type DeliveryTally } from "../../../bench/load/delivery-judge.ts";
import type { LoadShape, PatternName } from "../../../bench/load/load-shape.ts";
import { blankPayload, writePayloadHeader } from "../../../bench/load/payload.ts";
import {
  type HeardRoute,
  type Routes,
  routesOf,
  TOPIC_DIGITS,
} from "../../../bench/load/routes.ts";

function shape(pattern: PatternName, publishers: number, subscribers: number): LoadShape {
  return {
    pattern,
    publishers,
    subscribers,
    filters: subscribers * 3,
    qos: 0,
    payloadBytes: 16,
    protocolVersion: 4,
    pace: { kind: "closed", window: 1 },
    isPersistent: false,
  };
}

function topicOf(routes: Routes, publisher: number, sequence: number): string {
  const { topic, digitsAt, variants, firstVariant } = routes.publishRoute(publisher);
  if (digitsAt < 0) return topic;
  const digits = String((sequence + firstVariant) % variants).padStart(TOPIC_DIGITS, "0");
  return topic.slice(0, digitsAt) + digits + topic.slice(digitsAt + TOPIC_DIGITS);
}

/** MQTT's matching in the plainest form; the $share prefix left out. */
function matches(filter: string, topic: string): boolean {
  const wanted = filter.replace(/^\$share\/[^/]+\//, "").split("/");
  const levels = topic.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (levels[index] === undefined || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}

/**
 * The sequence numbers below `count` that a subscriber should hear of a publisher, by the routes'
 * arithmetic.
 */
function expected(heard: HeardRoute, publisher: number, count: number): number[] {
  const slot = (publisher - heard.firstPublisher) / heard.publisherStep;
  if (!Number.isInteger(slot) || slot < 0 || slot >= heard.publisherSlots) return [];
  const sequences: number[] = [];
  for (let at = heard.firstSequence(publisher); at < count; at += heard.stride) sequences.push(at);
  return sequences;
}

test("routes: the arithmetic agrees with matching every topic against every filter [property]", () => {
  const patterns = fc.constantFrom<PatternName>("fan-out", "fan-in", "pairs", "wildcard");
  const small = fc.integer({ min: 1, max: 7 });
  fc.assert(
    fc.property(patterns, small, small, (pattern, publishers, subscribers) => {
      const routes = routesOf(shape(pattern, publishers, subscribers), "p");
      const count = 20;
      for (let publisher = 0; publisher < publishers; publisher += 1) {
        const receivers = new Array<number>(count).fill(0);
        for (let subscriber = 0; subscriber < routes.subscribers; subscriber += 1) {
          const heard = routes.heardRoute(subscriber);
          const matching = receivers.flatMap((_none, sequence) => {
            const topic = topicOf(routes, publisher, sequence);
            return heard.filters.some((filter) => matches(filter, topic)) ? [sequence] : [];
          });
          assert.deepEqual(expected(heard, publisher, count), matching);
          for (const sequence of matching) receivers[sequence]! += 1;
        }
        assert.ok(receivers.every((found) => found === routes.receiversOf(publisher)));
      }
    }),
    { numRuns: 60 },
  );
});

test("routes: members of the shared subscription have one filter, and each publish one receiver", () => {
  const routes = routesOf(shape("shared", 3, 4), "p");
  assert.deepEqual(routes.heardRoute(0).filters, ["$share/bench/p/job/+"]);
  assert.deepEqual(routes.heardRoute(3), routes.heardRoute(0));
  assert.equal(routes.receiversOf(2), 1);
  assert.equal(routes.publishRoute(2).topic, "p/job/2");
});

class Tally implements DeliveryTally {
  readonly seen: string[] = [];
  takeDelivery(publisher: number, sequence: number): void {
    this.seen.push(`${publisher}:${sequence}`);
  }
  takeRepeat(): void {
    this.seen.push("repeat");
  }
  takeDisorder(): void {
    this.seen.push("disorder");
  }
  takeCorrupt(): void {
    this.seen.push("corrupt");
  }
}

function judged(
  pattern: PatternName,
  deliveries: readonly (readonly [number, number])[],
): string[] {
  const tally = new Tally();
  const routes = routesOf(shape(pattern, 2, 1), "p");
  const judge = new DeliveryJudge(tally, routes.heardRoute(0), 16);
  for (const [publisher, sequence] of deliveries) {
    const payload = blankPayload(16);
    writePayloadHeader(payload, 0, { publisher, sequence, sentMicros: 0 }, 16);
    judge.judge(payload, 0, 16);
  }
  return tally.seen;
}

test("judge: in order is fine, for each publisher by itself", () => {
  assert.deepEqual(
    judged("fan-in", [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ]),
    ["0:0", "1:0", "0:1", "1:1"],
  );
});

test("judge: a late one is out of order and counts, a second one is a repeat", () => {
  const seen = judged("fan-in", [
    [0, 0],
    [0, 2],
    [0, 1],
    [0, 1],
    [0, 2],
    [0, 3],
  ]);
  assert.deepEqual(seen, ["0:0", "0:2", "disorder", "0:1", "repeat", "repeat", "0:3"]);
});

test("judge: a member of a shared subscription may skip, but not go back", () => {
  const seen = judged("shared", [
    [0, 3],
    [0, 7],
    [0, 5],
    [1, 0],
  ]);
  assert.deepEqual(seen, ["0:3", "0:7", "disorder", "0:5", "1:0"]);
});

test("judge: damaged payloads and strangers' are told", () => {
  assert.deepEqual(judged("fan-in", [[2, 0]]), ["corrupt"]);
  const tally = new Tally();
  const judge = new DeliveryJudge(tally, routesOf(shape("fan-in", 1, 1), "p").heardRoute(0), 16);
  judge.judge(blankPayload(16), 0, 16);
  assert.deepEqual(tally.seen, ["corrupt"]);
});
