import assert from "node:assert/strict";
import { test } from "node:test";
import { Awareness } from "../../../src/shared/swim/awareness.ts";

test("awareness: missed nacks, refutations and stalls raise it, acks lower it [Lifeguard]", () => {
  const awareness = new Awareness(8);
  awareness.handleFailedProbe(3, 2);
  assert.equal(awareness.score, 2);
  awareness.handleRefutation();
  awareness.handleStall();
  assert.equal(awareness.score, 4);
  assert.equal(awareness.scale(500), 2_500);
  awareness.handleAck();
  assert.equal(awareness.score, 3);
});

test("awareness: helpers that all answered say that this member is well [Lifeguard]", () => {
  const awareness = new Awareness(8);
  awareness.handleFailedProbe(3, 0);
  assert.equal(awareness.score, 0);
  awareness.handleFailedProbe(0, 0);
  assert.equal(awareness.score, 1, "without helpers any failure counts");
});

test("awareness: stays between 0 and the factor less one", () => {
  const awareness = new Awareness(8);
  awareness.handleAck();
  assert.equal(awareness.score, 0);
  for (let i = 0; i < 20; i++) awareness.handleStall();
  assert.equal(awareness.score, 7);
  assert.equal(awareness.scale(100), 800);
});
