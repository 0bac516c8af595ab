/** Broken shared groups, broken QoS 0. */

import { type RangeMutant, rangeMutant } from "./range-mutant.ts";

const LIFE = "inbox/range/session-life";
const PASSING = "inbox/range/qos-zero-queue";
const PUBLISHER = "repeats/taken-publisher";
const TAKEN = "repeats/taken-publishes";

export const GROUP_MUTANTS: readonly RangeMutant[] = [
  rangeMutant(
    "nobody remembers that a member of a group has it",
    TAKEN,
    "groups.push(groupOf(shareFilter));",
    "void groups;",
  ),
  rangeMutant(
    "a repeat goes to another member of the group",
    TAKEN,
    "return this.#hasGroup(known.groups, shareFilter);",
    "return false;",
  ),
  rangeMutant(
    "that ranges were asked for a group is forgotten",
    TAKEN,
    "this.#noteGroup(questionOf(shareFilter));",
    "",
  ),
  rangeMutant(
    "QoS 0 that a repeat may bring again is not noted",
    TAKEN,
    "this.#noteGroup(groupOf(shareFilter));",
    "",
  ),
  rangeMutant(
    "what had no room is stored when it comes again",
    TAKEN,
    "groups.push(refusedIn(buckets));",
    "scopes.pop();",
  ),
  rangeMutant(
    "what a publish in two inserts was first for is forgotten",
    TAKEN,
    "this.#taken = publisher.findCurrent(origin);",
    "this.#taken = null;",
  ),
  rangeMutant(
    "of two ranges that become one, the one with more changes is believed",
    PUBLISHER,
    "return left.epoch >= right.epoch;",
    "return left.lastChange >= right.lastChange;",
  ),
  rangeMutant(
    "what waits for an ended member is dropped",
    LIFE,
    "handOver(state, inbox, delivery);\n        state.release(inbox, delivery);",
    "state.release(inbox, delivery);",
  ),
  rangeMutant(
    "what an ended member was sent and has not answered is dropped",
    LIFE,
    "if (delivery.qos === 1)\n            handOver(state, inbox, delivery);",
    "",
  ),
  rangeMutant(
    "a QoS 2 exchange that has begun goes on with another member",
    LIFE,
    "if (delivery.qos === 1)\n            handOver",
    "handOver",
  ),
  rangeMutant(
    "QoS 0 is pushed, and waits as well",
    PASSING,
    "this.#push(delivery);\n            return;",
    "this.#push(delivery);",
  ),
  rangeMutant(
    "expired QoS 0 is sent",
    PASSING,
    "if (stored.expiresAtMs <= nowMs) {",
    "if (false) {",
  ),
  rangeMutant(
    "QoS 0 that waits outlives its connection",
    LIFE,
    "inbox.qosZero?.clear();\n    inbox.qosZero = null;",
    "",
  ),
  rangeMutant(
    "QoS 0 that waits is overtaken",
    PASSING,
    "if (this.waitingCount === 0 && this.#hasRoom) {",
    "if (this.#hasRoom) {",
  ),
];
