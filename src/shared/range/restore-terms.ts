/** The terms of a log that was found on disk, in the form that both ends of a range keep. */

import { emptyEntry } from "../raft/entry.ts";
import { TermRuns } from "../raft/term-runs.ts";

export interface FoundLog {
  readonly lastIndex: number;
  /** Each up to the next one's first; the first begins behind the compacted index. */
  readonly termRuns: readonly { readonly firstIndex: number; readonly term: number }[];
}

export function restoreTerms(
  compacted: { readonly compactedIndex: number; readonly compactedTerm: number },
  { lastIndex, termRuns }: FoundLog,
): TermRuns {
  const terms = new TermRuns(compacted.compactedIndex, compacted.compactedTerm);
  const last = termRuns[termRuns.length - 1];
  if (last === undefined) return terms;
  // Runs need their ends only: what lies between is of the same term.
  const ends = termRuns.map(({ firstIndex, term }) => emptyEntry(firstIndex, term));
  terms.append([...ends, emptyEntry(lastIndex, last.term)]);
  return terms;
}
