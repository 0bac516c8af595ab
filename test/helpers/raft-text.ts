/**
 * Raft's values in the notation of the vectors (and of failing tests): configurations, progress,
 * entries, messages.
 */

import { decodeConfChange } from "../../src/shared/raft/conf-change-codec.ts";
import {
  type ConfChangeStep,
  ConfChangeType,
  type ConfState,
} from "../../src/shared/raft/conf-state.ts";
import { type Entry, EntryType, NO_REPLICA } from "../../src/shared/raft/entry.ts";
import type { HardState } from "../../src/shared/raft/hard-state.ts";
import { MessageType, type RaftMessage } from "../../src/shared/raft/message.ts";
import { ProgressState } from "../../src/shared/raft/progress.ts";
import { Role } from "../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../src/shared/raft/snapshot.ts";
import type { MemberStatus } from "../../src/shared/raft/status.ts";

const STEP_LETTERS = new Map<string, ConfChangeType>([
  ["v", ConfChangeType.ADD_VOTER],
  ["l", ConfChangeType.ADD_LEARNER],
  ["r", ConfChangeType.REMOVE],
  ["u", ConfChangeType.UPDATE],
]);

/** "v1 l2 r3": make 1 a voter, 2 a learner, remove 3. */
export function parseSteps(text: string): ConfChangeStep[] {
  return text
    .trim()
    .split(/\s+/)
    .filter((token) => token !== "")
    .map((token) => {
      const type = STEP_LETTERS.get(token[0]!);
      if (type === undefined) throw new Error(`unknown input: ${token}`);
      return { type, replica: Number(token.slice(1)) };
    });
}

export function stepsText(steps: readonly ConfChangeStep[]): string {
  const letters = new Map([...STEP_LETTERS].map(([letter, type]) => [type, letter]));
  return steps.map(({ type, replica }) => `${letters.get(type)}${replica}`).join(" ");
}

export function confText(conf: ConfState): string {
  const parts = [
    `voters=(${conf.voters.join(" ")})${conf.outgoing.length > 0 ? `&&(${conf.outgoing.join(" ")})` : ""}`,
  ];
  if (conf.learners.length > 0) parts.push(`learners=(${conf.learners.join(" ")})`);
  if (conf.learnersNext.length > 0) parts.push(`learners_next=(${conf.learnersNext.join(" ")})`);
  if (conf.autoLeave) parts.push("autoleave");
  return parts.join(" ");
}

const STATE_NAMES = new Map<ProgressState, string>([
  [ProgressState.PROBE, "StateProbe"],
  [ProgressState.REPLICATE, "StateReplicate"],
  [ProgressState.SNAPSHOT, "StateSnapshot"],
]);

/** `showsActivity`: configuration vectors say nothing about who was heard of. */
export function progressText(progress: MemberStatus, showsActivity: boolean): string {
  const parts = [
    `${STATE_NAMES.get(progress.state)} match=${progress.match} next=${progress.next}`,
  ];
  if (progress.isLearner) parts.push("learner");
  if (progress.isBlocked) parts.push("paused");
  if (progress.pendingSnapshot > 0) parts.push(`pendingSnap=${progress.pendingSnapshot}`);
  if (showsActivity && !progress.isRecentlyActive) parts.push("inactive");
  if (progress.inflightMessages > 0) {
    parts.push(`inflight=${progress.inflightMessages}${progress.isWindowFull ? "[full]" : ""}`);
  }
  return parts.join(" ");
}

const ROLE_NAMES = new Map<Role, string>([
  [Role.FOLLOWER, "StateFollower"],
  [Role.PRE_CANDIDATE, "StatePreCandidate"],
  [Role.CANDIDATE, "StateCandidate"],
  [Role.LEADER, "StateLeader"],
]);

export function roleText(role: Role): string {
  return ROLE_NAMES.get(role) ?? String(role);
}

export const MESSAGE_NAMES: ReadonlyMap<MessageType, string> = new Map<MessageType, string>([
  [MessageType.PRE_VOTE, "MsgPreVote"],
  [MessageType.PRE_VOTE_RESPONSE, "MsgPreVoteResp"],
  [MessageType.VOTE, "MsgVote"],
  [MessageType.VOTE_RESPONSE, "MsgVoteResp"],
  [MessageType.APPEND, "MsgApp"],
  [MessageType.APPEND_RESPONSE, "MsgAppResp"],
  [MessageType.HEARTBEAT, "MsgHeartbeat"],
  [MessageType.HEARTBEAT_RESPONSE, "MsgHeartbeatResp"],
  [MessageType.SNAPSHOT, "MsgSnap"],
  [MessageType.TIMEOUT_NOW, "MsgTimeoutNow"],
  [MessageType.TRANSFER_LEADER, "MsgTransferLeader"],
  [MessageType.READ_INDEX, "MsgReadIndex"],
  [MessageType.READ_INDEX_RESPONSE, "MsgReadIndexResp"],
  [MessageType.PROPOSE, "MsgProp"],
  [MessageType.EPOCH_FENCE, "MsgEpochFence"],
  [MessageType.NOT_A_MEMBER, "MsgNotAMember"],
]);

/** Marks a change that the vectors proposed in the old form, which they print differently. */
export const OLD_FORM = new TextEncoder().encode("v1");

export function entryText(entry: Entry): string {
  const head = `${entry.term}/${entry.index}`;
  if (entry.type === EntryType.NORMAL) {
    return `${head} EntryNormal ${JSON.stringify(new TextDecoder().decode(entry.data))}`;
  }
  const change = decodeConfChange(entry.data);
  if (change === null) return `${head} EntryConfChange?`;
  const version = change.context.length > 0 ? "" : "V2";
  return `${head} EntryConfChange${version} ${stepsText(change.steps)}`.trimEnd();
}

/** A message and what it carries; several lines when it carries several entries or a snapshot. */
export function messageText(message: RaftMessage): string {
  const { type } = message;
  // Refused votes and answers to heartbeats say what is committed, which those of the vectors'
  // authors do not.
  const isVote = type === MessageType.VOTE_RESPONSE || type === MessageType.PRE_VOTE_RESPONSE;
  const parts = [
    `${message.from}->${message.to} ${MESSAGE_NAMES.get(type)}`,
    `Term:${message.term} Log:${isVote ? 0 : message.logTerm}/${message.index}`,
  ];
  if (message.isRejected) parts.push(`Rejected (Hint: ${message.hint})`);
  const tellsOwnCommit = isVote || type === MessageType.HEARTBEAT_RESPONSE;
  if (message.commit > 0 && !tellsOwnCommit) parts.push(`Commit:${message.commit}`);
  if (message.entries.length > 0) parts.push(entriesText(message.entries));
  const text = parts.join(" ");
  return message.snapshot === null ? text : `${text}\n${snapshotLine(message.snapshot)}`;
}

export function entriesText(entries: readonly Entry[]): string {
  if (entries.length === 1) return `Entries:[${entryText(entries[0]!)}]`;
  return `Entries:[\n${indent(entries.map(entryText).join("\n"))}\n]`;
}

export function snapshotLine(snapshot: Snapshot): string {
  return `  Snapshot: ${snapshotText(snapshot)}`;
}

export function snapshotText({ index, term, conf }: Snapshot): string {
  const lists = [
    `Voters:[${conf.voters.join(" ")}]`,
    `VotersOutgoing:[${conf.outgoing.join(" ")}]`,
    `Learners:[${conf.learners.join(" ")}]`,
    `LearnersNext:[${conf.learnersNext.join(" ")}]`,
    `AutoLeave:${conf.autoLeave}`,
  ];
  return `Index:${index} Term:${term} ConfState:${lists.join(" ")}`;
}

export function hardStateText({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === NO_REPLICA ? "" : ` Vote:${vote}`} Commit:${commit}`;
}

export function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? line : `  ${line}`))
    .join("\n");
}
