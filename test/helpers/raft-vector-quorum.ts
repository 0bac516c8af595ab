/**
 * Answers the directives of quorum vectors: `committed` and `vote` over a majority or a joint
 * configuration. Beside the answer it checks what must never matter (the order of the halves, an
 * empty second half) and prints a line that no vector expects where it does.
 */

import type { ConfState } from "../../src/shared/raft/conf-state.ts";
import { UNLIMITED } from "../../src/shared/raft/entry.ts";
import { quorumReached, quorumVote, VoteResult } from "../../src/shared/raft/quorum.ts";
import { type VectorCase, valuesOf } from "./raft-vector-file.ts";

export function answerQuorumCase(testCase: VectorCase): string {
  const voters = idsOf(valuesOf(testCase, "cfg") ?? []);
  const second = valuesOf(testCase, "cfgj");
  const outgoing = idsOf((second ?? []).filter((value) => value !== "zero"));
  const conf = confOf(voters, outgoing);
  const all = [...new Set([...voters, ...outgoing])];
  const given = valuesOf(testCase, testCase.name === "vote" ? "votes" : "idx") ?? [];
  const known = new Map(
    all.map((id, at) => [id, given[at]!] as const).filter(([, value]) => value !== "_"),
  );
  if (testCase.name === "vote") return answerVote(conf, known);
  return answerCommitted(conf, all, known);
}

function answerVote(conf: ConfState, given: ReadonlyMap<number, string>): string {
  const votes = new Map([...given].map(([id, value]) => [id, value === "y"]));
  const result = quorumVote(conf, votes);
  const mirrored = quorumVote(confOf(conf.outgoing, conf.voters), votes);
  const suffix = mirrored === result ? "" : `${voteName(mirrored)} <-- via symmetry\n`;
  return suffix + voteName(result);
}

function answerCommitted(
  conf: ConfState,
  all: readonly number[],
  given: ReadonlyMap<number, string>,
): string {
  const reached = { reachedBy: (id: number) => Number(given.get(id) ?? 0) };
  const index = quorumReached(conf, reached);
  const variants = [
    confOf(conf.outgoing, conf.voters),
    ...(conf.outgoing.length === 0 ? [confOf(conf.voters, conf.voters)] : []),
  ];
  const complaints = variants
    .map((variant) => quorumReached(variant, reached))
    .filter((other) => other !== index)
    .map((other) => `${indexText(other)} <-- via another order\n`);
  return describe(all, given) + complaints.join("") + indexText(index);
}

/** A bar per voter: the longer, the more voters it is ahead of. */
function describe(all: readonly number[], given: ReadonlyMap<number, string>): string {
  if (all.length === 0) return "<empty majority quorum>";
  const rows = [...all]
    .map((id) => ({ id, index: Number(given.get(id) ?? 0), bar: 0 }))
    .sort((a, b) => a.index - b.index || a.id - b.id);
  rows.forEach((row, at) => {
    const before = rows[at - 1];
    if (before !== undefined) row.bar = before.index < row.index ? at : before.bar;
  });
  const width = all.length;
  const lines = rows
    .sort((a, b) => a.id - b.id)
    .map(({ id, index, bar }) => {
      const mark = given.has(id)
        ? `${"x".repeat(bar)}>${" ".repeat(width - bar)}`
        : `?${" ".repeat(width)}`;
      return `${mark} ${String(index).padStart(5)}    (id=${id})`;
    });
  return `${" ".repeat(width)}    idx\n${lines.join("\n")}\n`;
}

function voteName(result: VoteResult): string {
  if (result === VoteResult.WON) return "VoteWon";
  return result === VoteResult.LOST ? "VoteLost" : "VotePending";
}

function indexText(index: number): string {
  return index === UNLIMITED ? "∞" : String(index);
}

function confOf(voters: readonly number[], outgoing: readonly number[]): ConfState {
  return { voters, outgoing, learners: [], learnersNext: [], autoLeave: false };
}

function idsOf(values: readonly string[]): number[] {
  return values.map(Number);
}
