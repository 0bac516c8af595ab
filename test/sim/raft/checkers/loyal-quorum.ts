/**
 * Invariant 10, seen from the inside. A leader may serve a read only while it is known that nobody
 * else can have been elected: because a quorum has answered since the read came, or because one has
 * promised. Either means that a quorum was still in the leader's term, or an earlier one, when the
 * read came. Where that was not so, the leader served by luck, also if its successor had nothing to
 * say yet and no client can tell.
 */

import type { ConfState } from "../../../../src/shared/raft/conf-state.ts";
import type { DiskView } from "./views.ts";

/**
 * Whether most voters, of both halves of a joint configuration, have not promised anything to a
 * term behind `term`. Their disks know: what only memory knows can be forgotten, and a replica that
 * has forgotten a term may well answer in an earlier one.
 */
export function hasLoyalQuorum(
  { voters, outgoing }: ConfState,
  term: number,
  diskOf: (replica: number) => DiskView,
): boolean {
  return [voters, outgoing].every((half) => {
    const loyal = half.filter((voter) => diskOf(voter).hardTerm <= term);
    return half.length === 0 || loyal.length * 2 > half.length;
  });
}
