/** Broken elections. */

import { type Mutant, mutant, sentEarly } from "./mutant.ts";

export const ELECTION_MUTANTS: readonly Mutant[] = [
  sentEarly("votes leave before they are durable", 2, "VOTE_RESPONSE"),
  sentEarly("votes are asked for before the own one is durable", 1, "VOTE"),
  mutant("a candidate does not vote for itself", 1, "transitions", "state.vote = state.id;", ""),
  mutant(
    "a replica votes for everybody who asks",
    22,
    "election",
    "const canVote = ",
    "const canVote = true || ",
  ),
  mutant(
    "a vote looks at the last index only",
    16,
    "raft-log",
    "term > lastTerm || (term === lastTerm && index >= this.lastIndex)",
    "index >= this.lastIndex",
  ),
  mutant(
    "a vote looks at the last term only",
    16,
    "raft-log",
    "term > lastTerm || (term === lastTerm && index >= this.lastIndex)",
    "term >= lastTerm",
  ),
  mutant(
    "a candidate stays in its term",
    1,
    "transitions",
    "reset(state, state.term + 1);",
    "reset(state, Math.max(1, state.term));",
  ),
  mutant(
    "refusals count as votes",
    18,
    "candidate",
    "recordVote(message.from, !message.isRejected)",
    "recordVote(message.from, true)",
  ),
  mutant(
    "granted pre-votes count as votes",
    18,
    "candidate",
    "if (state.role === Role.PRE_CANDIDATE)\n                takeVote",
    "takeVote",
  ),
  mutant(
    "half of the votes are enough",
    0,
    "quorum",
    "voters.length / 2) + 1",
    "voters.length / 2)",
  ),
  mutant(
    "a joint election needs the incoming half only",
    30,
    "quorum",
    "const outgoing = majorityVote(conf.outgoing, votes);",
    "const outgoing = incoming;",
  ),
  mutant(
    "a leader takes over a higher term",
    0,
    "step",
    "becomeFollower(state, message.term, isFromLeader",
    "if (state.role === Role.LEADER) { state.term = message.term; return; }\n    becomeFollower(state, message.term, isFromLeader",
  ),
  mutant("messages of earlier terms count", 18, "step", "if (term < state.term) {", "if (false) {"),
  mutant(
    "a replica campaigns before it knows its electors",
    24,
    "election",
    "if (hasUnappliedConfChange(state))",
    "if (false)",
  ),
  mutant(
    "terms are not stored",
    3,
    "host:store-image",
    "this.hardState = isWhole",
    "hardState = { ...hardState, term: this.hardState.term }; this.hardState = isWhole",
  ),
  mutant(
    "votes are not stored",
    2,
    "host:store-image",
    "this.hardState = isWhole",
    "hardState = { ...hardState, vote: 0 }; this.hardState = isWhole",
  ),
];
