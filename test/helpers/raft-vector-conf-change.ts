/**
 * Answers the directives of configuration change vectors: `simple`, `enter-joint`, `leave-joint`.
 */

import {
  type ConfResult,
  changeSimply,
  enterJoint,
  leaveJoint,
} from "../../src/shared/raft/config-change.ts";
import { UNLIMITED } from "../../src/shared/raft/entry.ts";
import { ReplicaTracker } from "../../src/shared/raft/replica-tracker.ts";
import { memberStatusOf } from "../../src/shared/raft/status.ts";
import { confText, parseSteps, progressText } from "./raft-text.ts";
import { type VectorCase, valuesOf } from "./raft-vector-file.ts";

/** One per file: the directives of a file build on each other. */
export class ConfChangeVectors {
  readonly #tracker = new ReplicaTracker({ maxInflightMessages: 10, maxInflightBytes: UNLIMITED });
  #lastIndex = 0;

  answer(testCase: VectorCase): string {
    const result = this.#change(testCase);
    const lastIndex = this.#lastIndex++;
    if (result.conf === null) return result.refusal;
    this.#tracker.use(result.conf, lastIndex);
    const lines = this.#tracker.members.map(
      (progress) => `${progress.id}: ${progressText(memberStatusOf(progress), false)}`,
    );
    return [confText(result.conf), ...lines].join("\n");
  }

  #change(testCase: VectorCase): ConfResult {
    const conf = this.#tracker.conf;
    const steps = parseSteps(testCase.input);
    switch (testCase.name) {
      case "simple":
        return changeSimply(conf, steps);
      case "enter-joint":
        return enterJoint(conf, valuesOf(testCase, "autoleave")?.[0] === "true", steps);
      case "leave-joint":
        return leaveJoint(conf);
      default:
        return { conf: null, refusal: "unknown command" };
    }
  }
}
