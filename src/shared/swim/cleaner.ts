/**
 * Who cleans up after a dead member, agreed on without a word: the live member with the greatest
 * hash of (itself, the dead one), as in rendezvous hashing (Thaler and Ravishankar, 1998).
 *
 * Different dead members get different cleaners, and when a cleaner dies only its own charges get a
 * new one. Members with different lists may elect two for a moment, so cleaning must be idempotent.
 */

import { HASH_START, hashText, spread } from "../bytes/hash32.ts";
import type { NodeId } from "./member.ts";

const TWO_POW_32 = 0x1_0000_0000;

/**
 * One of `candidates`, the same for every order of them; null when there is none. O(candidates).
 */
export function electCleaner(subject: NodeId, candidates: Iterable<NodeId>): NodeId | null {
  let elected: NodeId | null = null;
  let best = -1;
  for (const candidate of candidates) {
    const weight = spread(hashText(hashText(HASH_START, candidate), subject), TWO_POW_32);
    const isBetter = weight > best || (weight === best && elected !== null && candidate > elected);
    if (!isBetter) continue;
    elected = candidate;
    best = weight;
  }
  return elected;
}
