/**
 * Who exchanges state with whom: a ring of all nodes with a few long chords, so that news crosses a
 * large cluster in few hops while every node talks to few others.
 *
 * Nodes stand on the ring in the order of a hash of their names, and node i talks to i +- d for
 * d = 1 and for ceil(log20 N) distances in geometric steps up to N (2 + 2 ceil(log20 N) neighbours,
 * the amount that BifroMQ's anti-entropy uses). Being a circulant graph it is symmetric: nodes with
 * the same list agree about every link, without a word. Up to seven nodes everybody is linked with
 * everybody.
 */

import { HASH_START, hashText, spread } from "../bytes/hash32.ts";
import type { ReplicaId } from "./causal-context.ts";

const TWO_POW_32 = 0x1_0000_0000;
/** Up to here all links together are cheaper than the hops that they save. */
const FULL_MESH_MAX = 7;
const CHORD_BASE = 20;

/** Links of `self` among `all`, in which `self` may or may not stand. O(N log N). */
export function neighboursOf(self: ReplicaId, all: Iterable<ReplicaId>): Set<ReplicaId> {
  const ring = [...new Set([self, ...all])].map((replica) => {
    return { replica, place: spread(hashText(HASH_START, replica), TWO_POW_32) };
  });
  ring.sort((left, right) => left.place - right.place || (left.replica < right.replica ? -1 : 1));
  const own = ring.findIndex(({ replica }) => replica === self);
  const neighbours = new Set<ReplicaId>();
  for (const distance of distancesIn(ring.length)) {
    for (const index of [own + distance, own - distance + ring.length]) {
      neighbours.add(ring[index % ring.length]!.replica);
    }
  }
  neighbours.delete(self);
  return neighbours;
}

/** Ascending, each below the size of the ring. */
function distancesIn(ringSize: number): number[] {
  if (ringSize <= FULL_MESH_MAX) return Array.from({ length: ringSize }, (_none, index) => index);
  const chords = Math.ceil(Math.log(ringSize) / Math.log(CHORD_BASE));
  const distances = [1];
  for (let i = 1; i <= chords; i++) {
    distances.push(Math.round(ringSize ** (i / (chords + 1))));
  }
  return distances;
}
