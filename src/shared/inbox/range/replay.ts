/**
 * Retained messages that a stored session is handed for a new subscription: how far that has come.
 *
 * ```
 *  SUBSCRIBE ─▶ owed ─BEGUN─▶ topics handed over, one by one ─OVER─▶ not owed
 *                  ▲              │ connection, worker, process gone
 *                  └── attach ────┘ the session goes on with what is not among the topics
 * ```
 *
 * A session hands its inbox a batch at a time, as fast as the client takes them, so a connection
 * may end long before the last. The alternative, all of them at once into the queue, would lose
 * what its quota has no room for. No place in the walk can be remembered: it has no order, and what
 * it walks over changes. Thread: the worker that stores the range. Scope: one per session at most.
 */

import { decodeUtf8 } from "../../bytes/utf8.ts";
import { Changed, type Inbox } from "./inbox.ts";
import { wake } from "./inbox-parts.ts";
import type { RangeState } from "./range-state.ts";
import { ReplayProgress } from "./replay-progress.ts";

/** The inbox is awake. */
export function beginReplay(state: RangeState, inbox: Inbox, filter: string): void {
  forgetReplay(state, inbox);
  inbox.replay = new ReplayProgress(filter);
  inbox.hasReplay = true;
  state.change(inbox, Changed.REPLAY);
}

/** The inbox has taken a message of the replay under way. */
export function noteReplayed(state: RangeState, inbox: Inbox, topic: Uint8Array): void {
  if (!inbox.hasReplay) return;
  wake(state, inbox);
  const isNews = inbox.replay!.add(decodeUtf8(topic, 0, topic.length));
  if (isNews) state.change(inbox, Changed.REPLAY);
}

/** It is over, or of no use any more. The inbox is awake. */
export function forgetReplay(state: RangeState, inbox: Inbox): void {
  const { replay } = inbox;
  if (replay === null) return;
  inbox.endedReplayRows = Math.max(inbox.endedReplayRows, replay.rowCount);
  inbox.replay = null;
  inbox.hasReplay = false;
  state.change(inbox, Changed.REPLAY);
}
