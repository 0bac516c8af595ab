import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  allVoters,
  type ConfChangeStep,
  ConfChangeType,
  type ConfState,
  EMPTY_CONF,
  isJoint,
  sameConf,
  Transition,
} from "../../../src/shared/raft/conf-state.ts";
import {
  applyConfChangeTo,
  changeSimply,
  confFault,
  enterJoint,
  leaveJoint,
} from "../../../src/shared/raft/config-change.ts";
import { changeOf, confOf } from "../../helpers/raft-group.ts";
import { parseSteps } from "../../helpers/raft-text.ts";

const step = fc.record({
  type: fc.constantFrom(...Object.values(ConfChangeType)),
  replica: fc.integer({ min: 0, max: 7 }),
});
const action = fc.record({
  kind: fc.constantFrom("simple", "enter", "leave"),
  steps: fc.array(step, { maxLength: 5 }),
  autoLeave: fc.boolean(),
});

function take(conf: ConfState, kind: string, steps: ConfChangeStep[], autoLeave: boolean) {
  if (kind === "simple") return changeSimply(conf, steps);
  return kind === "enter" ? enterJoint(conf, autoLeave, steps) : leaveJoint(conf);
}

function haveCommonMajority(left: readonly number[], right: readonly number[]): boolean {
  // Two majorities of sets that differ by one member at most always meet.
  const union = new Set([...left, ...right]);
  const majority = (ids: readonly number[]) => Math.floor(ids.length / 2) + 1;
  return majority(left) + majority(right) > union.size;
}

test("configuration changes: every series of them leads to sound configurations [raft pitfall 53]", () => {
  const property = fc.property(fc.array(action, { maxLength: 20 }), (actions) => {
    let conf = EMPTY_CONF;
    for (const { kind, steps, autoLeave } of actions) {
      const { conf: next } = take(conf, kind, steps, autoLeave);
      if (next === null) continue;
      assert.equal(confFault(next), null);
      assert.ok(next.voters.length > 0, "somebody votes [raft pitfall 56]");
      if (kind === "simple" && conf.voters.length > 0) {
        assert.ok(haveCommonMajority(conf.voters, next.voters), "old and new quorums meet");
      }
      if (kind === "enter") assert.deepEqual(next.outgoing, conf.voters);
      if (kind === "leave") assert.equal(isJoint(next), false);
      conf = next;
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test("configuration changes: a demoted voter is a learner only after the joint phase [raft pitfall 55]", () => {
  const joint = enterJoint(confOf([1, 2, 3]), true, parseSteps("l3 v4")).conf!;
  assert.deepEqual([joint.learners, joint.learnersNext], [[], [3]]);
  assert.deepEqual(allVoters(joint), [1, 2, 3, 4]);
  assert.deepEqual(leaveJoint(joint).conf, confOf([1, 2, 4], { learners: [3] }));
});

test("configuration changes: transitions decide whether a change is joint", () => {
  const conf = confOf([1, 2, 3]);
  const after = (text: string, transition: Transition) =>
    applyConfChangeTo(conf, changeOf(text, transition)).conf;
  assert.ok(sameConf(after("v4", Transition.AUTO)!, confOf([1, 2, 3, 4])));
  assert.equal(after("v4 v5", Transition.AUTO)?.autoLeave, true);
  assert.equal(after("v4", Transition.JOINT_IMPLICIT)?.autoLeave, true);
  assert.equal(after("v4", Transition.JOINT_EXPLICIT)?.autoLeave, false);
  assert.ok(isJoint(after("", Transition.JOINT_EXPLICIT)!));
  assert.deepEqual(after("v2", Transition.RESET), confOf([2]));
  assert.equal(after("", Transition.RESET), null);
});

for (const [fault, conf] of [
  ["a voter that is a learner", confOf([1, 2], { learners: [2] })],
  ["a learner to be that was no voter", confOf([1], { outgoing: [1], learnersNext: [2] })],
  ["joint without voters", confOf([], { outgoing: [1] })],
  ["leaving what it is not in", confOf([1], { autoLeave: true })],
  ["nobody's id", confOf([0, 1])],
  ["an id twice", confOf([1, 1])],
  ["ids out of order", confOf([2, 1])],
] as const) {
  test(`configuration: ${fault} is a fault`, () => assert.notEqual(confFault(conf), null));
}
